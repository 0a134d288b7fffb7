//! The threads of a simulation: workers, blocking workers, and name lookups. Each starts and
//! finishes its work at any time. Must not know loops.

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

/// Work in progress.
#[derive(Default)]
pub(super) struct Threads {
    /// Each with the indices of its loop and worker.
    tasks: Vec<(usize, usize, Task)>,
    requests: Vec<(usize, usize, Request<MemoryStream, Option<PeerPermit>>)>,
    /// The number of names looked up.
    count: u16,
}

impl Threads {
    /// Lets threads start and finish work. `note` records it.
    pub(super) fn work(
        &mut self,
        kernel: &Shared,
        random: &mut Random,
        share: Share,
        is_calm: bool,
        mut note: impl FnMut(What),
    ) {
        let count = kernel::lock(kernel).loops.len();
        for index in 0..count {
            kernel::lock(kernel).loops[index].slow_down(random, is_calm);
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

    /// Gives work to idle workers, including those of a loop that has ended.
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

    /// Answers lookups with a unique address for the name, or with an error or no address.
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

    /// Returns true if a thread has work.
    pub(super) fn are_busy(&self, kernel: &Shared, is_calm: bool) -> bool {
        let kernel = kernel::lock(kernel);
        let is_asked = kernel.loops.iter().any(|state| {
            !state.lookups.is_empty()
                || is_calm && !state.slow_lookups.is_empty()
                || state.workers.iter().any(Worker::has_work)
                || state.blocking_workers.iter().any(|(worker, _)| worker.has_work())
        });
        !self.tasks.is_empty() || !self.requests.is_empty() || is_asked
    }
}
