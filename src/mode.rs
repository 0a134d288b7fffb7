//! Where handlers run. Knows nothing of what runs there.

/// Where the handlers of a server run: its choice, not theirs. The same handler runs in every
/// mode.
///
/// ```
/// use socketserver::{Mode, Server};
///
/// let server = Server::bind("127.0.0.1:0")?.mode(Mode::Threads(4));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    /// A [`RequestHandler`](crate::RequestHandler) may wait for its peer too, and keeps its worker
    /// all the while. Those have workers of their own, as many.
    Threads(usize),
}
