//! One connection attempt: its stages, and the errors of the system that are temporary.

use std::collections::VecDeque;
use std::io;

use super::favourites::{Favourites, Name};
use super::outbound::Outbound;
use super::source::Source;
use crate::accept::Reservations;
use crate::handler::Handler;
use crate::id::Id;
use crate::net::address::Address;
use crate::net::peer::Peer;
use crate::net::to_destination::sealed::ConnectedSocket;
use crate::now::Now;

/// One connection attempt: a race of the addresses of a name (RFC 8305, section 5). The next
/// address starts a moment after the one before it, or at once when that fails. The first that is
/// connected wins.
pub(super) struct Attempt<T> {
    handler: Box<dyn Handler>,
    /// The connection on whose place it is, if it has one reserved.
    host: Option<Id>,
    /// Its source of events, for all of its sockets.
    source: Source,
    stage: Stage<T>,
    /// The name that is looked up, if it is one.
    name: Option<Name>,
    /// The address that started first.
    first: Option<Peer>,
    /// The addresses left to try.
    addresses: VecDeque<Address>,
    /// When the next of them starts.
    next_ms: u64,
    /// The peer of the winner, or of the last address.
    peer: Peer,
    /// The error of the last address that failed.
    error: Option<io::Error>,
    /// The deadline of the lookup, and then of the attempt.
    until_ms: u64,
    /// The deadline of the attempt.
    end_ms: u64,
}

/// The stage of an attempt.
enum Stage<T> {
    /// Waits for addresses if there are no lanes; or has ended.
    Race(Vec<Lane<T>>),
    Won(T),
}

