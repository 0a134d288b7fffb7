//! One connection in the making: what it waits for, and which errors of the system are for a moment
//! only.

use std::collections::VecDeque;
use std::io;

use super::outbound::Outbound;
use super::source::Source;
use crate::handler::Handler;
use crate::net::address::Address;
use crate::net::peer::Peer;
use crate::net::to_destination::sealed::ConnectedSocket;
use crate::now::Now;

/// One connection in the making.
pub(super) struct Attempt<T> {
    handler: Box<dyn Handler>,
    /// Its name for the system, while it lasts.
    source: Source,
    stage: Stage<T>,
    /// What is left to try.
    addresses: VecDeque<Address>,
    /// The peer of the address that is tried, or of the last one that was.
    peer: Peer,
    /// Why the last address failed.
    error: Option<io::Error>,
    /// When to give up on what it waits for and try the next address.
    until_ms: u64,
    /// When to give up.
    end_ms: u64,
}

/// What an attempt waits for.
enum Stage<T> {
    /// Its addresses; or nothing any more.
    Lookup,
    Connecting(T),
    /// What was lacking for `to` may be there at this time.
    Retry {
        to: Address,
        at_ms: u64,
        pause_ms: u64,
    },
}

/// Whether an attempt waits for something, or has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Progress {
    Waits,
    Ended,
}

/// How an attempt ended.
pub(super) struct Outcome<T> {
    pub(super) handler: Box<dyn Handler>,
    pub(super) peer: Peer,
    pub(super) socket: io::Result<T>,
}

/// How long to wait until the same address is tried again: at first, and when that has doubled a
/// few times.
const RETRY_MS: u64 = 10;
const RETRY_MAX_MS: u64 = 160;

/// Why there was no answer in time, if no thread could ask.
const NO_LOOKUP: &str = "no thread for the lookup of the name (ulimit -u)";

impl<T> Attempt<T> {
    /// An attempt that waits for its addresses, at most until `end_ms`.
    pub(super) fn new(handler: Box<dyn Handler>, source: Source, end_ms: u64) -> Attempt<T> {
        Attempt {
            handler,
            source,
            stage: Stage::Lookup,
            addresses: VecDeque::new(),
            peer: Peer::unresolved(),
            error: None,
            until_ms: end_ms,
            end_ms,
        }
    }

    /// Takes the addresses to try, and tries the first.
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
        // Else it is the event of a socket that was given up.
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

    /// Returns true if what it waits for has had its time.
    pub(super) fn is_late(&self, now: Now) -> bool {
        self.until_ms <= now.millis()
    }

    /// Gives up what it waits for. It may be a lookup for which there was no thread.
    pub(super) fn expire(
        &mut self,
        had_no_thread: bool,
        outbound: &impl Outbound<Socket = T>,
        now: Now,
    ) -> Progress {
        self.error = match (&self.stage, self.error.take()) {
            // What was lacking all the time says more.
            (Stage::Retry { .. }, Some(error)) => Some(error),
            _ if had_no_thread => Some(io::Error::new(io::ErrorKind::TimedOut, NO_LOOKUP)),
            _ => Some(io::ErrorKind::TimedOut.into()),
        };
        self.try_next(outbound, now)
    }

    /// Tries an address again for which something was lacking, if it is time to.
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
        // Its socket is closed first.
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

    /// Begins to connect to one address, now or after a pause if something is lacking.
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

    /// Returns when it expires or tries again.
    pub(super) fn due_ms(&self) -> u64 {
        self.retry_ms().map_or(self.until_ms, |retry_ms| retry_ms.min(self.until_ms))
    }

    /// Returns how it ended: its socket is connected, or there is none.
    pub(super) fn into_outcome(self) -> Outcome<T> {
        let Attempt { handler, peer, stage, error, .. } = self;
        let socket = match stage {
            Stage::Connecting(socket) => Ok(socket),
            Stage::Lookup | Stage::Retry { .. } => {
                Err(error.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
            }
        };
        Outcome { handler, peer, socket }
    }

    /// Gives it up; its handler is told nothing.
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

/// Errors of connect(2) and socket(2) that say nothing of the address: the queue of a Unix socket is
/// full (EAGAIN, unix(7)), or there is no descriptor or memory now (EMFILE, ENFILE, ENOBUFS,
/// ENOMEM). EADDRNOTAVAIL is none: mostly it means that the host has no such kind of address, and
/// another address of the name must be tried at once.
fn is_momentary(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOBUFS: i32 = if cfg!(target_os = "linux") { 105 } else { 55 };
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory)
        || error.raw_os_error().is_some_and(|code| [ENFILE, EMFILE, ENOBUFS].contains(&code))
}
