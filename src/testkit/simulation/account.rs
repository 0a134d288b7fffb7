//! What is known of one connection by both of its sides, and what must be true of it. Knows the
//! contract of handlers; no wire and no hub.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::close::Close;

/// A timer that a handler has set.
#[derive(Clone, Copy)]
pub(super) struct Timer {
    pub(super) at_ms: u64,
    pub(super) period_ms: Option<u64>,
}

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
    pub(super) eof: bool,
    pub(super) paused: bool,
    /// Its handler has asked for the end.
    pub(super) over: bool,
    /// Its handler is being called. One that panics never returns.
    pub(super) called: bool,
    /// When its timer will ring, in milliseconds.
    pub(super) timers: HashMap<u64, Timer>,
    /// What should never have happened.
    pub(super) breach: Option<String>,
}

/// Nothing that is done under the lock calls a handler.
pub(super) fn lock(account: &Mutex<Account>) -> MutexGuard<'_, Account> {
    account.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Account {
    /// Whether its handler has nothing more to do.
    pub(super) fn is_over(&self) -> bool {
        self.over || self.called
    }

    /// Its handler is called. One that has panicked in a call before asked for the end with that.
    pub(super) fn call(&mut self) {
        self.over |= self.called;
        self.called = true;
    }

    /// A handler is opened: nothing of the one before it counts.
    pub(super) fn open(&mut self) {
        self.opened = true;
        self.handed_over = false;
        (self.eof, self.paused) = (false, false);
        self.timers.clear();
    }

    pub(super) fn breach(&mut self, what: impl Into<String>) {
        self.breach.get_or_insert(what.into());
    }

    /// Something is told that is no use to one who has not opened or has closed.
    pub(super) fn told(&mut self, what: &str) {
        if !self.opened {
            self.breach(format!("{what} before on_open"));
        }
        if self.closed.is_some() {
            self.breach(format!("{what} after on_close"));
        } else if self.over {
            self.breach(format!("{what} though the handler has closed"));
        }
    }

    pub(super) fn offered(&mut self, input: &[u8]) {
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

    pub(super) fn returned(&mut self, offered: usize, result: &Result<usize, Close>) {
        match result {
            Ok(used) => self.used += (*used).min(offered),
            Err(_) => self.over = true,
        }
    }

    pub(super) fn rang(&mut self, key: u64, now_ms: u64) {
        self.told("on_timer");
        let timer = self.timers.remove(&key);
        if let Some(Timer { at_ms, period_ms: Some(period_ms) }) = timer {
            let next = Timer { at_ms: at_ms + period_ms, period_ms: Some(period_ms) };
            self.timers.insert(key, next);
        }
        match timer {
            Some(timer) if timer.at_ms > now_ms => self.breach("on_timer too early"),
            Some(_) => {}
            None => self.breach("on_timer without a timer"),
        }
    }
}
