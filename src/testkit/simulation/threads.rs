//! The threads of a simulation: workers, workers for blocking handlers, and lookups of names. Each
//! does what it has at any time, and is done at any other. Knows no loop but by what it hands back.

use std::net::SocketAddr;

use super::kernel::{self, Kernel, Shared};
use super::share::Share;
use super::socket::MemoryStream;
use super::trace::What;
use crate::accept::PeerPermit;
use crate::close::Close;
use crate::exec::{Request, Task, Worker};
use crate::net::destination::Destination;
use crate::testkit::random::Random;

/// What threads have begun with.
#[derive(Default)]
pub(super) struct Threads {
    /// Each with its loop and its worker.
    tasks: Vec<(usize, usize, Task)>,
    requests: Vec<(usize, usize, Request<MemoryStream, Option<PeerPermit>>)>,
    /// Names looked up so far.
    count: u16,
}

impl Threads {
    /// Lets threads begin and be done. What happened is told by `note`.
    pub(super) fn work(
        &mut self,
        kernel: &Shared,
        random: &mut Random,
        share: Share,
        mut note: impl FnMut(What),
    ) {
        let count = kernel::lock(kernel).loops.len();
        for index in 0..count {
            self.begin(&mut kernel::lock(kernel), index, random, share);
        }
        while !self.tasks.is_empty() && share.takes(random) {
            let (index, worker, task) = self.tasks.remove(random.below(self.tasks.len()));
            let worker = kernel::lock(kernel).loops[index].workers[worker].clone();
            worker.run(task);
            note(What::Worker);
        }
        while !self.requests.is_empty() && share.takes(random) {
            let (index, worker, request) = self.requests.remove(random.below(self.requests.len()));
            let lingers = random.one_in(2);
            let worker = {
                let (worker, counters) =
                    &kernel::lock(kernel).loops[index].blocking_workers[worker];
                counters.close(&Close::Done);
                worker.clone()
            };
            worker.end(request, lingers);
            note(What::Waiter);
        }
        self.look_up(kernel, random, share, note);
    }

    /// Workers without a task take one, those of a loop that has ended too.
    fn begin(&mut self, kernel: &mut Kernel, index: usize, random: &mut Random, share: Share) {
        let state = &kernel.loops[index];
        for (number, worker) in state.workers.iter().enumerate() {
            let is_busy = self.tasks.iter().any(|(of, at, _)| (*of, *at) == (index, number));
            if !is_busy && share.takes(random) {
                self.tasks.extend(worker.begin().map(|task| (index, number, task)));
            }
        }
        for (number, (worker, _)) in state.blocking_workers.iter().enumerate() {
            let is_busy = self.requests.iter().any(|(of, at, _)| (*of, *at) == (index, number));
            if !is_busy && share.takes(random) {
                self.requests.extend(worker.begin().map(|request| (index, number, request)));
            }
        }
    }

    /// Answers lookups: with one address that stands for the name, a second one before it that
    /// leads elsewhere, or an error.
    fn look_up(
        &mut self,
        kernel: &Shared,
        random: &mut Random,
        share: Share,
        mut note: impl FnMut(What),
    ) {
        let count = kernel::lock(kernel).loops.len();
        for index in 0..count {
            loop {
                let mut shared = kernel::lock(kernel);
                let lookups = &mut shared.loops[index].lookups;
                if lookups.is_empty() || !share.takes(random) {
                    break;
                }
                let lookup = lookups.remove(random.below(lookups.len()));
                let (name, port) = lookup.question();
                self.count += 1;
                let address = SocketAddr::from(([198, 51, 100, 1], self.count));
                let name = Destination::Host { name: name.into(), port };
                shared.names.insert(address, name);
                drop(shared);
                note(What::LooksUp);
                lookup.answer(match random.below(8) {
                    0 if share == Share::Some => Err(std::io::ErrorKind::TimedOut.into()),
                    1 if share == Share::Some => Ok(Vec::new()),
                    _ => Ok(vec![address]),
                });
            }
        }
    }

    /// Whether a thread has something to do.
    pub(super) fn are_busy(&self, kernel: &Shared) -> bool {
        let kernel = kernel::lock(kernel);
        let is_asked = kernel.loops.iter().any(|state| {
            !state.lookups.is_empty()
                || state.workers.iter().any(Worker::has_work)
                || state.blocking_workers.iter().any(|(worker, _)| worker.has_work())
        });
        !self.tasks.is_empty() || !self.requests.is_empty() || is_asked
    }
}
