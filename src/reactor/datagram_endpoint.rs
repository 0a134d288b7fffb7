//! One datagram socket of a loop: receives, calls the handler, sends its datagrams. Must not know
//! the other sockets, nor connections.

use std::fmt::Display;
use std::io;
use std::sync::Arc;

use super::outgoing::{Outgoing, Sent};
use super::system::DatagramTransport;
use crate::accept::{PAUSE_MS, concerns_one_peer};
use crate::handler::datagram::{DatagramContext, DatagramHandler, DatagramRecord, DatagramTimers};
use crate::hub::Readiness;
use crate::log_throttle::LogThrottle;
use crate::metrics::counters::Counters;
use crate::metrics::stopwatch::Stopwatch;
use crate::net::address::Address;
use crate::net::peer::{Peer, PeerKind};
use crate::now::Now;
use crate::panics;

/// The most timers that fire in one turn.
const TIMERS: usize = 64;

/// A datagram socket, the index of its handler, and the time of its next read.
pub(super) struct DatagramEndpoint<D> {
    pub(super) socket: D,
    pub(super) handler: usize,
    address: Address,
    /// The addresses of all datagram sockets of the server.
    own: Arc<[Address]>,
    /// When to receive next: 0 for at once, `None` after the next event.
    look_at_ms: Option<u64>,
    outgoing: Outgoing,
    timers: DatagramTimers,
    /// The number of datagrams lost since the last log line.
    lost: u64,
    log_throttle: LogThrottle,
}

/// The handler, and the arguments of its calls.
pub(super) struct Caller<'a> {
    pub(super) handler: &'a mut dyn DatagramHandler,
    pub(super) record: &'a mut DatagramRecord,
    pub(super) now: Now,
    pub(super) counters: &'a Counters,
    pub(super) stopwatch: &'a mut Stopwatch,
}

/// A call of the handler.
enum Call<'a> {
    Start,
    Datagram(&'a [u8]),
    Timer(u64),
}

/// Limits of one turn.
#[derive(Clone, Copy)]
pub(super) struct Share {
    pub(super) datagrams: usize,
    pub(super) bytes: usize,
}

impl<D: DatagramTransport> DatagramEndpoint<D> {
    pub(super) fn new(
        socket: D,
        handler: usize,
        own: Arc<[Address]>,
        output_max: usize,
    ) -> DatagramEndpoint<D> {
        DatagramEndpoint {
            address: socket.address(),
            own,
            socket,
            handler,
            look_at_ms: Some(0),
            outgoing: Outgoing::new(output_max),
            timers: DatagramTimers::default(),
            lost: 0,
            log_throttle: LogThrottle::default(),
        }
    }

    pub(super) fn note(&mut self, readiness: Readiness) {
        if readiness.readable || readiness.error {
            self.look_at_ms = Some(0);
        }
        if readiness.writable {
            self.outgoing.note_writable();
        }
    }

    pub(super) fn due_ms(&self) -> Option<u64> {
        let due = [self.look_at_ms, self.outgoing.next_ms(), self.timers.next_ms()];
        due.into_iter().flatten().min()
    }

    /// Calls the handler's `on_start`.
    pub(super) fn start(&mut self, caller: &mut Caller<'_>) {
        self.call(Call::Start, &Peer::unresolved(), caller);
    }

