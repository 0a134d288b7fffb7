//! The state of a connection as seen from both sides, and its invariants. Knows the contract of
//! handlers; must not know the wire or the hub.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::close::Close;

/// A timer set by a handler.
#[derive(Clone, Copy)]
pub(super) struct Timer {
    /// It must not ring before.
    pub(super) at_ms: u64,
    /// It must have rung by then. An interval skips calls that come too late.
    pub(super) latest_ms: u64,
    pub(super) period_ms: Option<u64>,
}

/// The state of a connection as seen from both sides.
#[derive(Default)]
pub(super) struct Account {
    /// The bytes that have arrived from the client, and the number used by handlers.
    pub(super) arrived: Vec<u8>,
    used: usize,
    /// The client's end of input has arrived.
    pub(super) shut: bool,
    pub(super) opened: bool,
    /// The handler requested its replacement, which has not been opened.
    pub(super) handed_over: bool,
    pub(super) closed: Option<Close>,
    /// `on_eof` has been called.
    pub(super) eof: bool,
    pub(super) paused: bool,
    /// The handler has requested the end.
    pub(super) over: bool,
    /// A call of the handler is running. If the handler panics, this remains set.
    pub(super) called: bool,
    /// The timers of the handler, by key.
    pub(super) timers: HashMap<u64, Timer>,
    /// The first violation of an invariant.
    pub(super) breach: Option<String>,
}

/// No handler is called under the lock, so it is never poisoned by one.
pub(super) fn lock(account: &Mutex<Account>) -> MutexGuard<'_, Account> {
    account.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Account {
    /// Returns true if the handler has requested the end, or panicked.
    pub(super) fn is_over(&self) -> bool {
        self.over || self.called
    }

    /// Notes the start of a call. A handler that panicked in an earlier call has requested the end.
    pub(super) fn call(&mut self) {
        self.over |= self.called;
        self.called = true;
    }

    /// Notes the opening of a handler. The state of the one before it is dropped.
    pub(super) fn open(&mut self) {
        self.opened = true;
        self.handed_over = false;
        (self.eof, self.paused) = (false, false);
        self.timers.clear();
    }

    pub(super) fn breach(&mut self, what: impl Into<String>) {
        self.breach.get_or_insert(what.into());
    }

    /// Notes a call that must come after `on_open`, and before `on_close` or a request to close.
    pub(super) fn told(&mut self, what: &str) {
        if !self.opened {
            self.breach(format!("{what} before on_open"));
        }
        if self.closed.is_some() {
            self.breach(format!("{what} after on_close"));
        } else if self.over {
            self.breach(format!("{what} after the handler closed"));
        }
    }

    pub(super) fn offered(&mut self, input: &[u8]) {
        self.told("on_data");
        if self.paused {
            self.breach("on_data while the handler is paused");
        }
        if self.eof {
            self.breach("on_data after on_eof");
        }
        if input.is_empty() {
            self.breach("on_data with no input");
        }
        let unused = self.arrived.get(self.used..).unwrap_or_default();
        if !unused.starts_with(input) {
            self.breach(format!("on_data with wrong bytes after byte {}", self.used));
        }
    }

    pub(super) fn returned(&mut self, offered: usize, result: &Result<usize, Close>) {
        match result {
            Ok(used) => self.used += (*used).min(offered),
            Err(_) => self.over = true,
        }
    }

    pub(super) fn rang(&mut self, key: u64, now_ms: u64) {
        self.told("on_timer");
        let timer = self.timers.remove(&key);
        if let Some(Timer { at_ms, period_ms: Some(period_ms), .. }) = timer {
            let (at_ms, latest_ms) = (at_ms + period_ms, now_ms + period_ms);
            self.timers.insert(key, Timer { at_ms, latest_ms, period_ms: Some(period_ms) });
        }
        match timer {
            Some(timer) if timer.at_ms > now_ms => self.breach("on_timer too early"),
            Some(_) => {}
            None => self.breach("on_timer without a timer"),
        }
    }
}
