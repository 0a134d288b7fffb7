//! Connections in the making: names are looked up, addresses tried one after the other, each with
//! its share of the time. Knows no hub: what becomes of them is handed to the reactor.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::time::Duration;

use mio::net::{TcpStream, UnixStream};
use mio::{Registry, Token};
use slab::Slab;
use socket2::{Domain, SockAddr, Socket as RawSocket, Type};

use super::resolve::{Answer, Resolver};
use super::socket::Socket;
use crate::handler::Handler;
use crate::handler::context::Dial;
use crate::mailbox::Doorbell;
use crate::net::address::Address;
use crate::net::destination::Destination;
use crate::net::peer::Peer;
use crate::now::Now;
use crate::{now, panics};

/// Where the tokens of attempts begin and end: above those of listeners, with generation 0.
const TOKENS: std::ops::Range<usize> = 1 << 30..1 << 31;

pub(super) struct Connector {
    attempts: Slab<Attempt>,
    /// Attempts begun so far.
    count: u64,
    resolver: Resolver,
    timeout: Option<Duration>,
    outcomes: Vec<Outcome>,
}

/// One connection in the making.
struct Attempt {
    handler: Box<dyn Handler>,
    /// Tells it from others that had its place: a lookup may end long after it was given up.
    serial: u64,
    /// What is left to try.
    addresses: VecDeque<Address>,
    socket: Option<Socket>,
    /// Whom `socket` connects to, or whom the last one did.
    peer: Peer,
    /// Why the last address failed.
    error: Option<io::Error>,
    /// When to give up on `socket` and try the next address.
    until_ms: u64,
    /// When to give up.
    end_ms: u64,
}

/// How it ended.
pub(super) struct Outcome {
    pub(super) handler: Box<dyn Handler>,
    pub(super) peer: Peer,
    pub(super) socket: io::Result<Socket>,
}

impl Connector {
    pub(super) fn new(bell: &Doorbell, timeout: Option<Duration>) -> Connector {
        Connector {
            attempts: Slab::new(),
            count: 0,
            resolver: Resolver::new(bell),
            timeout,
            outcomes: Vec::new(),
        }
    }

    /// Whether there is nothing to collect. A lookup that nobody waits for any more counts, or its
    /// thread would be held to be busy for ever.
    pub(super) fn is_idle(&self) -> bool {
        self.len() == 0 && self.resolver.is_idle()
    }

    /// How many are in the making, or made and not taken yet.
    pub(super) fn len(&self) -> usize {
        self.attempts.len() + self.outcomes.len()
    }

    /// When it wants to be looked at again, in milliseconds.
    pub(super) fn next_ms(&self) -> Option<u64> {
        if !self.outcomes.is_empty() {
            return Some(0);
        }
        self.attempts.iter().map(|(_, attempt)| attempt.until_ms).min()
    }

    pub(super) fn take_outcomes(&mut self) -> Vec<Outcome> {
        std::mem::take(&mut self.outcomes)
    }

    /// Begins to connect.
    pub(super) fn dial(&mut self, dial: Dial, registry: &Registry, now: Now) {
        let end_ms = match self.timeout {
            Some(timeout) => now.millis().saturating_add(now::millis(timeout)),
            None => u64::MAX,
        };
        self.count += 1;
        let key = self.attempts.insert(Attempt {
            handler: dial.handler,
            serial: self.count,
            addresses: VecDeque::new(),
            socket: None,
            peer: Peer::Unresolved,
            error: None,
            until_ms: end_ms,
            end_ms,
        });
        match dial.to {
            Destination::Address(address) => {
                self.attempts[key].addresses.push_back(address);
                self.try_next(key, registry, now);
            }
            Destination::Host { name, port } => self.resolver.ask((key, self.count), name, port),
        }
    }

    /// Refuses to: there is no room for another connection.
    pub(super) fn refuse(&mut self, dial: Dial) {
        let what = "no room for another connection (Limits::connections)";
        let (handler, peer) = (dial.handler, Peer::Unresolved);
        self.outcomes.push(Outcome { handler, peer, socket: Err(io::Error::other(what)) });
    }

    /// Whether the token is that of an attempt; if so, takes note of its event.
    pub(super) fn note(&mut self, token: Token, registry: &Registry, now: Now) -> bool {
        if !TOKENS.contains(&token.0) {
            return false;
        }
        let key = token.0 - TOKENS.start;
        let socket = self.attempts.get(key).and_then(|attempt| attempt.socket.as_ref());
        match socket.map(Socket::connected) {
            Some(Ok(true)) => self.finish(key, None),
            Some(Err(error)) => {
                self.attempts[key].error = Some(error);
                self.try_next(key, registry, now);
            }
            // Not yet; or the event of a socket that was given up.
            Some(Ok(false)) | None => {}
        }
        true
    }

