//! The construction of a loop: its components, and their budgets.

use std::io;
use std::time::Duration;

use super::admission::{Admission, Blocking};
use super::commands::{COMMANDS, Commands};
use super::connect::Connector;
use super::core::Core;
use super::datagrams::DatagramEndpoints;
use super::event_loop::{Parts, Reactor};
use super::group::Member;
use super::service::ServiceKind;
use super::shard::ShardMail;
use super::system::System;
use super::workers::Workers;
#[cfg(feature = "backplane")]
use crate::backplane::sharing::Sharing;
use crate::exec::{BlockingPool, Executor};
use crate::handler::effect::Dial;
use crate::handler::task::PeriodicTask;
use crate::hub::{self, Hub};
use crate::id::Shard;
use crate::limits::Limits;
use crate::metrics::stopwatch::Stopwatch;
use crate::mode::Mode;
use crate::now;

/// The components of a reactor.
pub(crate) struct Setup<'s, S: System> {
    pub(crate) limits: Limits,
    pub(crate) mode: Mode,
    pub(crate) services: Vec<ServiceKind<'s>>,
    /// Listeners, each with the index of its service.
    pub(crate) listeners: Vec<(S::Listener, usize)>,
    /// The length of the listen queue before the limits were known.
    pub(crate) kernel_queue: u32,
    pub(crate) dials: Vec<Dial>,
    /// Periodic tasks, each with its period.
    pub(crate) tasks: Vec<(Duration, PeriodicTask)>,
    pub(crate) datagrams: DatagramEndpoints<S::DatagramSocket>,
    pub(crate) budgets: Budgets,
    /// The topics that span several nodes.
    #[cfg(feature = "backplane")]
    pub(crate) sharing: Option<Sharing>,
    /// Lets ordinary connections take the hub's ordinary path. It changes only the cost, which
    /// simulations verify by runs without it.
    pub(crate) takes_ordinary_path: bool,
}

/// Limits on the work of one turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budgets {
    /// Events taken from the system. An `epoll_event` is 12 bytes; with more of them a connection
    /// waits longer for its next turn, with fewer there are more system calls.
    pub(crate) events: usize,
    /// Commands of other threads.
    pub(crate) commands: usize,
    pub(crate) hub: hub::Budgets,
}

impl Default for Budgets {
    fn default() -> Budgets {
        Budgets { events: 256, commands: COMMANDS, hub: hub::Budgets::default() }
    }
}

impl<'s, S: System> Reactor<'s, S> {
    /// Creates a reactor on `system`, as a `member` of a group if there are several.
    ///
    /// # Errors
    ///
    /// The system's error, if it cannot start the workers or watch the sockets.
    pub(crate) fn new(
        mut system: S,
        setup: Setup<'s, S>,
        member: Option<Member<S::Socket>>,
    ) -> io::Result<Reactor<'s, S>> {
        let Setup { limits, mode, services, listeners, dials, tasks, mut datagrams, .. } = setup;
        let now = system.now();
        let count = match mode {
            Mode::Multiplex | Mode::Reactors(_) => 0,
            // This process is one of them.
            #[cfg(feature = "processes")]
            Mode::Processes(_) => 0,
            Mode::Threads(workers) => workers,
        };
        // No threads for a kind of handlers that is not used.
        let blocks = |service: &ServiceKind<'_>| matches!(service, ServiceKind::Blocking(_));
        let has_workers = count > 0 && (!services.iter().all(blocks) || !dials.is_empty());
        let workers = match has_workers {
            true => Workers::start(count, &system, limits.slow_call.is_some())?,
            false => {
                Workers::on_demand(limits.offload_workers, &system, limits.slow_call.is_some())
            }
        };
        let blocking = match count > 0 && services.iter().any(blocks) {
            true => Some(start_blocking(count, &system, &limits)?),
            false => None,
        };
        let bell = system.handle().bell();
        let connector = Connector::new(bell, limits.connect);
        datagrams.register(&system)?;
        let admission =
            Admission::new(&system, &limits, services, listeners, setup.kernel_queue, blocking)?;
        let executor = if has_workers { Executor::Pool } else { Executor::Inline };
        let shard = member.as_ref().map_or(Shard::ONLY, Member::shard);
        let stopwatch = Stopwatch::new(system.elapsed(), limits.slow_call);
        let counters = system.handle().counters();
        let mut hub =
            Hub::new(limits.clone(), setup.budgets.hub, executor, shard, counters, stopwatch);
        hub.set_ordinary_path(setup.takes_ordinary_path);
        hub.set_notifier(system.handle().notifier());
        hub.note_time(now);
        if limits.connections_per_peer.is_some() {
            hub.note_departures();
        }
        hub.dials_mut().extend(dials);
        #[cfg(feature = "backplane")]
        if let Some(sharing) = setup.sharing {
            hub.share_topics(sharing);
        }
        for (period, task) in tasks {
            hub.every(now::millis(period), task);
        }
        let is_fed = member.as_ref().is_some_and(Member::group_accepts);
        let is_serving = admission.listens() || !datagrams.is_empty() || is_fed;
        let commands = Commands::new(setup.budgets.commands);
        Ok(Reactor {
            core: Core::new(system, hub, now, limits, member),
            parts: Parts {
                connector,
                admission,
                datagrams,
                workers,
                commands,
                shard_mail: ShardMail,
            },
            parts_due_ms: 0,
            is_serving,
            batch: setup.budgets.events,
            partial_turns: 0,
            longest_lag: 0,
        })
    }
}

fn start_blocking<S: System>(count: usize, system: &S, limits: &Limits) -> io::Result<Blocking<S>> {
    let mut pool = BlockingPool::new(count, limits, system.handle().bell());
    pool.start(|number, worker| system.start_blocking_worker(number, worker))?;
    Ok(pool)
}
