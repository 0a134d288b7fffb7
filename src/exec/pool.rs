//! The worker pool: threads that take tasks, do them and hand them back. Knows tasks and the
//! doorbell of the loop; no connection and no socket.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread;

use super::Task;
use super::queue::WorkQueue;
use crate::mailbox::{Doorbell, Mailbox, Refused};
use crate::metrics::stopwatch::Elapsed;
use crate::panics;

/// A fixed number of workers. They end when it is dropped; one that is in the middle of a task ends
/// after it, and nothing waits for that.
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    todo: WorkQueue<Task>,
    done: Mailbox<Task>,
    /// To time calls by, if that is wanted.
    elapsed: Option<Elapsed>,
}

impl Pool {
    /// Starts `workers` threads. They ring `bell` when tasks are done.
    ///
    /// # Errors
    ///
    /// The system's, if it has no thread for a worker.
    pub(crate) fn start(
        workers: usize,
        elapsed: Option<Elapsed>,
        bell: &Doorbell,
    ) -> io::Result<Pool> {
        let shared = Shared { todo: WorkQueue::new(), done: Mailbox::new(bell), elapsed };
        let pool = Pool { shared: Arc::new(shared) };
        for number in 0..workers {
            let shared = Arc::clone(&pool.shared);
            let name = format!("worker-{number}");
            thread::Builder::new().name(name).spawn(move || shared.work())?;
        }
        Ok(pool)
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

impl Shared {
    fn work(&self) {
        while let Some(mut task) = self.todo.next() {
            match &self.elapsed {
                Some(elapsed) => task.run_timed(elapsed),
                None => task.run(),
            }
            let sent = self.done.send(task);
            // The server has ended.
            panics::drop_quietly(sent.map_err(Refused::into_message));
        }
    }
}
