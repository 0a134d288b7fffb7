//! The threads that run handlers: the loop, or workers to which a handler travels with a call of
//! it. Knows no connection and no socket.

mod blocking;
mod call;
mod crew;
mod job;
mod offloaded;
mod pool;
mod queue;

pub(crate) use self::blocking::{BlockingPool, BlockingSocket, BlockingWorker, Leaving};
pub(crate) use self::call::{Call, Returned};
pub(crate) use self::crew::no_thread;
pub(crate) use self::job::{Job, Task};
pub(crate) use self::offloaded::Offloaded;
pub(crate) use self::pool::{Departure, Pool, Sorted, Worker};
#[cfg(feature = "testkit")]
pub(crate) use self::{blocking::Request, pool::NO_THREAD};

/// The place where handlers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Executor {
    /// On the thread of the loop.
    Inline,
    /// On worker threads.
    Pool,
}
