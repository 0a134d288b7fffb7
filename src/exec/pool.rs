//! The worker pool: workers take tasks, do them and hand them back. Knows tasks and the doorbell of
//! the loop; knows no connection and no socket, and starts no threads: the system trait does.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;

use super::crew::Crew;
use super::job::Task;
use super::queue::{Fate, Rank, WorkQueue};
use crate::clock::Elapsed;
use crate::close::Close;
use crate::id::Id;
use crate::mailbox::{Doorbell, Mailbox, Refused};
use crate::now::Now;
use crate::panics;

/// The error of offloaded work when the system has had no thread for it for some time.
pub(crate) const NO_THREAD: &str = "no thread for offloaded work";

/// A fixed set of workers. They end when the pool is dropped; a worker in the middle of a task ends
/// after that task, and dropping does not wait for it.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    crew: Crew,
}

/// One worker of a pool.
#[derive(Clone)]
pub(crate) struct Worker {
    shared: Arc<Shared>,
}

/// The way in which a peer has left, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Departure {
    /// The end of its input. It may have gone, or wait for its answer.
    EndOfInput,
    /// It has reset the connection, or the connection has ended.
    Gone,
}

/// The tasks that were sorted for peers that have left.
pub(crate) struct Sorted {
    /// Offloaded work that is never done, marked as failed.
    pub(crate) withdrawn: Vec<Task>,
    /// The number of pieces of offloaded work that were postponed for the first time.
    pub(crate) postponed: usize,
}

struct Shared {
    todo: WorkQueue<Task>,
    done: Mailbox<Task>,
    /// The clock to time calls with, if they are timed.
    elapsed: Option<Elapsed>,
}

impl Pool {
    /// Creates a pool of `workers`, none of which has started. They ring `bell` when tasks are
    /// done.
    pub(crate) fn new(workers: usize, elapsed: Option<Elapsed>, bell: &Doorbell) -> Pool {
        let shared = Shared { todo: WorkQueue::new(), done: Mailbox::new(bell), elapsed };
        Pool { shared: Arc::new(shared), crew: Crew::new(workers) }
    }

    /// Starts the workers before there are tasks: calls `start` with the number of each.
    ///
    /// # Errors
    ///
    /// Returns the system's error if it cannot start a single thread.
    pub(crate) fn start(
        &mut self,
        start: impl Fn(usize, Worker) -> io::Result<()>,
    ) -> io::Result<()> {
        let Pool { shared, crew } = self;
        crew.start_all(|number| start(number, Worker { shared: Arc::clone(shared) }))
    }

    /// Starts the missing workers, if the system has threads for them now. Returns the tasks that
    /// are given up because they have waited too long for a first worker.
    pub(crate) fn start_missing(
        &mut self,
        now: Now,
        start: impl Fn(usize, Worker) -> io::Result<()>,
    ) -> Vec<Task> {
        let Pool { shared, crew } = self;
        crew.start_missing(now, |number| start(number, Worker { shared: Arc::clone(shared) }));
        match crew.gives_up(now) {
            true => self.give_up(),
            false => Vec::new(),
        }
    }

    /// Takes the offloaded work back. Handlers stay: they are sent only to a pool that has started
    /// a worker.
    fn give_up(&self) -> Vec<Task> {
        let (mut given_up, mut kept) = (Vec::new(), Vec::new());
        for task in self.shared.todo.take_back() {
            match task {
                Task::Offloaded(offloaded) => {
                    let why = Close::failed(NO_THREAD);
                    given_up.push(Task::Offloaded(offloaded.give_up(why)));
                }
                Task::Job(job) => kept.push(Task::Job(job)),
            }
        }
        self.shared.todo.extend(kept);
        given_up
    }

    /// Returns the next time to call [`start_missing`](Self::start_missing), if tasks wait for a
    /// worker.
    pub(crate) fn retry_ms(&self) -> Option<u64> {
        self.crew.retry_ms().filter(|_| self.shared.todo.has_work())
    }

    /// Hands tasks to the workers. A connection has at most two at a time: a job and offloaded
    /// work.
    pub(crate) fn submit(&self, tasks: Vec<Task>) {
        self.shared.todo.extend(tasks);
    }

    /// Lets the tasks of others go first, as far as no worker has begun those of these connections,
    /// whose peers have left. Offloaded work of a peer that has gone is withdrawn. Calls stay,
    /// because they may have input that came before; those of `on_close` keep their place.
    pub(crate) fn sort(&self, left: &[(Id, Departure)]) -> Sorted {
        let mut departures = HashMap::with_capacity(left.len());
        for (id, departure) in left {
            let worst: &mut Departure = departures.entry(*id).or_insert(*departure);
            *worst = (*worst).max(*departure);
        }
        let mut postponed = 0;
        let fate = |task: &mut Task| match (departures.get(&task.id()), task) {
            (None, _) => Fate::Keep,
            (Some(Departure::Gone), Task::Offloaded(_)) => Fate::Withdraw,
            (Some(Departure::EndOfInput), Task::Offloaded(it)) => {
                postponed += usize::from(it.postpone());
                Fate::Sink(Rank::Late)
            }
            (Some(_), Task::Job(job)) if job.is_to_close() => Fate::Keep,
            (Some(Departure::EndOfInput), Task::Job(_)) => Fate::Sink(Rank::Late),
            (Some(Departure::Gone), Task::Job(_)) => Fate::Sink(Rank::Last),
        };
        let mark = |task| match task {
            Task::Offloaded(it) => Task::Offloaded(it.give_up(Close::Done)),
            Task::Job(job) => Task::Job(job),
        };
        let withdrawn = self.shared.todo.sort(fate).into_iter().map(mark).collect();
        Sorted { withdrawn, postponed }
    }

    /// Takes back the tasks that no worker has begun.
    pub(crate) fn take_back(&self) -> VecDeque<Task> {
        self.shared.todo.take_back()
    }

    /// Takes the tasks that are done.
    pub(crate) fn take_done(&self) -> VecDeque<Task> {
        self.shared.done.take_all()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let todo = self.shared.todo.close();
        let done = self.shared.done.close();
        for task in todo.into_iter().chain(done) {
            panics::drop_quietly(task);
        }
    }
}

impl Worker {
    /// Does tasks until the pool is dropped.
    pub(crate) fn work(self) {
        let mut rank = Rank::Last;
        while let Some(task) = self.shared.todo.next(&mut rank) {
            self.run(task);
        }
    }

    /// Returns true if a task waits for a worker.
    #[cfg(feature = "testkit")]
    pub(crate) fn has_work(&self) -> bool {
        self.shared.todo.has_work()
    }

    /// Takes the next task, if there is one.
    #[cfg(feature = "testkit")]
    pub(crate) fn begin(&self) -> Option<Task> {
        self.shared.todo.try_next()
    }

    /// Does a task and hands it back.
    pub(crate) fn run(&self, mut task: Task) {
        match self.shared.elapsed {
            Some(elapsed) => task.run_timed(elapsed),
            None => task.run(),
        }
        let sent = self.shared.done.send(task);
        // The server has ended.
        panics::drop_quietly(sent.map_err(Refused::into_message));
    }
}
