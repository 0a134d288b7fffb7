//! Where handlers run. Knows nothing of what runs there.

use std::fmt;
use std::str::FromStr;

use crate::limits::OptionError;

/// Where the handlers of a server run: its choice, not theirs. The same handler runs in every
/// mode.
///
/// ```
/// use socketserver::{Mode, Server};
///
/// let server = Server::bind("127.0.0.1:0")?.mode(Mode::Threads(4));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Written as text it is `multiplex`, `threads:4`, `reactors:4` or `processes:4`:
///
/// ```
/// use socketserver::Mode;
///
/// assert_eq!("threads:4".parse(), Ok(Mode::Threads(4)));
/// assert_eq!(Mode::Reactors(2).to_string(), "reactors:2");
/// assert!("threads".parse::<Mode>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Mode {
    /// In the loop, one call after the other. The fastest, for handlers that never block.
    #[default]
    Multiplex,
    /// On so many worker threads. The loop keeps the sockets; a handler travels to a worker with
    /// its input, and comes back with what it wrote and wishes. A handler that blocks holds up its
    /// own connection and one worker. At most one call of a connection is on its way, so its
    /// answers keep their order; while it is, or waits for a worker, the connection is not
    /// read. 0 workers are multiplexing.
    ///
    /// A [`BlockingHandler`](crate::BlockingHandler) may wait for its peer too, and keeps its worker
    /// all the while. Those have workers of their own, as many.
    Threads(usize),
    /// In so many loops, each in a thread of its own: the first one in the thread that runs the
    /// server. That one accepts, and gives each newcomer to the loop with the fewest connections,
    /// where it stays. 0 and 1 are multiplexing.
    ///
    /// It is one server: the [`Limits`] of connections, in all and of each peer, hold for all loops
    /// together, topics and ids reach everybody, and so does its [`ServerHandle`](crate::ServerHandle). What one connection sends or publishes to another
    /// arrives in order; what two do, in any. A handler that blocks holds up the connections of its
    /// loop. Datagrams are served by the first one.
    ///
    /// [`Limits`]: crate::Limits
    ///
    /// ```
    /// use socketserver::{Mode, Server};
    ///
    /// let cores = std::thread::available_parallelism()?;
    /// let server = Server::bind("127.0.0.1:0")?.mode(Mode::Reactors(cores.into()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    Reactors(usize),
    /// In so many worker processes, each with a loop of its own. This process becomes their
    /// supervisor when the server runs: it starts its own program again, with the same arguments,
    /// hands down its sockets, replaces workers that end, and serves nobody itself. In a worker
    /// the same code takes over the sockets instead of binding them, and serves. 0 workers are
    /// multiplexing.
    ///
    /// What comes before the server runs is done in each worker again:
    /// [`Server::is_worker`](crate::Server::is_worker) tells where it is. Handlers of one process
    /// know nothing of those of another, so what they publish stays in it, and [`Limits`] hold
    /// for each. Python: `ForkingMixIn`, but with a fixed number of processes.
    ///
    /// [`Limits`]: crate::Limits
    ///
    /// ```no_run
    /// use socketserver::{Mode, Server};
    /// # use socketserver::{Close, Context, Handler, Peer};
    /// # struct Echo;
    /// # impl Handler for Echo {
    /// #     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
    /// #         cx.write(input);
    /// #         Ok(input.len())
    /// #     }
    /// # }
    ///
    /// let server = Server::bind("127.0.0.1:7007")?.mode(Mode::Processes(4));
    /// if !Server::is_worker() {
    ///     println!("listening on {}", server.addresses()[0]);
    /// }
    /// server.serve(|_| Echo)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(feature = "processes")]
    Processes(usize),
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mode::Multiplex => f.write_str("multiplex"),
            Mode::Threads(count) => write!(f, "threads:{count}"),
            Mode::Reactors(count) => write!(f, "reactors:{count}"),
            #[cfg(feature = "processes")]
            Mode::Processes(count) => write!(f, "processes:{count}"),
        }
    }
}

/// What to write for a mode.
#[cfg(feature = "processes")]
const FORMS: &str = "multiplex, threads:N, reactors:N, processes:N";
#[cfg(not(feature = "processes"))]
const FORMS: &str = "multiplex, threads:N, reactors:N";

impl FromStr for Mode {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Mode, OptionError> {
        let counted = text.split_once(':').map(|(name, count)| (name, count.parse()));
        match counted {
            None if text == "multiplex" => Ok(Mode::Multiplex),
            Some(("threads", Ok(count))) => Ok(Mode::Threads(count)),
            Some(("reactors", Ok(count))) => Ok(Mode::Reactors(count)),
            #[cfg(feature = "processes")]
            Some(("processes", Ok(count))) => Ok(Mode::Processes(count)),
            _ => Err(OptionError::new(text, FORMS)),
        }
    }
}
