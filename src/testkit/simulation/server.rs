//! The server of a simulation: the loops for real sockets, each on a system in memory, all in one
//! thread. Knows when a turn of a loop is due; chooses nothing at random.

use std::iter;
use std::sync::{Arc, Mutex};

use super::datagrams::{self, DatagramQueue, MemoryDatagrams};
use super::kernel::{self, LoopState, Shared};
use super::listener::{self, ListenQueue, MemoryListener};
use super::service::{ObservedService, Waiting};
use super::socket::MemoryStream;
use super::system::{Events, MemorySystem};
use crate::handler::Service;
use crate::handler::datagram::DatagramContext;
use crate::limits::Limits;
use crate::mode::Mode;
use crate::now::NANOS_PER_MS;
use crate::reactor::{
    Budgets, DatagramEndpoints, Member, Reactor, ServerHandle, ServiceKind, Setup, System, members,
    share,
};

pub(super) struct Server<'a> {
    pub(super) kernel: Shared,
    /// The running loops, each with the events of its turn.
    loops: Vec<Option<(Reactor<'a, MemorySystem>, Events)>>,
    pub(super) handle: ServerHandle,
    /// The queue of connections, and a second one for blocking handlers if there are workers.
    pub(super) queues: Vec<Arc<Mutex<ListenQueue>>>,
    pub(super) datagrams: Option<Arc<Mutex<DatagramQueue>>>,
}

/// The configuration of a server.
pub(super) struct Plan {
    pub(super) limits: Limits,
    pub(super) mode: Mode,
    /// The number of addresses that clients connect from.
    pub(super) addresses: usize,
    pub(super) budgets: Budgets,
    pub(super) has_blocking: bool,
    pub(super) has_datagrams: bool,
    pub(super) takes_ordinary_path: bool,
}

