//! One connection attempt: its stages, and the errors of the system that are temporary.

use std::collections::VecDeque;
use std::io;

use super::outbound::Outbound;
use super::source::Source;
use crate::handler::Handler;
use crate::id::Id;
use crate::net::address::Address;
use crate::net::peer::Peer;
use crate::net::to_destination::sealed::ConnectedSocket;
use crate::now::Now;

/// One connection attempt.
pub(super) struct Attempt<T> {
    handler: Box<dyn Handler>,
    /// The connection on whose place it is, if it has one reserved.
    host: Option<Id>,
    /// Its source of events.
    source: Source,
    stage: Stage<T>,
    /// The addresses left to try.
    addresses: VecDeque<Address>,
    /// The peer of the current or last address.
    peer: Peer,
    /// The error of the last address.
    error: Option<io::Error>,
    /// The deadline of the current stage.
    until_ms: u64,
    /// The deadline of the attempt.
    end_ms: u64,
}

/// The stage of an attempt.
enum Stage<T> {
    /// Waits for addresses; or has ended.
    Lookup,
    Connecting(T),
    /// Lacked a resource that may be available at this time.
    Retry {
        to: Address,
        at_ms: u64,
        pause_ms: u64,
    },
}

/// The progress of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Progress {
    Waits,
    Ended,
}

/// The outcome of an attempt.
pub(super) struct Outcome<T> {
    pub(super) handler: Box<dyn Handler>,
    pub(super) host: Option<Id>,
    pub(super) peer: Peer,
    pub(super) socket: io::Result<T>,
}

/// The first and the longest pause before the same address is tried again. It doubles each time.
const RETRY_MS: u64 = 10;
const RETRY_MAX_MS: u64 = 160;

/// The longest lookup of a name, even without [`Limits::connect`](crate::Limits::connect): more
/// than the system's resolver takes by default for two servers (resolv.conf(5)).
const LOOKUP_MS: u64 = 30_000;

/// The error after a timeout if no thread could be started for the lookup.
const NO_LOOKUP: &str = "no thread for the name lookup (ulimit -u)";

impl<T> Attempt<T> {
    /// Creates an attempt that waits for its addresses, at most until `end_ms` and for
    /// [`LOOKUP_MS`].
    pub(super) fn new(
        handler: Box<dyn Handler>,
        host: Option<Id>,
        source: Source,
        end_ms: u64,
        now: Now,
    ) -> Attempt<T> {
        Attempt {
            handler,
            host,
            source,
            stage: Stage::Lookup,
            addresses: VecDeque::new(),
            peer: Peer::unresolved(),
            error: None,
            until_ms: end_ms.min(now.millis().saturating_add(LOOKUP_MS)),
            end_ms,
        }
    }

    /// Sets the addresses, and tries the first.
    pub(super) fn resolve(
        &mut self,
        addresses: io::Result<VecDeque<Address>>,
        outbound: &impl Outbound<Socket = T>,
        now: Now,
    ) -> Progress {
        match addresses {
            Ok(addresses) => self.addresses = addresses,
            Err(error) => self.error = Some(error),
        }
        self.try_next(outbound, now)
    }

    /// Takes a socket that is connected already: an event tells so, as for any other.
    pub(super) fn adopt(
        &mut self,
        socket: ConnectedSocket,
        outbound: &impl Outbound<Socket = T>,
    ) -> Progress {
        self.peer = match &socket {
            ConnectedSocket::Tcp(stream) => {
                stream.peer_addr().map_or_else(|_| Peer::unresolved(), Peer::from)
            }
            ConnectedSocket::Unix(_) => Peer::unix(),
        };
        match outbound.adopt(socket, self.source) {
            Ok(socket) => {
                self.stage = Stage::Connecting(socket);
                Progress::Waits
            }
            Err(error) => {
                self.error = Some(error);
                Progress::Ended
            }
        }
    }

    /// Looks whether it is connected, after an event.
    pub(super) fn note<O: Outbound<Socket = T>>(&mut self, outbound: &O, now: Now) -> Progress {
        // In another stage it is an event of an abandoned socket.
        let Stage::Connecting(socket) = &self.stage else { return Progress::Waits };
        match O::is_connected(socket) {
            Ok(true) => Progress::Ended,
            Ok(false) => Progress::Waits,
            Err(error) => {
                self.error = Some(error);
                self.try_next(outbound, now)
            }
        }
    }

    /// Returns true if the deadline of the current stage has passed.
    pub(super) fn is_late(&self, now: Now) -> bool {
        self.until_ms <= now.millis()
    }

