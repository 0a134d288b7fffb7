//! The worker pool: workers take tasks, do them and hand them back. Knows tasks and the doorbell of
//! the loop; no connection, no socket, and no thread: whose a worker is, the system says.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::crew::Crew;
use super::job::Task;
use super::queue::WorkQueue;
use crate::clock::Elapsed;
use crate::close::Close;
use crate::mailbox::{Doorbell, Mailbox, Refused};
use crate::now::Now;
use crate::panics;

/// Why work that was offloaded fails when the system has no thread for it, and has not had one for
/// long.
pub(crate) const NO_THREAD: &str = "no thread for offloaded work";

/// Some workers. They end when it is dropped; one that is in the middle of a task ends after it,
/// and nothing waits for that.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    crew: Crew,
}

/// One worker of a pool.
#[derive(Clone)]
pub(crate) struct Worker {
    shared: Arc<Shared>,
}

struct Shared {
    todo: WorkQueue<Task>,
    done: Mailbox<Task>,
    /// To time calls by, if that is wanted.
    elapsed: Option<Elapsed>,
}

impl Pool {
    /// A pool of `workers`, none of which has started. They will ring `bell` when tasks are done.
    pub(crate) fn new(workers: usize, elapsed: Option<Elapsed>, bell: &Doorbell) -> Pool {
        let shared = Shared { todo: WorkQueue::new(), done: Mailbox::new(bell), elapsed };
        Pool { shared: Arc::new(shared), crew: Crew::new(workers) }
    }

    /// Has the workers started before there are tasks, by `start`, which gets their numbers.
    ///
    /// # Errors
    ///
    /// The system's, if it has no thread for any of them.
    pub(crate) fn start(
        &mut self,
        start: impl Fn(usize, Worker) -> io::Result<()>,
    ) -> io::Result<()> {
        let Pool { shared, crew } = self;
        crew.start_all(|number| start(number, Worker { shared: Arc::clone(shared) }))
    }

    /// Has workers started that lack, if the system may have threads for them now. Returns tasks
    /// that were given up: there is no worker, and has not been for long.
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

    /// Takes back the work that was offloaded. Handlers, which come only to a pool that was started
    /// with a worker, stay.
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

    /// Returns when to call [`start_missing`](Self::start_missing) again, if tasks wait for it.
    pub(crate) fn retry_ms(&self) -> Option<u64> {
        self.crew.retry_ms().filter(|_| self.shared.todo.has_work())
    }

    /// Hands tasks to the workers. There are never more than two for each connection: a job and
    /// offloaded work.
    pub(crate) fn submit(&self, tasks: Vec<Task>) {
        self.shared.todo.extend(tasks);
    }

    /// Takes back the tasks that no worker has begun with.
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
        while let Some(task) = self.shared.todo.next() {
            self.run(task);
        }
    }

    /// Returns true if a task waits.
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
