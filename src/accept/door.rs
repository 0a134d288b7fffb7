//! One listener: whether to look at its queue, and what its errors mean.

use std::io;

use super::{Acceptor, PAUSE_MS};
use crate::limits::QUIET_MS;
use crate::metrics::counters::Counters;
use crate::net::peer::Peer;
use crate::now::Now;

/// A listener's accepting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepting {
    /// Its queue was empty when last looked at: an event will come.
    Idle,
    /// Its queue may hold peers, and no event will say so again.
    Ready,
    /// The system had no descriptor or memory for another connection. No event will come, so
    /// try again at this time, or when one of ours closed.
    Paused { until_ms: u64 },
}

/// A listener, the service behind it, and whether to look at it.
pub(super) struct Door<L> {
    listener: L,
    pub(super) service: usize,
    pub(super) accepting: Accepting,
    /// Looks left in this turn.
    left: usize,
    /// Those of this turn that found somebody who had left again.
    in_vain: usize,
    /// Trouble is not logged again before this time: it may come and go with every newcomer.
    quiet_until_ms: u64,
}

/// What one look at a listener's queue gave.
pub(super) enum Look<S> {
    Came(S, Peer),
    Nobody,
}

impl<L: Acceptor> Door<L> {
    pub(super) fn new(listener: L, service: usize) -> Door<L> {
        let accepting = Accepting::Ready;
        Door { listener, service, accepting, left: 0, in_vain: 0, quiet_until_ms: 0 }
    }

    pub(super) fn begin(&mut self, burst: usize, now: Now) {
        (self.left, self.in_vain) = (burst, 0);
        if let Accepting::Paused { until_ms } = self.accepting {
            if until_ms <= now.millis() {
                self.accepting = Accepting::Ready;
            }
        }
    }

    pub(super) fn may_look(&self) -> bool {
        self.accepting == Accepting::Ready && self.left > 0
    }

    pub(super) fn look(&mut self, burst: usize, now: Now, counters: &Counters) -> Look<L::Socket> {
        self.left -= 1;
        match self.listener.accept() {
            Ok((socket, peer)) => return Look::Came(socket, peer),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.accepting = Accepting::Idle;
            }
            Err(error) if concerns_one_peer(&error) => {
                self.in_vain += 1;
                // An error that is meant for one peer and yet comes every time must not make the
                // loop spin.
                if self.in_vain == burst {
                    self.pause(&error, now, counters);
                }
            }
            // Out of descriptors or memory (EMFILE, ENFILE, ENOBUFS, ENOMEM), and whatever else
            // accept may invent: a pause is right for all of them, because an error that lasts
            // must not make the loop spin.
            Err(error) => self.pause(&error, now, counters),
        }
        Look::Nobody
    }

    fn pause(&mut self, error: &io::Error, now: Now, counters: &Counters) {
        counters.accept_pauses.add(1);
        if self.quiet_until_ms <= now.millis() {
            log::warn!("{}: cannot accept: {error}", self.listener.address());
            self.quiet_until_ms = now.millis() + QUIET_MS;
        }
        self.accepting = Accepting::Paused { until_ms: now.millis() + PAUSE_MS };
    }
}

/// Errors that accept(2) reports for the connection it would have returned, and recv(2) for
/// datagrams that were sent before: the next one may be all right.
pub(crate) fn concerns_one_peer(error: &io::Error) -> bool {
    const EPROTO: i32 = if cfg!(target_os = "linux") { 71 } else { 100 };
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::TimedOut
    ) || error.raw_os_error() == Some(EPROTO)
}