    /// Ends the current stage after its deadline. It may be a lookup that got no thread.
    pub(super) fn expire(
        &mut self,
        had_no_thread: bool,
        outbound: &impl Outbound<Socket = T>,
        now: Now,
    ) -> Progress {
        self.error = match (&self.stage, self.error.take()) {
            // The lack of a resource explains more than a timeout.
            (Stage::Retry { .. }, Some(error)) => Some(error),
            _ if had_no_thread => Some(io::Error::new(io::ErrorKind::TimedOut, NO_LOOKUP)),
            _ => Some(io::ErrorKind::TimedOut.into()),
        };
        self.try_next(outbound, now)
    }

    /// Retries the address that lacked a resource, if it is time.
    pub(super) fn retry(&mut self, outbound: &impl Outbound<Socket = T>, now: Now) -> Progress {
        if self.retry_ms().is_none_or(|retry_ms| retry_ms > now.millis()) {
            return Progress::Waits;
        }
        let stage = std::mem::replace(&mut self.stage, Stage::Lookup);
        let Stage::Retry { to, pause_ms, .. } = stage else { return Progress::Waits };
        match self.connect(to, (2 * pause_ms).min(RETRY_MAX_MS), outbound, now) {
            Ok(()) => Progress::Waits,
            Err(error) => {
                self.error = Some(error);
                self.try_next(outbound, now)
            }
        }
    }

    /// Tries the next address, and the one after it if that fails at once.
    fn try_next(&mut self, outbound: &impl Outbound<Socket = T>, now: Now) -> Progress {
        // Close the socket first.
        self.stage = Stage::Lookup;
        while let Some(address) = self.addresses.pop_front() {
            if self.end_ms <= now.millis() {
                self.error = Some(io::ErrorKind::TimedOut.into());
                break;
            }
            match self.connect(address, RETRY_MS, outbound, now) {
                Ok(()) => {
                    let left_ms = self.end_ms.saturating_sub(now.millis());
                    let share_ms = left_ms / (self.addresses.len() as u64 + 1);
                    self.until_ms = now.millis().saturating_add(share_ms.max(1));
                    return Progress::Waits;
                }
                Err(error) => self.error = Some(error),
            }
        }
        Progress::Ended
    }

    /// Begins to connect to an address, or schedules a retry if a resource is lacking.
    fn connect(
        &mut self,
        to: Address,
        pause_ms: u64,
        outbound: &impl Outbound<Socket = T>,
        now: Now,
    ) -> io::Result<()> {
        if let Some(peer) = peer_of(&to) {
            self.peer = peer;
        }
        self.stage = match outbound.connect(&to, self.source) {
            Ok(socket) => Stage::Connecting(socket),
            Err(error) if is_momentary(&error) => {
                self.error = Some(error);
                Stage::Retry { to, at_ms: now.millis() + pause_ms, pause_ms }
            }
            Err(error) => return Err(error),
        };
        Ok(())
    }

    fn retry_ms(&self) -> Option<u64> {
        match self.stage {
            Stage::Retry { at_ms, .. } => Some(at_ms),
            Stage::Lookup | Stage::Connecting(_) => None,
        }
    }

    /// Returns the time of the next expiry or retry.
    pub(super) fn due_ms(&self) -> u64 {
        self.retry_ms().map_or(self.until_ms, |retry_ms| retry_ms.min(self.until_ms))
    }

    /// Returns the outcome: a connected socket or an error.
    pub(super) fn into_outcome(self) -> Outcome<T> {
        let Attempt { handler, host, peer, stage, error, .. } = self;
        let socket = match stage {
            Stage::Connecting(socket) => Ok(socket),
            Stage::Lookup | Stage::Retry { .. } => {
                Err(error.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
            }
        };
        Outcome { handler, host, peer, socket }
    }

    /// Abandons the attempt. The handler is not notified.
    pub(super) fn into_handler(self) -> Box<dyn Handler> {
        self.handler
    }
}

fn peer_of(address: &Address) -> Option<Peer> {
    match address {
        Address::Tcp(address) => Some((*address).into()),
        Address::Unix(_) | Address::SeqPacket(_) => Some(Peer::unix()),
        _ => None,
    }
}

/// Returns true for errors of connect(2) and socket(2) that do not concern the address: the queue
/// of a Unix socket is full (EAGAIN, unix(7)), or a descriptor or memory is lacking (EMFILE,
/// ENFILE, ENOBUFS, ENOMEM). EADDRNOTAVAIL is not one of them: usually the host lacks this kind of
/// address, and the next address must be tried at once.
fn is_momentary(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOBUFS: i32 = if cfg!(target_os = "linux") { 105 } else { 55 };
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory)
        || error.raw_os_error().is_some_and(|code| [ENFILE, EMFILE, ENOBUFS].contains(&code))
}
