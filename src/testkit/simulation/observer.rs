//! Wraps every handler and checks its calls. Knows the contract of handlers; must not know the wire
//! or the hub.

use std::io;
use std::sync::{Arc, Mutex};

use super::account::{Account, Timer, lock};
use super::kernel::{self, Shared, Wanted};
use crate::close::Close;
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::handler::effect::Effect;
use crate::handler::notification::Notification;

/// A handler, and the account that its calls are checked against.
pub(super) struct Observed {
    handler: Box<dyn Handler>,
    kernel: Shared,
    /// The account of its connection, once it is opened.
    account: Arc<Mutex<Account>>,
    /// This handler has been opened. (A handler that it replaced may have been, too.)
    opened: bool,
    /// Set for a handler that waits for a requested connection.
    dial: Option<DialTicket>,
}

/// A requested connection. It is established or reported as unreachable, once.
struct DialTicket {
    kernel: Shared,
    number: usize,
}

impl DialTicket {
    fn new(kernel: &Shared) -> DialTicket {
        let mut shared = kernel::lock(kernel);
        shared.wanted.push(Wanted::Open);
        DialTicket { kernel: Arc::clone(kernel), number: shared.wanted.len() - 1 }
    }

    fn end(self, how: Wanted) {
        kernel::lock(&self.kernel).wanted[self.number] = how;
    }
}

impl Drop for DialTicket {
    fn drop(&mut self) {
        let wanted = &mut kernel::lock(&self.kernel).wanted[self.number];
        if *wanted == Wanted::Open {
            *wanted = Wanted::Dropped;
        }
    }
}

impl Observed {
    pub(super) fn new(handler: Box<dyn Handler>, kernel: &Shared) -> Observed {
        Observed {
            handler,
            kernel: Arc::clone(kernel),
            account: Arc::default(),
            opened: false,
            dial: None,
        }
    }

    /// Wraps a handler that waits for a requested connection.
    fn dialing(handler: Box<dyn Handler>, kernel: &Shared) -> Observed {
        Observed { dial: Some(DialTicket::new(kernel)), ..Observed::new(handler, kernel) }
    }

    fn call<R>(
        &mut self,
        cx: &mut Context<'_>,
        call: impl FnOnce(&mut dyn Handler, &mut Context<'_>) -> R,
    ) -> R {
        let before = cx.record().effects.len();
        lock(&self.account).call();
        let result = call(&mut *self.handler, cx);
        let mut account = lock(&self.account);
        account.called = false;
        for effect in cx.record().effects.iter_mut().skip(before) {
            match effect {
                Effect::Pause(_) => account.paused = true,
                Effect::Resume => account.paused = false,
                Effect::Close(_) | Effect::Reset(_) => account.over = true,
                Effect::SetTimer { key, at_ms, period_ms } => {
                    let timer = Timer { at_ms: *at_ms, latest_ms: *at_ms, period_ms: *period_ms };
                    account.timers.insert(*key, timer);
                }
                Effect::CancelTimer(key) => {
                    account.timers.remove(key);
                }
                Effect::Upgrade(to) if !account.over => {
                    let inner = std::mem::replace(to, Box::new(Nobody));
                    *to = Box::new(Observed::new(inner, &self.kernel));
                    account.handed_over = true;
                }
                Effect::Connect(dial) => {
                    let inner = std::mem::replace(&mut dial.handler, Box::new(Nobody));
                    dial.handler = Box::new(Observed::dialing(inner, &self.kernel));
                }
                _ => {}
            }
        }
        result
    }
}

/// Takes the place of a handler while it is wrapped.
struct Nobody;

impl Handler for Nobody {
    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }
}

impl Handler for Observed {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        if let Some(account) = kernel::lock(&self.kernel).accounts.get(&cx.id()) {
            self.account = Arc::clone(account);
        }
        if let Some(dial) = self.dial.take() {
            dial.end(Wanted::Made);
        }
        let mut account = lock(&self.account);
        if self.opened || account.opened != account.handed_over || account.closed.is_some() {
            account.breach("on_open twice");
        }
        self.opened = true;
        account.open();
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
            account.breach("on_eof before the client has shut");
        }
        account.eof = true;
        drop(account);
        self.call(cx, |handler, cx| handler.on_eof(cx));
    }

    fn on_drain(&mut self, cx: &mut Context<'_>) {
        lock(&self.account).told("on_drain");
        self.call(cx, |handler, cx| handler.on_drain(cx));
    }

    fn on_timer(&mut self, key: u64, cx: &mut Context<'_>) {
        lock(&self.account).rang(key, cx.now().millis());
        self.call(cx, |handler, cx| handler.on_timer(key, cx));
    }

    fn on_notify(&mut self, note: Notification, cx: &mut Context<'_>) {
        lock(&self.account).told("on_notify");
        self.call(cx, |handler, cx| handler.on_notify(note, cx));
    }

    fn on_unreachable(&mut self, error: &io::Error, cx: &mut Context<'_>) {
        match self.dial.take() {
            Some(dial) => dial.end(Wanted::Unreachable),
            None => {
                let breach = "on_unreachable twice, or without a requested connection";
                kernel::lock(&self.kernel).breach = Some(breach.to_owned());
            }
        }
        self.call(cx, |handler, cx| handler.on_unreachable(error, cx));
    }

    fn on_reject(&mut self, why: &Close, cx: &mut Context<'_>) {
        lock(&self.account).told("on_reject");
        self.call(cx, |handler, cx| handler.on_reject(why, cx));
        lock(&self.account).over = true;
    }

    fn on_crowded(&mut self, cx: &mut Context<'_>) {
        lock(&self.account).told("on_crowded");
        self.call(cx, |handler, cx| handler.on_crowded(cx));
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
