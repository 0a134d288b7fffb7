//! Deterministic simulation: a server, its clients and the faults between them, from one seed.

mod account;
mod calm;
mod cast;
mod datagrams;
mod events;
mod guest;
mod kernel;
mod laws;
mod listener;
mod observer;
mod script;
mod server;
mod service;
mod share;
mod socket;
mod storm;
mod system;
mod threads;
mod trace;
mod way;
mod world;

use std::fmt;

pub use self::script::{Action, End, Script};
pub use self::trace::Trace;

use self::calm::Calm;
use self::cast::{Clients, Commands, Panics, Remotes};
use self::server::Plan;
use self::storm::Storm;
use self::world::World;
use super::both_ways;
use super::random::Random;
use crate::handler::Service;
use crate::hub;
use crate::limits::Limits;
use crate::mode::Mode;
use crate::net::destination::Destination;
use crate::reactor::{Budgets, ServerHandle};

/// A server and its clients in memory, driven by one seed: listeners, handlers, timers, topics and
/// workers, with a network and a clock controlled by the seed.
///
/// The simulation does anything that a real system may do. Bytes are split, merged and delayed.
/// Events come late, reordered, without a cause, or for closed connections. Reads and writes are
/// short. Clients read slowly or not at all, half-close and reset. Reads, writes and `accept` fail.
/// Workers finish at any time and in any order. The clock jumps. The server is stopped or aborted
/// at any time. In the end the faults cease, and every connection must end.
///
/// A [`Script`] produces the input of a client and checks its output. The simulation itself checks
/// that handlers receive the input in order and once; that `on_open` and `on_close` come in pairs;
/// that timers fire, in time; that no connection ends without a reason; that no connection is
/// forgotten.
///
/// The same seed gives the same run, and an equal [`Trace`]. [`seeds`](super::seeds()) runs many of
/// them.
///
/// ```
/// use socketserver::testkit::{Action, End, Random, Script, Simulation, seeds};
/// use socketserver::{Close, Context, Handler};
///
/// struct Echo;
///
/// impl Handler for Echo {
///     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
///         cx.write(input);
///         Ok(input.len())
///     }
/// }
///
/// #[derive(Default)]
/// struct Caller {
///     sent: Vec<u8>,
///     came: Vec<u8>,
/// }
///
/// impl Script for Caller {
///     fn next(&mut self, random: &mut Random) -> Action {
///         if self.sent.len() > 1000 {
///             return Action::Shut;
///         }
///         let word = vec![random.below(256) as u8; random.below(300)];
///         self.sent.extend(&word);
///         Action::Send(word)
///     }
///
///     fn received(&mut self, bytes: &[u8]) {
///         self.came.extend(bytes);
///         assert!(self.sent.starts_with(&self.came));
///     }
///
///     fn ended(&mut self, end: &End) {
///         assert!(!matches!(end, End::Whole(_)) || self.came == self.sent, "bytes are missing");
///     }
/// }
///
/// seeds(0..50, |seed| {
///     Simulation::new(seed).run(|_| Echo, |_: &mut Random| Caller::default());
/// });
/// ```
///
/// A simulation detects a handler that relies on more than a network guarantees. This one assumes
/// that a line arrives whole:
///
/// ```should_panic
/// # use socketserver::testkit::{Action, End, Random, Script, Simulation, seeds};
/// # use socketserver::{Close, Context, Handler};
/// struct Greeter;
///
/// impl Handler for Greeter {
///     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
///         cx.write(b"hello ");
///         cx.write(input);
///         Ok(input.len())
///     }
/// }
///
/// struct Bob {
///     said: bool,
///     came: Vec<u8>,
/// }
///
/// impl Script for Bob {
///     fn next(&mut self, _: &mut Random) -> Action {
///         match std::mem::replace(&mut self.said, true) {
///             false => Action::Send(b"bob\n".to_vec()),
///             true => Action::Wait,
///         }
///     }
///
///     fn received(&mut self, bytes: &[u8]) {
///         self.came.extend(bytes);
///         assert!(b"hello bob\n".starts_with(&self.came[..]), "{:?}", self.came);
///     }
/// }
///
/// seeds(0..100, |seed| {
///     let clients = |_: &mut Random| Bob { said: false, came: Vec::new() };
///     Simulation::new(seed).run(|_| Greeter, clients);
/// });
/// ```
///
/// The seed chooses limits and mode, unless they are set. A handler that panics fails the test,
/// unless panics are allowed. Other threads are commands:
///
/// ```
/// # use socketserver::testkit::{Action, Random, Script, Simulation, seeds};
/// # use socketserver::{Close, Context, Handler, Limits, Mode, ServerHandle, Topic};
/// # struct Fragile;
/// # impl Handler for Fragile {
/// #     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
/// #         assert!(cx.now().elapsed().as_secs() % 2 == 0, "odd");
/// #         Ok(input.len())
/// #     }
/// # }
/// # struct Caller;
/// # impl Script for Caller {
/// #     fn next(&mut self, random: &mut Random) -> Action {
/// #         if random.one_in(9) { Action::Shut } else { Action::Send(b"packet".to_vec()) }
/// #     }
/// #     fn received(&mut self, _: &[u8]) {}
/// # }
/// seeds(0..10, |seed| {
///     Simulation::new(seed)
///         .limits(Limits::default().connections(3))
///         .mode(Mode::Multiplex)
///         .packets()
///         .panics_are_wanted()
///         .commands(|server: &ServerHandle, random: &mut Random| {
///             if random.one_in(10) {
///                 let _ = server.publish(&Topic::new("news"), *b"hello");
///             }
///         })
///         .run(|_| Fragile, |_: &mut Random| Caller);
/// });
/// ```
pub struct Simulation<'a> {
    seed: u64,
    limits: Option<Limits>,
    mode: Option<Mode>,
    remotes: Remotes<'a>,
    commands: Commands<'a>,
    panics: Panics,
    keeps_boundaries: bool,
}

