//! One client of a simulation: its script, its end of the wire, and what is on the way between the
//! two.

use std::sync::{Arc, Mutex, MutexGuard};

use super::account::{self, Account};
use super::script::{End, Script};
use super::socket::MemoryStream;
use super::way::Way;
use crate::close::Close;
use crate::close::Timeout;
use crate::exec::NO_THREAD;
use crate::limits::Limits;
use crate::net::peer::Peer;
use crate::now;
use crate::testkit::wire::{self, Connecting, Packets, Wire};

pub(super) struct Guest {
    pub(super) script: Box<dyn Script>,
    pub(super) wire: Arc<Mutex<Wire>>,
    pub(super) account: Arc<Mutex<Account>>,
    /// Where it connects from. `None` for the far end of a connection that a handler made.
    pub(super) peer: Option<Peer>,
    /// It was seen that it is refused, and held against the limits of then.
    pub(super) is_refusal_seen: bool,
    /// A loop has taken it in.
    pub(super) is_taken_in: bool,
    pub(super) way: Way,
    pub(super) has_shut: bool,
    pub(super) has_reset: bool,
    pub(super) has_ended: bool,
    pub(super) times: Times,
}

/// When the server closes a connection, and what it may not have known then.
#[derive(Clone, Copy)]
pub(super) struct Farewell {
    pub(super) now_ms: u64,
    /// The server was told to stop.
    pub(super) is_cut: bool,
    /// Its handler may be left with a worker when a server ends, and hear of no end.
    pub(super) may_be_left: bool,
    /// An event of it waits to be taken by its loop.
    pub(super) is_queued: bool,
    /// The system had no thread when one was wanted.
    pub(super) threads_have_lacked: bool,
}

/// When something moved last, in milliseconds, and how much has.
#[derive(Default)]
pub(super) struct Times {
    opened_ms: u64,
    read: usize,
    read_ms: u64,
    written: usize,
    written_ms: u64,
    shut_ms: Option<u64>,
    read_before_shut: usize,
    /// When a write was first seen to have failed.
    failed_ms: Option<u64>,
}

impl Guest {
    /// A client that connects from `peer`.
    pub(super) fn new(script: Box<dyn Script>, peer: Peer) -> Guest {
        let (wire, account) = (Wire::new(), Arc::default());
        Guest { peer: Some(peer), ..Guest::called(script, wire, account) }
    }

    /// The far end of a connection that a handler made.
    pub(super) fn called(
        script: Box<dyn Script>,
        wire: Arc<Mutex<Wire>>,
        account: Arc<Mutex<Account>>,
    ) -> Guest {
        Guest {
            script,
            wire,
            account,
            peer: None,
            is_refusal_seen: false,
            is_taken_in: false,
            way: Way::default(),
            has_shut: false,
            has_reset: false,
            has_ended: false,
            times: Times::default(),
        }
    }

