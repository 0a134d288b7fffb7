//! The worker pool: threads that take tasks, do them and hand them back. Knows tasks and how to
//! say that some are done; no connection and no socket.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::Task;
use crate::clock::Elapsed;

/// A fixed number of workers. They end when it is dropped; one that is in the middle of a task ends
/// after it, and nobody waits for that.
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    todo: Mutex<Todo>,
    /// There is something to do, or nothing ever will be.
    news: Condvar,
    done: Mutex<Vec<Task>>,
    /// To time calls by, if that is wanted.
    elapsed: Option<Elapsed>,
    /// Says that `done` is no longer empty.
    wake: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Todo {
    tasks: VecDeque<Task>,
    idle: usize,
    closed: bool,
}

/// Nothing that is done under these locks can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// Starts `workers` threads. `wake` is called by them, when the first of some tasks is done.
    ///
    /// # Errors
    ///
    /// The system's, if it has no thread for a worker.
    pub(crate) fn start(
        workers: usize,
        elapsed: Option<Elapsed>,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<Pool> {
        let shared = Arc::new(Shared {
            todo: Mutex::default(),
            news: Condvar::new(),
            done: Mutex::default(),
            elapsed,
            wake: Box::new(wake),
        });
        let pool = Pool { shared };
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
        let count = tasks.len();
        let mut todo = lock(&self.shared.todo);
        todo.tasks.extend(tasks);
        let sleeping = todo.idle.min(count);
        drop(todo);
        for _ in 0..sleeping {
            self.shared.news.notify_one();
        }
    }

    /// Takes back the tasks that no worker has begun with.
    pub(crate) fn take_back(&self) -> Vec<Task> {
        std::mem::take(&mut lock(&self.shared.todo).tasks).into()
    }

    /// Takes the tasks that are done.
    pub(crate) fn take_done(&self) -> Vec<Task> {
        std::mem::take(&mut *lock(&self.shared.done))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut todo = lock(&self.shared.todo);
        todo.closed = true;
        let tasks = std::mem::take(&mut todo.tasks);
        drop(todo);
        self.shared.news.notify_all();
        crate::panics::drop_quietly(tasks);
    }
}

impl Shared {
    fn work(&self) {
        while let Some(mut task) = self.next() {
            match self.elapsed {
                Some(elapsed) => task.run_timed(elapsed),
                None => task.run(),
            }
            let mut done = lock(&self.done);
            done.push(task);
            let is_first = done.len() == 1;
            drop(done);
            if is_first {
                (self.wake)();
            }
        }
    }

    fn next(&self) -> Option<Task> {
        let mut todo = lock(&self.todo);
        loop {
            if let Some(task) = todo.tasks.pop_front() {
                return Some(task);
            }
            if todo.closed {
                return None;
            }
            todo.idle += 1;
            todo = self.news.wait(todo).unwrap_or_else(PoisonError::into_inner);
            todo.idle -= 1;
        }
    }
}
