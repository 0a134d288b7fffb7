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
    ///
    /// ```
    /// use socketserver::testkit::{Action, End, Random, Script, Simulation, seeds};
    /// use socketserver::{Close, Context, Handler};
    ///
    /// struct Greeter;
    ///
    /// impl Handler for Greeter {
    ///     fn on_open(&mut self, cx: &mut Context<'_>) {
    ///         cx.write_str("hello");
    ///         cx.close(Close::Done);
    ///     }
    ///
    ///     fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
    ///         Ok(input.len())
    ///     }
    /// }
    ///
    /// struct Guest(Vec<u8>);
    ///
    /// impl Script for Guest {
    ///     fn next(&mut self, _: &mut Random) -> Action {
    ///         Action::Wait
    ///     }
    ///
    ///     fn received(&mut self, bytes: &[u8]) {
    ///         self.0.extend(bytes);
    ///     }
    ///
    ///     fn ended(&mut self, end: &End) {
    ///         match end {
    ///             End::Whole(_) => assert_eq!(self.0, b"hello"),
    ///             _ => assert!(b"hello".starts_with(&self.0[..])),
    ///         }
    ///     }
    /// }
    ///
    /// seeds(0..10, |seed| {
    ///     Simulation::new(seed).run(|_| Greeter, |_: &mut Random| Guest(Vec::new()));
    /// });
    /// ```
    fn ended(&mut self, end: &End) {
        let _ = end;
    }
}

/// An action of a client: see [`Simulation`](super::Simulation) for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

/// The end of a connection as seen by its client, with the reason passed to its handler: see
/// [`Script::ended`].
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
