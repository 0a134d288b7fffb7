//! A client of a simulation: its script, its end of the wire, and the bytes in flight between them.

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
    /// The client's address. `None` for the far end of a connection that a handler requested.
    pub(super) peer: Option<Peer>,
    /// The refusal of the connection has been checked against the limits.
    pub(super) is_refusal_seen: bool,
    /// A loop has admitted it.
    pub(super) is_taken_in: bool,
    pub(super) way: Way,
    pub(super) has_shut: bool,
    pub(super) has_reset: bool,
    pub(super) has_ended: bool,
    pub(super) times: Times,
}

/// The circumstances of a close by the server.
#[derive(Clone, Copy)]
pub(super) struct Farewell {
    pub(super) now_ms: u64,
    /// The server was requested to stop.
    pub(super) is_cut: bool,
    /// A worker may keep the handler when the server ends, without a call of `on_close`.
    pub(super) may_be_left: bool,
    /// An undelivered event of the connection is queued at its loop.
    pub(super) is_queued: bool,
    /// A thread could not be started.
    pub(super) threads_have_lacked: bool,
}

/// The times of the last reads and writes, in milliseconds, and the byte counts at that time.
#[derive(Default)]
pub(super) struct Times {
    opened_ms: u64,
    read: usize,
    read_ms: u64,
    written: usize,
    written_ms: u64,
    shut_ms: Option<u64>,
    /// The time at which a failed write was first seen.
    failed_ms: Option<u64>,
}

impl Guest {
    /// Creates a client that connects from `peer`.
    pub(super) fn new(script: Box<dyn Script>, peer: Peer) -> Guest {
        let (wire, account) = (Wire::new(), Arc::default());
        Guest { peer: Some(peer), ..Guest::called(script, wire, account) }
    }

    /// Creates the far end of a connection that a handler requested.
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

    /// Returns the server's end of the connection.
    pub(super) fn stream(&self) -> MemoryStream {
        MemoryStream::new(&self.wire, &self.account)
    }

    /// Returns true if the script is still called for actions.
    pub(super) fn is_active(&self) -> bool {
        !self.has_shut && !self.has_reset && !self.has_ended
    }

    /// Returns true if the server has not closed the connection.
    pub(super) fn is_open(&self) -> bool {
        let wire = self.wire();
        wire.connecting == Connecting::Made && !wire.server_gone
    }

    /// Returns true if the server closed the connection before a handler served it, unchecked so
    /// far.
    pub(super) fn is_refused(&self) -> bool {
        let wire = self.wire();
        self.peer.is_some()
            && !self.is_refusal_seen
            && wire.connecting == Connecting::Made
            && wire.server_gone
            && !self.account().opened
    }

    /// Returns true if a handler serves it.
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

    /// Makes the connection keep packet boundaries.
    pub(super) fn keep_boundaries(&mut self) {
        self.way.keep_boundaries();
        self.wire().packets = Some(Packets::up_to(usize::MAX));
    }

    /// Delivers `len` bytes to the server, or the packets that begin in them; with `with_end`, the
    /// end of input after the last byte, too.
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

    /// Returns true if the end of the client's output is in flight.
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

    /// Notes the progress made by the last turn.
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
            times.shut_ms = Some(now_ms);
        }
    }

    /// Returns the end of the connection, once the server has closed it.
    ///
    /// # Errors
    ///
    /// A description of the breach, if the connection must not have ended so.
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
                false => Err("on_close was not called".to_owned()),
            };
        };
        self.check_reason(&why, limits, at, &wire)?;
        if !is_cut && !self.has_reset {
            // Work without a thread ends a connection even if its output failed earlier.
            let is_over = account.is_over() || at.threads_have_lacked;
            self.check_halves(&why, limits, now_ms, is_over, &wire)?;
        }
        // A worker may hold the handler.
        if is_queued
            && !may_be_left
            && wire.is_readable()
            && matches!(why, Close::Timeout(Timeout::Idle | Timeout::FirstByte))
        {
            return Err("timed out though input had arrived in time".to_owned());
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
            false => Err(format!("ended without a reason: {why}")),
        }
    }

    /// Checks that the client sees a reset after the output failed or was given up, and that the
    /// server has read the input that had arrived, within the linger limits.
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
            return Err(format!("{why}, but the client sees no reset"));
        }
        let Some(failed) = failed else { return Ok(()) };
        let lingered = times.failed_ms.is_some_and(|from_ms| {
            now_ms - from_ms >= now::millis(limits.linger)
                || wire.bytes_read - failed.read >= limits.linger_bytes.max(1)
        });
        match is_over || lingered || wire.bytes_read >= failed.arrived {
            true => Ok(()),
            false => Err("the output failed, and input that had arrived is lost".to_owned()),
        }
    }

    /// Checks that a connection closed with unread input, whose reset may destroy the response, has
    /// lingered long enough.
    fn check_linger(&self, limits: &Limits, now_ms: u64) -> Result<(), String> {
        let times = &self.times;
        let lingered = times.shut_ms.is_some_and(|shut_ms| {
            now_ms - shut_ms.max(times.read_ms) >= now::millis(limits.linger)
                || now_ms - shut_ms >= now::millis(limits.linger_total)
        });
        match lingered {
            true => Ok(()),
            false => Err("closed with unread input: the response may be lost".to_owned()),
        }
    }
}

/// Returns true if offloaded work found no thread: a fault of the system, reported by the work.
fn lacks_thread(why: &Close) -> bool {
    matches!(why, Close::Failed(reason) if reason.to_string() == NO_THREAD)
}
