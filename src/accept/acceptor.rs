//! One listener: when to look at its queue, and the meaning of its errors.

use std::io;

use super::own_places::{OwnPlace, OwnPlaces};
use super::socket::Accept;
use crate::log_throttle::LogThrottle;
use crate::metrics::counters::Counters;
use crate::net::incoming::Incoming;
use crate::now::Now;

/// How long to wait when the system is out of descriptors or memory.
pub(crate) const PAUSE_MS: u64 = 100;

/// The errors of a process, or a system, without a free descriptor: the same on all systems.
const EMFILE: i32 = 24;
const ENFILE: i32 = 23;

/// The need of the first connection in the queue of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    Nothing,
    /// There is no room, and perhaps no connection either: an event would tell.
    Look,
    /// There is no room for it.
    Room,
}

/// The state of an acceptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The queue was empty at the last look: an event will come.
    Idle,
    /// The queue may hold connections, and no event will report them again.
    Ready,
    /// The queue holds a connection: an event has reported it, and none was accepted since.
    Reported,
    /// The system had no descriptor or memory for another connection. No event will come: try again
    /// at this time, or when a connection of this process has closed.
    Paused { until_ms: u64 },
}

/// A listener, the index of its service, and the state of its queue.
pub(super) struct Acceptor<L> {
    listener: L,
    pub(super) service: usize,
    /// The places that each of its connections takes.
    places: usize,
    /// Those that only connections of its service take.
    own_places: OwnPlaces,
    pub(super) state: State,
    /// Calls of `accept` left in this turn.
    left: usize,
    /// Calls in this turn that found a connection aborted by its peer.
    aborted: usize,
    /// The last call failed, because the process may have no more descriptors.
    lacks_descriptor: bool,
    log_throttle: LogThrottle,
}

impl<L: Accept> Acceptor<L> {
    pub(super) fn new(
        listener: L,
        service: usize,
        (places, own_places): (usize, OwnPlaces),
    ) -> Acceptor<L> {
        let state = State::Ready;
        let log_throttle = LogThrottle::default();
        Acceptor {
            listener,
            service,
            places,
            own_places,
            state,
            left: 0,
            aborted: 0,
            lacks_descriptor: false,
            log_throttle,
        }
    }

    pub(super) fn refuse_new(&self) -> bool {
        self.listener.refuse_new()
    }

    pub(super) fn begin(&mut self, burst: usize, now: Now) {
        (self.left, self.aborted) = (burst, 0);
        if let State::Paused { until_ms } = self.state
            && until_ms <= now.millis()
        {
            self.state = State::Ready;
        }
    }

    /// Returns the time of the next look without an event, in milliseconds.
    pub(super) fn due_ms(&self, mut has_room: impl FnMut(usize) -> bool) -> Option<u64> {
        match self.state {
            State::Idle => None,
            State::Ready | State::Reported => self.has_room(&mut has_room).then_some(0),
            State::Paused { until_ms } => Some(until_ms),
        }
    }

    pub(super) fn may_accept(&self) -> bool {
        matches!(self.state, State::Ready | State::Reported) && self.left > 0
    }

    /// Returns true if there is room for one of its connections: `has_room` tells if there is for a
    /// number of places that all services share.
    pub(super) fn has_room(&self, has_room: &mut impl FnMut(usize) -> bool) -> bool {
        match self.places - usize::from(self.own_places.has_free()) {
            0 => true,
            places => has_room(places),
        }
    }

    /// Takes a place for a connection of its own service, if one is free. Returns the number of
    /// others that the connection takes.
    pub(super) fn take_place(&self) -> (usize, Option<OwnPlace>) {
        let own = self.own_places.take();
        (self.places - usize::from(own.is_some()), own)
    }

    /// Returns the need of the first connection in its queue.
    pub(super) fn need(&mut self, mut has_room: impl FnMut(usize) -> bool) -> Need {
        if std::mem::take(&mut self.lacks_descriptor) {
            return Need::Room;
        }
        match self.state {
            State::Reported if !self.has_room(&mut has_room) => Need::Room,
            State::Ready if !self.has_room(&mut has_room) => Need::Look,
            _ => Need::Nothing,
        }
    }

    /// Has the listener watched again: an event will report the connections in its queue.
    pub(super) fn watch_again(&mut self, watch: impl FnOnce(&mut L) -> io::Result<()>) {
        if watch(&mut self.listener).is_ok() {
            self.state = State::Idle;
        }
    }

    /// Makes one call of `accept`. Returns `None` if it gave no connection.
    pub(super) fn try_accept(
        &mut self,
        burst: usize,
        now: Now,
        counters: &Counters,
    ) -> Option<(L::Socket, Incoming)> {
        self.left -= 1;
        match self.listener.accept() {
            Ok(accepted) => {
                self.state = State::Ready;
                return Some(accepted);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.state = State::Idle;
            }
            Err(error) if concerns_one_peer(&error) => {
                self.aborted += 1;
                // An error that concerns one peer and yet occurs every time must not make the loop
                // spin.
                if self.aborted == burst {
                    self.pause(&error, now, counters);
                }
            }
            // Out of descriptors or memory (EMFILE, ENFILE, ENOBUFS, ENOMEM), or any other error of
            // accept. Pause in all cases: a lasting error must not make the loop spin.
            Err(error) => {
                self.lacks_descriptor = matches!(error.raw_os_error(), Some(EMFILE | ENFILE));
                self.pause(&error, now, counters);
            }
        }
        None
    }

    fn pause(&mut self, error: &io::Error, now: Now, counters: &Counters) {
        counters.accept_pauses.add(1);
        if self.log_throttle.allows(now.millis()) {
            log::warn!("{}: cannot accept: {error}", self.listener.address());
        }
        self.state = State::Paused { until_ms: now.millis() + PAUSE_MS };
    }
}

/// Returns true for errors that accept(2) reports for the connection it would have returned, and
/// recv(2) for datagrams sent earlier: the next call may succeed.
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