    /// Takes the answers of the resolver, and gives up what has had its time.
    pub(super) fn collect(&mut self, registry: &Registry, now: Now) {
        for Answer { ticket: (key, serial), addresses } in self.resolver.answers() {
            let attempt = self.attempts.get_mut(key);
            let Some(attempt) = attempt.filter(|attempt| attempt.serial == serial) else {
                continue;
            };
            match addresses {
                Ok(addresses) => {
                    attempt.addresses = addresses.into_iter().map(Address::Tcp).collect();
                }
                Err(error) => {
                    attempt.error = Some(io::Error::new(io::ErrorKind::NotFound, error));
                }
            }
            self.try_next(key, registry, now);
        }
        let is_late = |attempt: &Attempt| attempt.until_ms <= now.millis();
        let late: Vec<usize> =
            self.attempts.iter().filter(|(_, a)| is_late(a)).map(|(key, _)| key).collect();
        for key in late {
            let attempt = &mut self.attempts[key];
            attempt.error = Some(io::ErrorKind::TimedOut.into());
            if attempt.socket.is_none() {
                self.resolver.forget((key, attempt.serial));
            }
            self.try_next(key, registry, now);
        }
    }

    /// Gives all of them up.
    pub(super) fn abort(&mut self) {
        let attempts = std::mem::take(&mut self.attempts);
        let handlers = attempts.into_iter().map(|(_, attempt)| attempt.handler);
        let outcomes = std::mem::take(&mut self.outcomes);
        for handler in handlers.chain(outcomes.into_iter().map(|outcome| outcome.handler)) {
            panics::drop_quietly(handler);
        }
    }

    /// Tries the next address, and the one after it if that fails at once.
    fn try_next(&mut self, key: usize, registry: &Registry, now: Now) {
        let attempt = &mut self.attempts[key];
        attempt.socket = None;
        while let Some(address) = attempt.addresses.pop_front() {
            if attempt.end_ms <= now.millis() {
                attempt.error = Some(io::ErrorKind::TimedOut.into());
                break;
            }
            if let Some(peer) = peer_of(&address) {
                attempt.peer = peer;
            }
            match begin(&address, registry, Token(TOKENS.start + key)) {
                Ok(socket) => {
                    attempt.socket = Some(socket);
                    let left_ms = attempt.end_ms.saturating_sub(now.millis());
                    let share_ms = left_ms / (attempt.addresses.len() as u64 + 1);
                    attempt.until_ms = now.millis().saturating_add(share_ms.max(1));
                    return;
                }
                Err(error) => attempt.error = Some(error),
            }
        }
        let error = attempt.error.take();
        self.finish(key, Some(error.unwrap_or_else(|| io::ErrorKind::NotFound.into())));
    }

    fn finish(&mut self, key: usize, error: Option<io::Error>) {
        let Attempt { handler, peer, socket, .. } = self.attempts.remove(key);
        let socket = match (error, socket) {
            (None, Some(socket)) => Ok(socket),
            (Some(error), _) => Err(error),
            (None, None) => Err(io::ErrorKind::NotConnected.into()),
        };
        self.outcomes.push(Outcome { handler, peer, socket });
    }
}

fn peer_of(address: &Address) -> Option<Peer> {
    match address {
        Address::Tcp(address) => Some((*address).into()),
        Address::Unix(_) | Address::SeqPacket(_) => Some(Peer::Unix),
        _ => None,
    }
}

fn begin(address: &Address, registry: &Registry, token: Token) -> io::Result<Socket> {
    let mut socket = match address {
        Address::Tcp(address) => {
            let stream = TcpStream::connect(*address)?;
            stream.set_nodelay(true)?;
            Socket::Tcp(stream)
        }
        Address::Unix(path) => Socket::Unix(UnixStream::connect(path)?),
        Address::SeqPacket(path) => Socket::SeqPacket(connect_packets(path)?),
        address => {
            let what = format!("cannot connect to {address}: what is sent there are datagrams");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
    };
    socket.register(registry, token)?;
    Ok(socket)
}

/// Connects at once or not at all, as all Unix sockets do.
fn connect_packets(path: &Path) -> io::Result<UnixStream> {
    let socket = RawSocket::new(Domain::UNIX, Type::SEQPACKET, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(UnixStream::from_std(socket.into()))
}
