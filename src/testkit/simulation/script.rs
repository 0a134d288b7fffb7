//! The contract of a client's script in a simulation.

use crate::close::Close;
use crate::testkit::Random;

/// A client of a [`Simulation`](super::Simulation): it produces the client's input and checks the
/// server's output. A script panics on wrong output, which makes the simulation fail.
pub trait Script {
    /// Returns the client's next action. Called repeatedly, at any time, until it returns
    /// [`Shut`](Action::Shut) or [`Reset`](Action::Reset), or the connection ends.
    fn next(&mut self, random: &mut Random) -> Action;

    /// Passes the bytes that arrived next. They may be cut anywhere.
    fn received(&mut self, bytes: &[u8]);

    /// Called once, after the last bytes.
    fn ended(&mut self, end: &End) {
        let _ = end;
    }
}

/// An action of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sends these bytes. They arrive in pieces, later.
    Send(Vec<u8>),
    /// Does nothing. If all clients only wait and no more output can arrive, one of them shuts, or
    /// waits until its deadline.
    Wait,
    /// Sends no more, but still reads: a half-close.
    Shut,
    /// Resets the connection.
    Reset,
}

/// The end of a connection as seen by its client, with the reason passed to its handler.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The client has received all bytes that were sent to it. Here a script checks that no bytes
    /// are missing.
    Whole(Close),
    /// A fault of the network, a deadline, a limit, a server stop or the client's own reset ended
    /// the connection early: the bytes received are correct, but some may be missing.
    Cut(Close),
    /// The service refused the connection, or it was never accepted.
    Unserved,
}

/// A client of a blocking handler. It sends a few bytes and then waits for the end.
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
