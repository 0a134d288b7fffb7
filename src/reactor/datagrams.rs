//! Datagrams in the loop: receives a bounded number, calls the handler, sends its replies. Must not
//! know connections.

use std::fmt::Display;
use std::io;

use super::core::Core;
use super::outgoing::{Outgoing, Sent};
use super::part::Part;
use super::source::Source;
use super::system::{DatagramTransport, System};
use crate::accept::{PAUSE_MS, concerns_one_peer};
use crate::handler::datagram::DatagramOut;
use crate::handler::datagram::{DatagramContext, DatagramHandler};
use crate::hub::Readiness;
use crate::limits::Limits;
use crate::log_throttle::LogThrottle;
use crate::metrics::counters::Counters;
use crate::metrics::stopwatch::Stopwatch;
use crate::now::Now;
use crate::panics;

/// The most datagrams received from one socket in one turn.
const BURST: usize = 64;
/// The most datagrams answered from the socket's queue at a stop.
const LAST_BURST: usize = 4096;

/// The counters and the stopwatch for calls of handlers.
type Instruments<'a> = (&'a Counters, &'a mut Stopwatch);

/// The datagram sockets of a server and their shared state.
pub(crate) struct DatagramEndpoints<D> {
    endpoints: Vec<DatagramEndpoint<D>>,
    handlers: Vec<Box<dyn DatagramHandler>>,
    /// One byte longer than the longest datagram: a full buffer means a longer one.
    input: Vec<u8>,
    out: DatagramOut,
    /// The most bytes received from one socket in one turn.
    budget: usize,
}

/// A datagram socket, the index of its handler, and the time of its next read.
struct DatagramEndpoint<D> {
    socket: D,
    handler: usize,
    /// When to receive next: 0 for at once, `None` after the next event.
    look_at_ms: Option<u64>,
    outgoing: Outgoing,
    /// The number of datagrams lost since the last log line.
    lost: u64,
    log_throttle: LogThrottle,
}

impl<D: DatagramTransport> DatagramEndpoints<D> {
    /// Creates the endpoints from sockets, each with the index of its handler.
    pub(crate) fn new(
        limits: &Limits,
        handlers: Vec<Box<dyn DatagramHandler>>,
        sockets: Vec<(D, usize)>,
    ) -> DatagramEndpoints<D> {
        // No memory without sockets.
        let input_len = if sockets.is_empty() { 0 } else { limits.datagram + 1 };
        let endpoints = sockets.into_iter().map(|(socket, handler)| DatagramEndpoint {
            socket,
            handler,
            look_at_ms: Some(0),
            outgoing: Outgoing::new(limits.output_hard),
            lost: 0,
            log_throttle: LogThrottle::default(),
        });
        DatagramEndpoints {
            endpoints: endpoints.collect(),
            handlers,
            input: vec![0; input_len],
            out: DatagramOut::default(),
            budget: limits.read_budget,
        }
    }

    pub(super) fn register<S>(&mut self, system: &S) -> io::Result<()>
    where
        S: System<DatagramSocket = D>,
    {
        for (index, endpoint) in self.endpoints.iter_mut().enumerate() {
            system.register_datagrams(&mut endpoint.socket, Source::Datagram(index))?;
        }
        Ok(())
    }

