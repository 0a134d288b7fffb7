//! A datagram handler without a socket: single datagrams, or many with a clock.

use std::fmt;
use std::time::Duration;

use crate::handler::datagram::{DatagramContext, DatagramHandler, DatagramRecord, DatagramTimers};
use crate::net::address::Address;
use crate::net::peer::Peer;
use crate::now::Now;

/// Passes `handler` one datagram from a peer. Returns the datagrams that the handler sends, in
/// order, each with its destination. See [`DatagramHandler`] for an example.
pub fn datagram(
    handler: &mut dyn DatagramHandler,
    from: Peer,
    bytes: &[u8],
) -> Vec<(Peer, Vec<u8>)> {
    let mut record = DatagramRecord::default();
    let local = address();
    let mut cx = DatagramContext::new(&from, &local, Now::default(), &mut record);
    handler.on_datagram(bytes, &mut cx);
    take_sent(&mut record)
}

/// A datagram handler with a clock that the test advances. See [`DatagramHandler`] for an example.
pub struct Datagrams<H> {
    handler: H,
    local: Address,
    timers: DatagramTimers,
    record: DatagramRecord,
    sent: Vec<(Peer, Vec<u8>)>,
    elapsed: Duration,
}

impl<H: DatagramHandler> Datagrams<H> {
    /// Starts the handler, at time zero.
    pub fn new(handler: H) -> Datagrams<H> {
        let mut datagrams = Datagrams {
            handler,
            local: address(),
            timers: DatagramTimers::default(),
            record: DatagramRecord::default(),
            sent: Vec::new(),
            elapsed: Duration::ZERO,
        };
        datagrams.call(&Peer::unresolved(), |handler, cx| handler.on_start(cx));
        datagrams
    }

    /// Passes the handler one datagram from a peer. See [`DatagramHandler`] for an example.
    pub fn receive(&mut self, from: Peer, bytes: &[u8]) {
        self.call(&from, |handler, cx| handler.on_datagram(bytes, cx));
    }

    /// Advances the clock and fires each timer at its time.
    pub fn advance(&mut self, time: Duration) {
        let until = self.elapsed + time;
        while let Some(due) = self.timers.next_ms().map(Duration::from_millis) {
            if due > until {
                break;
            }
            self.elapsed = self.elapsed.max(due);
            let Some(key) = self.timers.pop(now(self.elapsed).millis()) else { break };
            self.call(&Peer::unresolved(), |handler, cx| handler.on_timer(key, cx));
        }
        self.elapsed = until;
    }

    /// Takes the datagrams sent since the last call, in order, each with its destination.
    pub fn sent(&mut self) -> Vec<(Peer, Vec<u8>)> {
        std::mem::take(&mut self.sent)
    }

    /// Returns the handler.
    pub fn handler(&mut self) -> &mut H {
        &mut self.handler
    }

    fn call(&mut self, peer: &Peer, call: impl FnOnce(&mut H, &mut DatagramContext<'_>)) {
        let now = now(self.elapsed);
        let mut cx = DatagramContext::new(peer, &self.local, now, &mut self.record);
        call(&mut self.handler, &mut cx);
        self.record.apply_timers(&mut self.timers);
        self.sent.append(&mut take_sent(&mut self.record));
    }
}

fn now(elapsed: Duration) -> Now {
    Now::new(elapsed, elapsed.as_secs())
}

fn address() -> Address {
    Address::UnixGram("/run/server.sock".into())
}

fn take_sent(record: &mut DatagramRecord) -> Vec<(Peer, Vec<u8>)> {
    let mut sent = Vec::new();
    record.drain(|to, bytes| sent.push((to.clone(), bytes.to_vec())));
    sent
}

impl<H> fmt::Debug for Datagrams<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datagrams").field("elapsed", &self.elapsed).finish_non_exhaustive()
    }
}