impl<'a> Simulation<'a> {
    /// A simulation of which everything is chosen by `seed` that is not set here.
    #[must_use]
    pub fn new(seed: u64) -> Simulation<'a> {
        Simulation {
            seed,
            limits: None,
            mode: None,
            remotes: Box::new(|_, _| None),
            commands: Box::new(|_, _| {}),
            panics: Panics::Fail,
            keeps_boundaries: false,
        }
    }

    /// Sets the server's limits. By default the seed chooses those that affect only the timing,
    /// most of them very small, and the others have their default values.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Simulation<'a> {
        self.limits = Some(limits);
        self
    }

    /// Sets the server's mode. By default the seed chooses among the modes for handlers.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Simulation<'a> {
        self.mode = Some(mode);
        self
    }

    /// Sets the scripts of the far ends of [connections](crate::Context::connect) that handlers
    /// request; `None` makes a connection fail. By default all of them fail.
    #[must_use]
    pub fn remotes<S: Script + 'static>(
        mut self,
        mut remotes: impl FnMut(&Destination, &mut Random) -> Option<S> + 'a,
    ) -> Simulation<'a> {
        self.remotes = Box::new(move |to, random| {
            let script = remotes(to, random)?;
            Some(Box::new(script))
        });
        self
    }

    /// Sets a function that uses the server's handle as other threads would: it is called
    /// repeatedly, at any time. By default the handle is only used to stop the server.
    #[must_use]
    pub fn commands(
        mut self,
        commands: impl FnMut(&ServerHandle, &mut Random) + 'a,
    ) -> Simulation<'a> {
        self.commands = Box::new(commands);
        self
    }

    /// Makes a panic of a handler, or of its offloaded work, end only its connection, as on a real
    /// server. By default the simulation fails.
    #[must_use]
    pub fn panics_are_wanted(mut self) -> Simulation<'a> {
        self.panics = Panics::EndTheConnection;
        self
    }

    /// Makes clients connect as to `seqpacket:`: each [`Action::Send`] and each call of
    /// [`Script::received`] is a packet. By default connections are streams.
    #[must_use]
    pub fn packets(mut self) -> Simulation<'a> {
        self.keeps_boundaries = true;
        self
    }

    /// Runs a server of `service` with several clients, each with its own script.
    ///
    /// # Panics
    ///
    /// If a script or a handler panics, or one of the simulation's own checks fails. The end of the
    /// trace is then written to standard error.
    pub fn run<S: Script + 'static>(
        self,
        service: impl Service + 'a,
        mut clients: impl FnMut(&mut Random) -> S + 'a,
    ) -> Trace {
        let clients: Clients<'a> = Box::new(move |random| Box::new(clients(random)));
        let mut random = Random::new(self.seed);
        // Limits set by the user are those of one address.
        let addresses = if self.limits.is_some() { 1 } else { 1 + random.below(3) };
        let limits = self.limits.unwrap_or_else(|| pace(self.keeps_boundaries, &mut random));
        let mode = self.mode.unwrap_or_else(|| match random.below(6) {
            0 => Mode::Reactors(2 + random.below(2)),
            1..=3 => Mode::Threads(1 + random.below(3)),
            _ => Mode::Multiplex,
        });
        let has_workers = matches!(mode, Mode::Threads(1..));
        let plan = Plan {
            limits,
            mode,
            addresses,
            budgets: budgets(&mut random),
            has_blocking: has_workers && random.one_in(3),
            has_datagrams: random.one_in(4),
            takes_ordinary_path: both_ways::takes_ordinary_path(),
        };
        let mut world = World::new(plan, random, Box::new(service), clients);
        world.remotes = self.remotes;
        world.commands = self.commands;
        world.panics = self.panics;
        world.keeps_boundaries = self.keeps_boundaries;
        Storm::new(&mut world).run();
        Calm::new(&mut world).run();
        let trace = world.finish();
        both_ways::record(&trace);
        trace
    }
}

impl fmt::Debug for Simulation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("seed", &self.seed)
            .field("limits", &self.limits)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

/// Budgets of a turn, mostly very small.
fn budgets(random: &mut Random) -> Budgets {
    let all = Budgets::default();
    let (events, commands) = match random.one_in(4) {
        true => (all.events, all.commands),
        false => (1 + random.below(6), 1 + random.below(3)),
    };
    let hub = match random.one_in(2) {
        true => all.hub,
        false => hub::Budgets {
            delivery: 1 + random.below(3000),
            topic_log: random.below(500),
            shard_window: 4 + random.below(500),
            inbox: 1 + random.below(4),
            timers: 1 + random.below(2),
            ends: 1 + random.below(2),
            news_for_one: 1 + random.below(3),
        },
    };
    Budgets { events, commands, hub }
}

/// Limits that change the timing of a run, but not its outcome.
fn pace(keeps_boundaries: bool, random: &mut Random) -> Limits {
    let output_low = random.below(300);
    // A packet costs more than its bytes: a small budget would give each packet its own turn.
    let read_budget = if keeps_boundaries { 20_000 } else { 2000 };
    Limits::default()
        .connections(1 + random.below(8))
        .connections_per_peer(random.one_in(4).then(|| 1 + random.below(3)))
        .accept_burst(1 + random.below(4))
        .read_budget(1 + random.below(read_budget))
        .output_low(output_low)
        .output_high(output_low + 1 + random.below(500))
}
