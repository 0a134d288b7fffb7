//! The worker pool: workers take tasks, do them and hand them back. Knows tasks and the doorbell of
//! the loop; no connection, no socket, and no thread: whose a worker is, the system says.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Task;
use super::queue::WorkQueue;
use crate::clock::Elapsed;
use crate::mailbox::{Doorbell, Mailbox, Refused};
use crate::panics;

/// Some workers. They end when it is dropped; one that is in the middle of a task ends after it,
/// and nothing waits for that.
pub(crate) struct Pool {
    shared: Arc<Shared>,
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
    /// A pool without workers. They will ring `bell` when tasks are done.
    pub(crate) fn new(elapsed: Option<Elapsed>, bell: &Doorbell) -> Pool {
        let shared = Shared { todo: WorkQueue::new(), done: Mailbox::new(bell), elapsed };
        Pool { shared: Arc::new(shared) }
    }

    /// Returns one more worker.
    pub(crate) fn worker(&self) -> Worker {
        Worker { shared: Arc::clone(&self.shared) }
    }

    /// Hands tasks to the workers. There are never more than two for each connection: a job and
    /// an errand.
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
    pub(crate) fn has_work(&self) -> bool {
        self.shared.todo.has_work()
    }

    /// Takes the next task, if there is one.
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