    /// Notes an event of the endpoint at this index, which may have been closed.
    pub(super) fn note(&mut self, index: usize, readiness: Readiness) {
        let Some(endpoint) = self.endpoints.get_mut(index) else { return };
        if readiness.readable || readiness.error {
            endpoint.look_at_ms = Some(0);
        }
        if readiness.writable {
            endpoint.outgoing.note_writable();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// Closes at once; queued datagrams are lost.
    fn close(&mut self, why: &str, counters: &Counters) {
        for endpoint in &mut self.endpoints {
            let left = endpoint.outgoing.count() as u64;
            counters.datagrams_lost.add(left);
            endpoint.lost += left;
            if endpoint.lost > 0 {
                endpoint.log_lost(&why);
            }
        }
        self.endpoints.clear();
        self.handlers.drain(..).for_each(panics::drop_quietly);
    }

    fn receive(
        &mut self,
        index: usize,
        burst: usize,
        budget: usize,
        now: Now,
        (counters, stopwatch): Instruments<'_>,
    ) {
        let Some(endpoint) = self.endpoints.get_mut(index) else { return };
        endpoint.look_at_ms = Some(0);
        let len_max = self.input.len() - 1;
        let (mut len, mut errors) = (0, 0);
        for _ in 0..burst {
            match endpoint.socket.recv_from(&mut self.input) {
                Ok((n, from)) if n > len_max => {
                    endpoint.lose(
                        1,
                        &format_args!("{from}: longer than {len_max} bytes"),
                        now,
                        counters,
                    );
                    len += n;
                }
                Ok((n, from)) => {
                    let handler = &mut *self.handlers[endpoint.handler];
                    let datagram = &self.input[..n];
                    let mut cx = DatagramContext::new(&from, now, &mut self.out);
                    let instruments = (counters, &mut *stopwatch);
                    if endpoint.hand_over(handler, datagram, &mut cx, instruments) {
                        endpoint.send_out(&mut self.out, now, counters);
                    } else {
                        self.out.clear();
                    }
                    len += n;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    endpoint.look_at_ms = None;
                    return;
                }
                // An ICMP error about a datagram sent earlier: the socket is usable.
                Err(error) if concerns_one_peer(&error) => errors += 1,
                Err(error) => return endpoint.pause(&error, now),
            }
            if len >= budget {
                return;
            }
        }
        // A repeated error must not make the loop spin.
        if errors == burst {
            endpoint.pause(&io::ErrorKind::ConnectionRefused.into(), now);
        }
    }
}

impl<S: System> Part<S> for DatagramEndpoints<S::DatagramSocket> {
    /// Receives a bounded number of datagrams from each socket.
    fn turn(&mut self, core: &mut Core<S>) {
        let (now, budget) = (core.now, self.budget);
        let (counters, stopwatch) = core.hub.instruments();
        for index in 0..self.endpoints.len() {
            let endpoint = &mut self.endpoints[index];
            endpoint.send_waiting(now, counters);
            if endpoint.look_at_ms.is_some_and(|at_ms| at_ms <= now.millis()) {
                self.receive(index, BURST, budget, now, (counters, &mut *stopwatch));
            }
        }
    }

    fn due_ms(&mut self, _: &mut Core<S>) -> Option<u64> {
        let due = |endpoint: &DatagramEndpoint<_>| {
            endpoint.look_at_ms.into_iter().chain(endpoint.outgoing.next_ms()).min()
        };
        self.endpoints.iter().filter_map(due).min()
    }

    fn is_over(&self, _: &Core<S>) -> bool {
        self.is_empty()
    }

    /// Answers the datagrams that have arrived, and closes.
    fn stop(&mut self, core: &mut Core<S>) {
        let now = core.now;
        let (counters, stopwatch) = core.hub.instruments();
        for index in 0..self.endpoints.len() {
            self.receive(index, LAST_BURST, usize::MAX, now, (counters, &mut *stopwatch));
            let endpoint = &mut self.endpoints[index];
            endpoint.outgoing.note_writable();
            endpoint.send_waiting(now, counters);
        }
        self.close("server stop", counters);
    }

    fn abort(&mut self, core: &mut Core<S>) {
        self.close("server abort", core.counters());
    }
}

impl<D: DatagramTransport> DatagramEndpoint<D> {
    /// Calls the handler. A panic loses this datagram and its replies only.
    fn hand_over(
        &mut self,
        handler: &mut dyn DatagramHandler,
        datagram: &[u8],
        cx: &mut DatagramContext<'_>,
        (counters, stopwatch): Instruments<'_>,
    ) -> bool {
        counters.datagrams_in.add(1);
        counters.calls.add(1);
        let result = panics::catch(|| handler.on_datagram(datagram, cx));
        if let Some(slow) = stopwatch.lap(counters) {
            log::warn!("{} {}: on_datagram {slow}", self.socket.address(), cx.peer());
        }
        if let Err(said) = &result {
            counters.panics.add(1);
            let address = self.socket.address();
            log::error!("{address} {}: datagram handler panicked: {said}", cx.peer());
        }
        result.is_ok()
    }

    /// Sends the handler's replies.
    fn send_out(&mut self, out: &mut DatagramOut, now: Now, counters: &Counters) {
        out.drain(|to, bytes| match self.outgoing.send(&self.socket, to, bytes, now) {
            Ok(Sent::Gone) => counters.datagrams_out.add(1),
            Ok(Sent::Waits) => {}
            Err(error) => self.lose(1, &format_args!("{to}: {error}"), now, counters),
        });
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
            log::warn!("{}: cannot receive: {error}", self.socket.address());
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
        log::warn!("{}: {} datagrams lost; last reason: {why}", self.socket.address(), self.lost);
        self.lost = 0;
    }
}