    /// Sends queued datagrams, receives some, and calls the handler for its timers.
    pub(super) fn turn(&mut self, input: &mut [u8], share: Share, caller: &mut Caller<'_>) {
        self.send_waiting(caller.now, caller.counters);
        let now_ms = caller.now.millis();
        if self.look_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            self.receive(input, share, caller);
        }
        for _ in 0..TIMERS {
            let Some(key) = self.timers.pop(now_ms) else { return };
            self.call(Call::Timer(key), &Peer::unresolved(), caller);
        }
    }

    /// Answers the datagrams that have arrived.
    pub(super) fn finish(&mut self, input: &mut [u8], share: Share, caller: &mut Caller<'_>) {
        self.receive(input, share, caller);
        self.outgoing.note_writable();
        self.send_waiting(caller.now, caller.counters);
    }

    /// Counts the queued datagrams as lost: the socket is closed.
    pub(super) fn close(&mut self, why: &str, counters: &Counters) {
        let left = self.outgoing.count() as u64;
        counters.datagrams_lost.add(left);
        self.lost += left;
        if self.lost > 0 {
            self.log_lost(&why);
        }
    }

    fn receive(&mut self, input: &mut [u8], share: Share, caller: &mut Caller<'_>) {
        self.look_at_ms = Some(0);
        let len_max = input.len() - 1;
        let (mut len, mut errors) = (0, 0);
        for _ in 0..share.datagrams {
            match self.socket.recv_from(input) {
                Ok((n, from)) if n > len_max => {
                    let why = format_args!("{from}: longer than {len_max} bytes");
                    self.lose(1, &why, caller.now, caller.counters);
                    len += n;
                }
                Ok((n, from)) if self.is_own(&from) => {
                    let why = format_args!("{from}: the address of this server as the source");
                    self.lose(1, &why, caller.now, caller.counters);
                    len += n;
                }
                Ok((n, from)) => {
                    caller.counters.datagrams_in.add(1);
                    self.call(Call::Datagram(&input[..n]), &from, caller);
                    len += n;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.look_at_ms = None;
                    return;
                }
                // An ICMP error about a datagram sent earlier: the socket is usable.
                Err(error) if concerns_one_peer(&error) => errors += 1,
                Err(error) => return self.pause(&error, caller.now),
            }
            if len >= share.bytes {
                return;
            }
        }
        // A repeated error must not make the loop spin.
        if errors == share.datagrams {
            self.pause(&io::ErrorKind::ConnectionRefused.into(), caller.now);
        }
    }

    /// Returns true for a source that is a socket of this server: an answer to it would be
    /// answered, for ever. A socket bound to all addresses of the machine compares the port first:
    /// a look at the addresses takes system calls.
    fn is_own(&self, from: &Peer) -> bool {
        self.own.iter().any(|own| match (own, from.kind()) {
            (Address::Udp(own), _) => from.socket_addr().is_some_and(|from| {
                let ip = from.ip();
                from.port() == own.port()
                    && match own.ip().is_unspecified() {
                        true => {
                            ip.is_loopback() || ip.is_unspecified() || self.socket.is_here(from)
                        }
                        false => ip == own.ip().to_canonical(),
                    }
            }),
            (Address::UnixGram(own), PeerKind::UnixNamed(path)) => **path == *own,
            _ => false,
        })
    }

    /// Calls the handler, and applies its effects. A panic loses the datagram and its effects.
    fn call(&mut self, call: Call<'_>, peer: &Peer, caller: &mut Caller<'_>) {
        let Caller { handler, record, now, counters, stopwatch } = caller;
        counters.calls.add(1);
        let mut cx = DatagramContext::new(peer, &self.address, stopwatch.renewed(*now), record);
        let (name, result) = match call {
            Call::Start => ("on_start", panics::catch(|| handler.on_start(&mut cx))),
            Call::Datagram(bytes) => {
                ("on_datagram", panics::catch(|| handler.on_datagram(bytes, &mut cx)))
            }
            Call::Timer(key) => ("on_timer", panics::catch(|| handler.on_timer(key, &mut cx))),
        };
        if let Some(slow) = stopwatch.lap(counters) {
            log::warn!("{} {peer}: {name} {slow}", self.address);
        }
        match result {
            Ok(()) => {
                record.apply_timers(&mut self.timers);
                record.drain(|to, bytes| self.send(to, bytes, *now, counters));
            }
            Err(said) => {
                counters.panics.add(1);
                log::error!("{} {peer}: datagram handler panicked: {said}", self.address);
                record.clear();
            }
        }
    }

    fn send(&mut self, to: &Peer, bytes: &[u8], now: Now, counters: &Counters) {
        match self.outgoing.send(&self.socket, to, bytes, now) {
            Ok(Sent::Gone) => counters.datagrams_out.add(1),
            Ok(Sent::Waits) => {}
            Err(error) => self.lose(1, &format_args!("{to}: {error}"), now, counters),
        }
    }

    fn send_waiting(&mut self, now: Now, counters: &Counters) {
        let mut last = None;
        let mut lost = 0;
        self.outgoing.retry(&self.socket, now, |result| match result {
            Ok(()) => counters.datagrams_out.add(1),
            Err(error) => {
                lost += 1;
                last = Some(error);
            }
        });
        if let Some(error) = last {
            self.lose(lost, &error, now, counters);
        }
    }

    /// Tries again later, after an error of the system.
    fn pause(&mut self, error: &io::Error, now: Now) {
        if self.log_throttle.allows(now.millis()) {
            log::warn!("{}: cannot receive: {error}", self.address);
        }
        self.look_at_ms = Some(now.millis() + PAUSE_MS);
    }

    /// Counts lost datagrams, with the reason for the last of them.
    fn lose(&mut self, count: u64, why: &dyn Display, now: Now, counters: &Counters) {
        self.lost += count;
        counters.datagrams_lost.add(count);
        if self.log_throttle.allows(now.millis()) {
            self.log_lost(why);
        }
    }

    fn log_lost(&mut self, why: &dyn Display) {
        log::warn!("{}: {} datagrams lost; last reason: {why}", self.address, self.lost);
        self.lost = 0;
    }
}
