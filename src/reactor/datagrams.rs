//! The datagram sockets of a loop. Must not know connections.

use std::io;
use std::sync::Arc;

use super::core::Core;
use super::datagram_endpoint::{Caller, DatagramEndpoint, Share};
use super::part::Part;
use super::source::Source;
use super::system::{DatagramTransport, System};
use crate::handler::datagram::{DatagramHandler, DatagramRecord};
use crate::hub::Readiness;
use crate::limits::Limits;
use crate::metrics::counters::Counters;
use crate::net::address::Address;
use crate::panics;

/// The most datagrams received from one socket in one turn.
const BURST: usize = 64;
/// The most datagrams answered from the socket's queue at a stop.
const LAST_BURST: usize = 4096;

/// The datagram sockets of a server and their shared state.
pub(crate) struct DatagramEndpoints<D> {
    endpoints: Vec<DatagramEndpoint<D>>,
    handlers: Vec<Box<dyn DatagramHandler>>,
    /// One byte longer than the longest datagram: a full buffer means a longer one.
    input: Vec<u8>,
    record: DatagramRecord,
    /// The most bytes received from one socket in one turn.
    budget: usize,
    /// `on_start` has been called.
    has_started: bool,
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
        let own: Arc<[Address]> = sockets.iter().map(|(socket, _)| socket.address()).collect();
        let endpoints = sockets.into_iter().map(|(socket, handler)| {
            DatagramEndpoint::new(socket, handler, Arc::clone(&own), limits.output_hard)
        });
        DatagramEndpoints {
            endpoints: endpoints.collect(),
            handlers,
            input: vec![0; input_len],
            record: DatagramRecord::default(),
            budget: limits.read_budget,
            has_started: false,
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
        if let Some(endpoint) = self.endpoints.get_mut(index) {
            endpoint.note(readiness);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// Gives each endpoint its part of a turn.
    fn each<S: System>(
        &mut self,
        core: &mut Core<S>,
        mut turn: impl FnMut(&mut DatagramEndpoint<D>, &mut [u8], &mut Caller<'_>),
    ) {
        let now = core.now;
        let (counters, stopwatch) = core.hub.instruments();
        for endpoint in &mut self.endpoints {
            let handler = &mut *self.handlers[endpoint.handler];
            let record = &mut self.record;
            let mut caller = Caller { handler, record, now, counters, stopwatch };
            turn(endpoint, &mut self.input, &mut caller);
        }
    }

    /// Closes at once; queued datagrams are lost.
    fn close(&mut self, why: &str, counters: &Counters) {
        for endpoint in &mut self.endpoints {
            endpoint.close(why, counters);
        }
        self.endpoints.clear();
        self.handlers.drain(..).for_each(panics::drop_quietly);
    }
}

impl<S: System> Part<S> for DatagramEndpoints<S::DatagramSocket> {
    /// Receives a bounded number of datagrams from each socket.
    fn turn(&mut self, core: &mut Core<S>) {
        if !std::mem::replace(&mut self.has_started, true) {
            self.each(core, |endpoint, _, caller| endpoint.start(caller));
        }
        let share = Share { datagrams: BURST, bytes: self.budget };
        self.each(core, |endpoint, input, caller| endpoint.turn(input, share, caller));
    }

    fn due_ms(&mut self, _: &mut Core<S>) -> Option<u64> {
        self.endpoints.iter().filter_map(DatagramEndpoint::due_ms).min()
    }

    fn is_over(&self, _: &Core<S>) -> bool {
        self.is_empty()
    }

    /// Answers the datagrams that have arrived, and closes.
    fn stop(&mut self, core: &mut Core<S>) {
        let share = Share { datagrams: LAST_BURST, bytes: usize::MAX };
        self.each(core, |endpoint, input, caller| endpoint.finish(input, share, caller));
        self.close("server stop", core.counters());
    }

    fn abort(&mut self, core: &mut Core<S>) {
        self.close("server abort", core.counters());
    }
}
