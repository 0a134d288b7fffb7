//! The threads and processes that run handlers. Knows nothing of handlers.

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
    /// In the loop, one call after the other. The fastest mode, for handlers that never block.
    #[default]
    Multiplex,
    /// On this many worker threads. The loop keeps the sockets; a handler is sent to a worker with
    /// its input, and returns with its output and its other effects. A handler that blocks holds up
    /// its own connection and one worker. A connection has at most one call in progress, so its
    /// answers keep their order; until it returns, the connection is not read. With 0 workers,
    /// handlers run in the loop.
    ///
    /// A [`BlockingHandler`](crate::BlockingHandler) may also wait for its peer, and occupies its
    /// worker until its connection ends. Blocking handlers have the same number of separate
    /// workers.
    Threads(usize),
    /// In this many loops, each on its own thread: the first loop on the thread that runs the
    /// server. That loop accepts, and gives each new connection to the loop with the fewest
    /// connections, which keeps it. 0 and 1 mean a single loop.
    ///
    /// The loops form one server: [`Limits`] on the number of connections, in total and per peer,
    /// hold for all loops together; topics, ids and the [`ServerHandle`](crate::ServerHandle) reach
    /// all connections. The messages that one connection sends or publishes to another arrive in
    /// order; messages of different connections arrive in any order. A handler that blocks holds up
    /// the connections of its loop. The first loop serves datagrams.
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
    /// In this many worker processes, each with its own loop. When the server runs, this process
    /// becomes their supervisor: it starts its own program again with the same arguments, hands
    /// down its sockets, replaces workers that end, and serves no connections itself. In a worker,
    /// the same code takes over the sockets instead of binding them, and serves. With 0 workers,
    /// this process serves by itself.
    ///
    /// On Linux, workers run the file that the supervisor runs, even if it has been removed or
    /// replaced; on other systems, the file that then has its name.
    ///
    /// Code before the run of the server is executed again in each worker;
    /// [`Server::is_worker`](crate::Server::is_worker) tells them apart. Processes are isolated:
    /// published messages stay within one process, and [`Limits`] hold for each. Python:
    /// `ForkingMixIn`, but with a fixed number of processes.
    ///
    /// [`Limits`]: crate::Limits
    ///
    /// ```no_run
    /// use socketserver::{Mode, Server};
    /// # use socketserver::{Close, Context, Handler, Peer};
    /// # struct Echo;
    /// # impl Handler for Echo {
    /// #     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>)
    /// #         -> Result<usize, Close> {
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
