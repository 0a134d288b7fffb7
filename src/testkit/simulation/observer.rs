//! Looks over the shoulder of every handler: what it is told must make sense, and comes true. Knows
//! the contract of handlers; no wire and no hub.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::close::Close;
use crate::handler::Handler;
use crate::handler::context::Effect;
use crate::handler::context::{Context, Note};

/// What is known of one connection by both of its sides.
#[derive(Default)]
pub(super) struct Account {
    /// All bytes that have arrived from the client, and how many of them handlers have used.
    pub(super) arrived: Vec<u8>,
    used: usize,
    /// The end of them has arrived.
    pub(super) shut: bool,
    pub(super) opened: bool,
    /// Its handler wants to be replaced, and the new one has not been opened.
    pub(super) handed_over: bool,
    pub(super) closed: Option<Close>,
    /// Its handler has been told of the end of the input.
    eof: bool,
    paused: bool,
    /// Its handler has asked for the end.
    over: bool,
    /// Its handler is being called. One that panics never returns.
    called: bool,
    /// When its timer will ring, in milliseconds.
    pub(super) timer_ms: Option<u64>,
    /// What should never have happened.
    pub(super) breach: Option<String>,
}

pub(super) type Shared = Arc<Mutex<Account>>;

pub(super) fn lock(account: &Mutex<Account>) -> MutexGuard<'_, Account> {
    account.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Account {
    /// Whether its handler has nothing more to do.
    pub(super) fn is_over(&self) -> bool {
        self.over || self.called
    }

    fn breach(&mut self, what: impl Into<String>) {
        self.breach.get_or_insert(what.into());
    }

    /// Something is told that is no use to one who has not opened or has closed.
    fn told(&mut self, what: &str) {
        if !self.opened {
            self.breach(format!("{what} before on_open"));
        }
        if self.closed.is_some() {
            self.breach(format!("{what} after on_close"));
        } else if self.over {
            self.breach(format!("{what} though the handler has closed"));
        }
    }

    fn offered(&mut self, input: &[u8]) {
        self.told("on_data");
        if self.paused {
            self.breach("on_data though the handler has paused");
        }
        if self.eof {
            self.breach("on_data after on_eof");
        }
        if input.is_empty() {
            self.breach("on_data with nothing");
        }
        let unused = self.arrived.get(self.used..).unwrap_or_default();
        if !unused.starts_with(input) {
            self.breach(format!("on_data with other bytes than came, behind byte {}", self.used));
        }
    }

    fn returned(&mut self, offered: usize, result: &Result<usize, Close>) {
        match result {
            Ok(used) => self.used += (*used).min(offered),
            Err(_) => self.over = true,
        }
    }

    fn woken(&mut self, now_ms: u64) {
        self.told("on_wake");
        match self.timer_ms.take() {
            Some(at_ms) if at_ms > now_ms => self.breach("on_wake too early"),
            Some(_) => {}
            None => self.breach("on_wake without a timer"),
        }
    }
}

/// A handler, and who looks over its shoulder.
pub(super) struct Observed {
    handler: Box<dyn Handler>,
    account: Shared,
    /// It has been opened. (Another one may have been, which it took over from.)
    opened: bool,
}

impl Observed {
    pub(super) fn new(handler: Box<dyn Handler>, account: Shared) -> Observed {
        Observed { handler, account, opened: false }
    }

    fn call<R>(
        &mut self,
        cx: &mut Context<'_>,
        call: impl FnOnce(&mut dyn Handler, &mut Context<'_>) -> R,
    ) -> R {
        let before = cx.record().effects.len();
        lock(&self.account).called = true;
        let result = call(&mut *self.handler, cx);
        let mut account = lock(&self.account);
        account.called = false;
        for effect in cx.record().effects.iter_mut().skip(before) {
            match effect {
                Effect::Pause => account.paused = true,
                Effect::Resume => account.paused = false,
                Effect::Close(_) | Effect::Reset(_) => account.over = true,
                Effect::WakeAt(at_ms) => account.timer_ms = Some(*at_ms),
                Effect::Upgrade(to) if !account.over => {
                    let inner = std::mem::replace(to, Box::new(Nobody));
                    *to = Box::new(Observed {
                        handler: inner,
                        account: Arc::clone(&self.account),
                        opened: false,
                    });
                    account.handed_over = true;
                }
                _ => {}
            }
        }
        result
    }
}

/// What stands in for a handler while it is packed.
struct Nobody;

impl Handler for Nobody {
    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }
}

impl Handler for Observed {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        let mut account = lock(&self.account);
        if self.opened || account.opened != account.handed_over || account.closed.is_some() {
            account.breach("on_open twice");
        }
        self.opened = true;
        *account = Account {
            opened: true,
            handed_over: false,
            eof: false,
            paused: false,
            timer_ms: None,
            ..std::mem::take(&mut *account)
        };
        drop(account);
        self.call(cx, |handler, cx| handler.on_open(cx));
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        lock(&self.account).offered(input);
        let offered = input.len();
        let result = self.call(cx, |handler, cx| handler.on_data(input, cx));
        lock(&self.account).returned(offered, &result);
        result
    }

    fn on_eof(&mut self, cx: &mut Context<'_>) {
        let mut account = lock(&self.account);
        account.told("on_eof");
        if account.eof {
            account.breach("on_eof twice");
        }
        if !account.shut {
            account.breach("on_eof though the client has not shut");
        }
        account.eof = true;
        drop(account);
        self.call(cx, |handler, cx| handler.on_eof(cx));
    }

    fn on_drain(&mut self, cx: &mut Context<'_>) {
        lock(&self.account).told("on_drain");
        self.call(cx, |handler, cx| handler.on_drain(cx));
    }

    fn on_wake(&mut self, cx: &mut Context<'_>) {
        lock(&self.account).woken(cx.now().millis());
        self.call(cx, |handler, cx| handler.on_wake(cx));
    }

    fn on_note(&mut self, note: Note, cx: &mut Context<'_>) {
        lock(&self.account).told("on_note");
        self.call(cx, |handler, cx| handler.on_note(note, cx));
    }

    fn on_unreachable(&mut self, error: &io::Error, cx: &mut Context<'_>) {
        self.call(cx, |handler, cx| handler.on_unreachable(error, cx));
    }

    fn on_reject(&mut self, why: &Close, cx: &mut Context<'_>) {
        lock(&self.account).told("on_reject");
        self.call(cx, |handler, cx| handler.on_reject(why, cx));
        lock(&self.account).over = true;
    }

    fn on_stop(&mut self, cx: &mut Context<'_>) {
        lock(&self.account).told("on_stop");
        self.call(cx, |handler, cx| handler.on_stop(cx));
    }

    fn on_close(&mut self, why: &Close, cx: &mut Context<'_>) {
        let mut account = lock(&self.account);
        if account.closed.is_some() {
            account.breach("on_close twice");
        }
        if !self.opened {
            account.breach("on_close before on_open");
        }
        account.closed = Some(why.clone());
        drop(account);
        self.call(cx, |handler, cx| handler.on_close(why, cx));
    }
}