    pub(super) fn wire(&self) -> MutexGuard<'_, Wire> {
        wire::lock(&self.wire)
    }

    pub(super) fn account(&self) -> MutexGuard<'_, Account> {
        account::lock(&self.account)
    }

    /// The server's end of its connection.
    pub(super) fn stream(&self) -> MemoryStream {
        MemoryStream::new(&self.wire, &self.account)
    }

    /// Whether its script is still asked.
    pub(super) fn is_active(&self) -> bool {
        !self.has_shut && !self.has_reset && !self.has_ended
    }

    /// Whether the server has accepted it and not closed it.
    pub(super) fn is_open(&self) -> bool {
        let wire = self.wire();
        wire.connecting == Connecting::Made && !wire.server_gone
    }

    /// Whether the server has accepted it, and closed it just now before a handler served it.
    pub(super) fn is_refused(&self) -> bool {
        let wire = self.wire();
        self.peer.is_some()
            && !self.is_refusal_seen
            && wire.connecting == Connecting::Made
            && wire.server_gone
            && !self.account().opened
    }

    /// Whether a handler serves it now.
    pub(super) fn is_served(&self) -> bool {
        let account = self.account();
        account.opened && !self.wire().server_gone
    }

    pub(super) fn take_in(&mut self, now_ms: u64) {
        self.is_taken_in = true;
        self.times.opened_ms = now_ms;
        self.times.read_ms = now_ms;
        self.times.written_ms = now_ms;
    }

    /// Its connection keeps the boundaries of packets.
    pub(super) fn keep_boundaries(&mut self) {
        self.way.keep_boundaries();
        self.wire().packets = Some(Packets::up_to(usize::MAX));
    }

    /// Brings `len` bytes to the server, or the packets that begin there, and the end behind the last if `with_end`.
    pub(super) fn deliver(&mut self, len: usize, with_end: bool) {
        let arrival = self.way.pop(len);
        let mut account = account::lock(&self.account);
        let mut wire = wire::lock(&self.wire);
        account.arrived.extend(&arrival.bytes);
        wire.to_server.extend(&arrival.bytes);
        if let Some(packets) = &mut wire.packets {
            packets.to_server.extend(arrival.packets);
        }
        if with_end && self.way.is_empty() && self.has_shut {
            account.shut = true;
            wire.client_shut = true;
        }
        wire.edge = true;
    }

    /// Whether the end of what it sends is still on its way.
    pub(super) fn has_end_underway(&self) -> bool {
        self.has_shut && !self.has_reset && !self.wire().client_shut
    }

    pub(super) fn reset(&mut self) {
        self.has_reset = true;
        self.way.clear();
        let mut wire = self.wire();
        wire.client_reset = true;
        wire.clear_input();
        wire.mark = None;
        wire.edge = true;
    }

    /// Sees what the last turn has moved.
    pub(super) fn look(&mut self, now_ms: u64) {
        let wire = wire::lock(&self.wire);
        let times = &mut self.times;
        if wire.bytes_read != times.read {
            (times.read, times.read_ms) = (wire.bytes_read, now_ms);
        }
        if wire.bytes_written != times.written {
            (times.written, times.written_ms) = (wire.bytes_written, now_ms);
        }
        if wire.failed_write.is_some() {
            times.failed_ms.get_or_insert(now_ms);
        }
        if wire.server_shut && times.shut_ms.is_none() {
            (times.shut_ms, times.read_before_shut) = (Some(now_ms), wire.bytes_read);
        }
    }

    /// How it ended, now that the server has closed.
    ///
    /// # Errors
    ///
    /// Why it must not have ended like this.
    pub(super) fn end(&self, limits: &Limits, at: Farewell) -> Result<End, String> {
        let Farewell { now_ms, is_cut, may_be_left, is_queued, .. } = at;
        let is_unheard = is_queued || self.wire().edge;
        let (account, wire) = (self.account(), self.wire());
        if !account.opened {
            return Ok(End::Unserved);
        }
        let Some(why) = account.closed.clone() else {
            return match account.handed_over {
                true => Ok(End::Cut(Close::Done)),
                false if is_cut && may_be_left => Ok(End::Cut(Close::Stopping)),
                false => Err("on_close is not told".to_owned()),
            };
        };
        self.check_reason(&why, limits, at, &wire)?;
        if !is_cut && !self.has_reset {
            // Work that found no thread has ended it, though its output had failed before.
            let is_over = account.is_over() || at.threads_have_lacked;
            self.check_halves(&why, limits, now_ms, is_over, &wire)?;
        }
        // A worker may have had the handler meanwhile.
        if is_queued
            && !may_be_left
            && wire.is_readable()
            && matches!(why, Close::Timeout(Timeout::Idle | Timeout::FirstByte))
        {
            return Err("timed out though it had sent in time".to_owned());
        }
        let in_order =
            matches!(why, Close::Done | Close::Eof | Close::Malformed { .. } | Close::Failed(_));
        if in_order && wire.reset_by_server && !is_unheard && !wire.broken && !is_cut {
            self.check_linger(limits, now_ms)?;
        }
        let disturbed =
            is_cut || self.has_reset || wire.broken || wire.reset_by_server || lacks_thread(&why);
        Ok(match in_order && !disturbed {
            true => End::Whole(why),
            false => End::Cut(why),
        })
    }

    fn check_reason(
        &self,
        why: &Close,
        limits: &Limits,
        at: Farewell,
        wire: &Wire,
    ) -> Result<(), String> {
        let Farewell { now_ms, is_cut, threads_have_lacked, .. } = at;
        let times = &self.times;
        let moved_ms = times.read_ms.max(times.written_ms);
        let since = |from_ms: u64, limit: Option<std::time::Duration>| {
            limit.is_some_and(|limit| now_ms - from_ms >= now::millis(limit))
        };
        let fits = match why {
            Close::Io(_) => wire.broken || wire.has_error(),
            Close::Stopping => is_cut,
            why if lacks_thread(why) => threads_have_lacked,
            Close::Timeout(Timeout::FirstByte) => {
                times.read == 0 && since(times.opened_ms, limits.first_byte)
            }
            Close::Timeout(Timeout::Message) => since(times.opened_ms, limits.message),
            Close::Timeout(Timeout::Idle) => since(moved_ms, limits.idle),
            Close::Timeout(Timeout::WriteStall) => since(times.written_ms, limits.write_stall),
            Close::InputLimit => times.read > limits.pending_input,
            _ => true,
        };
        match fits {
            true => Ok(()),
            false => Err(format!("ended without reason: {why}")),
        }
    }

    /// Its output has failed, or was given up: its client sees a reset. Input that had arrived before
    /// was read all the same, for as long as it is lingered for.
    fn check_halves(
        &self,
        why: &Close,
        limits: &Limits,
        now_ms: u64,
        is_over: bool,
        wire: &Wire,
    ) -> Result<(), String> {
        let times = &self.times;
        let failed = wire.failed_write.filter(|_| matches!(why, Close::Io(_)) && !wire.read_failed);
        let gives_up = matches!(why, Close::SlowConsumer | Close::Timeout(Timeout::WriteStall));
        if (gives_up || failed.is_some()) && !wire.reset_by_server {
            return Err(format!("{why}, and its end looks whole"));
        }
        let Some(failed) = failed else { return Ok(()) };
        let lingered = times.failed_ms.is_some_and(|from_ms| {
            now_ms - from_ms >= now::millis(limits.linger)
                || wire.bytes_read - failed.read >= limits.linger_bytes.max(1)
        });
        match is_over || lingered || wire.bytes_read >= failed.arrived {
            true => Ok(()),
            false => Err("its output failed, and input that had arrived is lost".to_owned()),
        }
    }

    /// A connection that closes with input unread is reset, and its answer lost: only one that has
    /// lingered long enough may.
    fn check_linger(&self, limits: &Limits, now_ms: u64) -> Result<(), String> {
        let times = &self.times;
        let lingered = times.shut_ms.is_some_and(|shut_ms| {
            now_ms - shut_ms >= now::millis(limits.linger)
                || times.read - times.read_before_shut >= limits.linger_bytes
        });
        match lingered {
            true => Ok(()),
            false => Err("closed with input unread: its answer may be lost".to_owned()),
        }
    }
}

/// Work that it offloaded has found no thread: a fault of the system, told as one of the work.
fn lacks_thread(why: &Close) -> bool {
    matches!(why, Close::Failed(reason) if reason.to_string() == NO_THREAD)
}
