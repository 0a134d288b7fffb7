//! What a user says of the clients of a simulation: the contract of their scripts.

use crate::close::Close;
use crate::testkit::Random;

/// A client of a [`Simulation`](super::Simulation), and the model it holds the server against: what
/// it sends, and what it must see. A script that sees something else panics; that is how a
/// simulation fails.
pub trait Script {
    /// What the client does next. It is asked again and again, at any time, until it
    /// [shuts](Action::Shut), [resets](Action::Reset), or is told its end.
    fn next(&mut self, random: &mut Random) -> Action;

    /// These bytes have come, behind those before. They may be cut anywhere.
    fn received(&mut self, bytes: &[u8]);

    /// Nothing more will come. Told once.
    fn ended(&mut self, end: &End) {
        let _ = end;
    }
}

/// A step of a client of a [`Simulation`](super::Simulation).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sends these bytes. They arrive in pieces, sooner or later.
    Send(Vec<u8>),
    /// Nothing: it waits for what comes. One who does nothing but wait when nothing can come any
    /// more shuts, or waits until its deadline.
    Wait,
    /// Sends no more, but still reads: a half-close.
    Shut,
    /// Vanishes.
    Reset,
}

/// How a connection of a [`Simulation`](super::Simulation) ended, as its client may know it, and why,
/// as its handler was told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// Nothing was in its way: all has been received that was ever sent to it. Here a model
    /// checks that nothing is missing.
    Whole(Close),
    /// A fault of the network, a deadline, a limit, the end of the server or the client's own
    /// reset cut it short: what has come is right so far, and something may be missing.
    Cut(Close),
    /// No handler has served it: the service refused it, or it was never accepted.
    Unserved,
}

/// A client of a handler that blocks, which says a little and then waits for its end.
#[derive(Default)]
pub(super) struct Mute {
    said: usize,
}

impl Script for Mute {
    fn next(&mut self, random: &mut Random) -> Action {
        self.said += 1;
        match self.said {
            0..3 => Action::Send(vec![b'.'; 1 + random.below(9)]),
            _ => Action::Wait,
        }
    }

    fn received(&mut self, _: &[u8]) {}
}