impl<'a> Server<'a> {
    #[allow(clippy::expect_used, reason = "no fault has been injected yet")]
    pub(super) fn new(plan: Plan, service: Box<dyn Service + 'a>) -> Server<'a> {
        let Plan { limits, mode, budgets, .. } = plan;
        let count = match mode {
            Mode::Reactors(count) => count.max(1),
            _ => 1,
        };
        let kernel = Shared::default();
        kernel::lock(&kernel).loops.extend((0..count).map(|_| LoopState::default()));
        let mut services =
            vec![ServiceKind::Handlers(Box::new(ObservedService::new(service, &kernel)))];
        if plan.has_blocking {
            services.push(ServiceKind::Blocking(Box::new(Waiting)));
        }
        let queues: Vec<Arc<Mutex<ListenQueue>>> =
            services.iter().map(|_| Arc::default()).collect();
        let listener = |(index, queue)| (MemoryListener(Arc::clone(queue)), index);
        let listeners = queues.iter().enumerate().map(listener).collect();
        let datagrams = plan.has_datagrams.then(Arc::<Mutex<DatagramQueue>>::default);
        let sockets = datagrams.iter().map(|queue| (MemoryDatagrams(Arc::clone(queue)), 0));
        let echo = |datagram: &[u8], cx: &mut DatagramContext<'_>| cx.reply(datagram);
        let datagram_endpoints =
            DatagramEndpoints::new(&limits, vec![Box::new(echo)], sockets.collect());
        let mut setup = Setup {
            limits,
            mode,
            services,
            listeners,
            kernel_queue: 0,
            dials: Vec::new(),
            tasks: Vec::new(),
            datagrams: datagram_endpoints,
            budgets,
            #[cfg(feature = "backplane")]
            sharing: None,
            takes_ordinary_path: plan.takes_ordinary_path,
        };
        let first = MemorySystem::new(&kernel, 0, None);
        let handle = first.handle().clone();
        let others: Vec<MemorySystem> =
            (1..count).map(|index| MemorySystem::new(&kernel, index, Some(&handle))).collect();
        let mut places: Vec<Option<Member<MemoryStream>>> = vec![None];
        if count > 1 {
            let remotes = iter::once(&first).chain(&others).map(|system| system.handle().clone());
            places = members(remotes.collect(), true).into_iter().map(Some).collect();
        }
        let shares = share(&mut setup, count);
        let systems = iter::once(first).chain(others);
        let setups = iter::once(setup).chain(shares);
        let loops = systems.zip(setups).zip(places).map(|((system, setup), member)| {
            let reactor = Reactor::new(system, setup, member).expect("no fault is injected");
            Some((reactor, MemorySystem::events(budgets.events)))
        });
        let loops = loops.collect();
        Server { kernel, loops, handle, queues, datagrams }
    }

    pub(super) fn count(&self) -> usize {
        self.loops.len()
    }

    pub(super) fn is_running(&self, index: usize) -> bool {
        self.loops[index].is_some()
    }

    pub(super) fn is_over(&self) -> bool {
        self.loops.iter().all(Option::is_none)
    }

    pub(super) fn now_ms(&self) -> u64 {
        kernel::lock(&self.kernel).nanos / NANOS_PER_MS
    }

    /// Returns the number of connections of all loops.
    pub(super) fn len(&self) -> usize {
        self.loops.iter().flatten().map(|(reactor, _)| reactor.len()).sum()
    }

    /// Runs a turn of a loop, and drops a loop that is done.
    ///
    /// # Errors
    ///
    /// If the loop fails.
    pub(super) fn turn(&mut self, index: usize) -> std::io::Result<()> {
        let Some((reactor, events)) = &mut self.loops[index] else { return Ok(()) };
        // Check before it waits, too.
        let mut is_over = reactor.is_over();
        if !is_over {
            reactor.turn(events)?;
            is_over = reactor.is_over();
        }
        if is_over {
            self.loops[index] = None;
        }
        Ok(())
    }

    /// Returns the time at which a turn of a loop is due without an event.
    pub(super) fn due_ms(&mut self, index: usize) -> Option<u64> {
        self.loops[index].as_mut().and_then(|(reactor, _)| reactor.due_ms())
    }

    pub(super) fn is_due(&mut self, index: usize) -> bool {
        let now_ms = self.now_ms();
        self.due_ms(index).is_some_and(|due_ms| due_ms <= now_ms)
    }

    /// Returns the earliest time at which a turn is due.
    pub(super) fn next_ms(&mut self) -> Option<u64> {
        (0..self.count()).filter_map(|index| self.due_ms(index)).min()
    }

    /// Checks the counters of a server that has ended: each connection and each datagram has had
    /// exactly one end.
    ///
    /// # Errors
    ///
    /// A description of the mismatch.
    pub(super) fn check_counts(&self, may_leave_handlers: bool) -> Result<(), String> {
        let metrics = self.handle.metrics();
        let taken: u64 = self.queues.iter().map(|queue| listener::lock(queue).accepted).sum();
        let refused = metrics.refused_by_service
            + metrics.refused_by_limit
            + metrics.refused_by_panic
            + metrics.refused_by_system;
        let closed: u64 = metrics.closes().map(|(_, count)| count).sum();
        let equal = |what: &str, left: u64, right: u64| match left == right {
            true => Ok(()),
            false => Err(format!("{what}: {left} and {right}")),
        };
        equal("accepted connections, and `accepted`", taken, metrics.accepted)?;
        let begun = metrics.accepted + metrics.connected;
        equal("connections begun, and opened or refused", begun, metrics.opened + refused)?;
        if !may_leave_handlers {
            equal("connections opened, and closed", metrics.opened, closed)?;
        }
        let Some(queue) = &self.datagrams else { return Ok(()) };
        let queue = datagrams::lock(queue);
        let ended = queue.sent.len() as u64 + metrics.datagrams_lost;
        equal("datagrams received, and answered or lost", queue.received, ended)
    }

    /// In debug builds, checks that no connection has been forgotten.
    pub(super) fn check_rest(&self) {
        #[cfg(debug_assertions)]
        for (reactor, _) in self.loops.iter().flatten() {
            reactor.check_rest(
                |stream| stream.wire().is_readable(),
                |stream| stream.wire().is_writable_and_told(),
            );
        }
    }
}