/// An address that was started and has not failed.
enum Lane<T> {
    Connecting(T, Peer),
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

/// The time between the starts of two addresses (RFC 8305, section 8).
const STAGGER_MS: u64 = 250;
/// The most addresses at once; the oldest then gives way to the next.
const LANES: usize = 4;
/// The longest time that an address keeps the next from its lane.
const LANE_MS: u64 = 5_000;

/// The first and the longest pause before the same address is tried again. It doubles each time.
const RETRY_MS: u64 = 10;
const RETRY_MAX_MS: u64 = 160;

/// The longest lookup of a name, even without [`Limits::connect`](crate::Limits::connect): more
/// than the system's resolver takes by default for two servers (resolv.conf(5)).
const LOOKUP_MS: u64 = 30_000;

/// The error of an attempt that has lost its place.
const NO_HOST: &str = "the connection that requested it has ended";

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
            stage: Stage::Race(Vec::new()),
            name: None,
            first: None,
            addresses: VecDeque::new(),
            next_ms: 0,
            peer: Peer::unresolved(),
            error: None,
            until_ms: end_ms.min(now.millis().saturating_add(LOOKUP_MS)),
            end_ms,
        }
    }

    /// Names the host whose addresses it waits for.
    pub(super) fn of_name(self, name: Name) -> Attempt<T> {
        Attempt { name: Some(name), ..self }
    }

    pub(super) fn name(&self) -> Option<&Name> {
        self.name.as_ref()
    }

    /// Teaches the result of a race: the winner unless it was the first, or that there is none.
    pub(super) fn teach(&mut self, favourites: &mut Favourites) {
        let Some(name) = self.name.take() else { return };
        match &self.stage {
            Stage::Won(_) if self.first.as_ref() == Some(&self.peer) => {}
            Stage::Won(_) => favourites.learn(name, self.peer.clone()),
            Stage::Race(_) => favourites.forget(&name),
        }
    }

    /// Sets the addresses, and starts the first.
    pub(super) fn resolve(
        &mut self,
        addresses: io::Result<VecDeque<Address>>,
        outbound: &impl Outbound<Socket = T>,
        now: Now,
    ) -> Progress {
        self.until_ms = self.end_ms;
        match addresses {
            Ok(addresses) => self.addresses = alternate(addresses),
            Err(error) => self.error = Some(error),
        }
        self.start_next(outbound, now)
    }

    /// Takes a socket that is connected already: an event tells so, as for any other.
    pub(super) fn adopt(
        &mut self,
        socket: ConnectedSocket,
        outbound: &impl Outbound<Socket = T>,
    ) -> Progress {
        self.until_ms = self.end_ms;
        self.peer = match &socket {
            ConnectedSocket::Tcp(stream) => {
                stream.peer_addr().map_or_else(|_| Peer::unresolved(), Peer::from)
            }
            ConnectedSocket::Unix(_) => Peer::unix(),
        };
        match outbound.adopt(socket, self.source) {
            Ok(socket) => {
                self.stage = Stage::Race(vec![Lane::Connecting(socket, self.peer.clone())]);
                Progress::Waits
            }
            Err(error) => {
                self.error = Some(error);
                Progress::Ended
            }
        }
    }

    /// Looks whether one of its sockets is connected, after an event.
    pub(super) fn note<O: Outbound<Socket = T>>(&mut self, outbound: &O, now: Now) -> Progress {
        let Stage::Race(lanes) = &mut self.stage else { return Progress::Ended };
        let (mut at, mut has_failed) = (0, false);
        while let Some(lane) = lanes.get(at) {
            // It may be an event of an abandoned socket.
            let connected = match lane {
                Lane::Connecting(socket, _) => O::is_connected(socket),
                Lane::Retry { .. } => Ok(false),
            };
            match connected {
                Ok(false) => at += 1,
                Ok(true) => {
                    if let Lane::Connecting(socket, peer) = lanes.swap_remove(at) {
                        self.peer = peer;
                        self.stage = Stage::Won(socket);
                    }
                    return Progress::Ended;
                }
                Err(error) => {
                    self.error = Some(error);
                    lanes.remove(at);
                    has_failed = true;
                }
            }
        }
        match has_failed {
            true => self.start_next(outbound, now),
            false => Progress::Waits,
        }
    }

    /// Returns true if the deadline of the lookup or of the attempt has passed.
    pub(super) fn is_late(&self, now: Now) -> bool {
        self.until_ms <= now.millis()
    }

    /// Ends the attempt after its deadline. It may be a lookup that got no thread.
    pub(super) fn expire(&mut self, had_no_thread: bool) -> Progress {
        let lanes = match std::mem::replace(&mut self.stage, Stage::Race(Vec::new())) {
            Stage::Race(lanes) => lanes,
            Stage::Won(_) => Vec::new(),
        };
        let lacks = lanes.iter().any(|lane| matches!(lane, Lane::Retry { .. }));
        self.addresses.clear();
        self.error = match self.error.take() {
            // The lack of a resource explains more than a timeout.
            Some(error) if lacks => Some(error),
            _ if had_no_thread => Some(io::Error::new(io::ErrorKind::TimedOut, NO_LOOKUP)),
            _ => Some(io::ErrorKind::TimedOut.into()),
        };
        Progress::Ended
    }

    /// Ends the attempt: the connection that has reserved its place has ended.
    pub(super) fn give_up(&mut self) -> Progress {
        self.stage = Stage::Race(Vec::new());
        self.addresses.clear();
        self.error = Some(io::Error::new(io::ErrorKind::ConnectionAborted, NO_HOST));
        Progress::Ended
    }

    /// Returns true if the attempt is on a place reserved by a connection that has ended.
    pub(super) fn is_orphan(&self, reserved: &Reservations) -> bool {
        self.host.is_some_and(|host| !reserved.knows(host))
    }

    /// Starts the next address, and retries those that lacked a resource, if it is time.
    pub(super) fn go_on(&mut self, outbound: &impl Outbound<Socket = T>, now: Now) -> Progress {
        let Stage::Race(lanes) = &mut self.stage else { return Progress::Ended };
        let mut has_failed = false;
        for lane in std::mem::take(lanes) {
            match lane {
                Lane::Retry { to, at_ms, pause_ms } if at_ms <= now.millis() => {
                    let pause_ms = (2 * pause_ms).min(RETRY_MAX_MS);
                    has_failed |= !self.connect(to, pause_ms, outbound, now);
                }
                lane => self.push(lane),
            }
        }
        let is_due = !self.addresses.is_empty() && self.next_ms <= now.millis();
        match has_failed || is_due {
            true => self.start_next(outbound, now),
            false => Progress::Waits,
        }
    }

    /// Starts the next address, and the one after it if that fails at once.
    fn start_next(&mut self, outbound: &impl Outbound<Socket = T>, now: Now) -> Progress {
        if self.end_ms <= now.millis() && !self.addresses.is_empty() {
            self.addresses.clear();
            self.error = Some(io::ErrorKind::TimedOut.into());
        }
        while let Some(address) = self.addresses.pop_front() {
            if self.lanes() == LANES
                && let Stage::Race(lanes) = &mut self.stage
            {
                lanes.remove(0);
            }
            if self.connect(address, RETRY_MS, outbound, now) {
                self.next_ms = now.millis().saturating_add(self.stagger_ms(now));
                break;
            }
        }
        match self.lanes() {
            0 => Progress::Ended,
            _ => Progress::Waits,
        }
    }

    /// Returns the time until the start of the next address. With all lanes in use, the oldest has
    /// its share of the time that is left.
    fn stagger_ms(&self, now: Now) -> u64 {
        let left_ms = self.end_ms.saturating_sub(now.millis());
        match self.lanes() < LANES {
            true => STAGGER_MS,
            false => (left_ms / (self.addresses.len() as u64 + 1)).clamp(STAGGER_MS, LANE_MS),
        }
    }

    /// Begins to connect to an address, or schedules a retry if a resource is lacking. Returns
    /// false if it has failed.
    fn connect(
        &mut self,
        to: Address,
        pause_ms: u64,
        outbound: &impl Outbound<Socket = T>,
        now: Now,
    ) -> bool {
        if let Some(peer) = peer_of(&to) {
            self.first.get_or_insert_with(|| peer.clone());
            self.peer = peer;
        }
        match outbound.connect(&to, self.source) {
            Ok(socket) => self.push(Lane::Connecting(socket, self.peer.clone())),
            Err(error) if is_momentary(&error) => {
                self.error = Some(error);
                self.push(Lane::Retry { to, at_ms: now.millis() + pause_ms, pause_ms });
            }
            Err(error) => {
                self.error = Some(error);
                return false;
            }
        }
        true
    }

    fn push(&mut self, lane: Lane<T>) {
        if let Stage::Race(lanes) = &mut self.stage {
            lanes.push(lane);
        }
    }

    fn lanes(&self) -> usize {
        match &self.stage {
            Stage::Race(lanes) => lanes.len(),
            Stage::Won(_) => 0,
        }
    }

    /// Returns the time of the next expiry, start or retry.
    pub(super) fn due_ms(&self) -> u64 {
        let next_ms = if self.addresses.is_empty() { u64::MAX } else { self.next_ms };
        let Stage::Race(lanes) = &self.stage else { return self.until_ms };
        let retries = lanes.iter().map(|lane| match lane {
            Lane::Retry { at_ms, .. } => *at_ms,
            Lane::Connecting(..) => u64::MAX,
        });
        retries.fold(self.until_ms.min(next_ms), u64::min)
    }

    /// Returns the outcome: a connected socket or an error.
    pub(super) fn into_outcome(self) -> Outcome<T> {
        let Attempt { handler, host, peer, stage, error, .. } = self;
        let socket = match stage {
            Stage::Won(socket) => Ok(socket),
            Stage::Race(_) => Err(error.unwrap_or_else(|| io::ErrorKind::NotFound.into())),
        };
        Outcome { handler, host, peer, socket }
    }

    /// Abandons the attempt. The handler is not notified.
    pub(super) fn into_handler(self) -> Box<dyn Handler> {
        self.handler
    }
}

/// Lets the two families take turns (RFC 8305, section 4), each in its order: where one is broken,
/// the second address is of the other.
fn alternate(addresses: VecDeque<Address>) -> VecDeque<Address> {
    let is_v4 = |address: &Address| matches!(address, Address::Tcp(address) if address.is_ipv4());
    let first = addresses.front().is_some_and(is_v4);
    let (of_first, of_second): (VecDeque<_>, VecDeque<_>) =
        addresses.into_iter().partition(|address| is_v4(address) == first);
    let (mut of_first, mut of_second) = (of_first.into_iter(), of_second.into_iter());
    let mut all = VecDeque::new();
    loop {
        let before = all.len();
        all.extend(of_first.next());
        all.extend(of_second.next());
        if all.len() == before {
            return all;
        }
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
