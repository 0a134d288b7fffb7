//! The supervisor: keeps the configured number of workers running, and stops them in order. Serves
//! no connections itself.

use std::io;
use std::os::fd::AsFd;
use std::process::ExitStatus;
use std::time::Duration;

use super::program::Program;
use super::worker::Worker;
use crate::clock::Clock;
use crate::limits::Limits;
use crate::now::{Now, millis};
use crate::reactor::{Poller, StopRequest};

/// A worker that ends sooner has failed early: its replacement may fail for the same reason.
const YOUNG_MS: u64 = 5_000;
/// The delay before a worker that failed early is replaced: none the first time, then this, doubled
/// each time up to a limit.
const BACK_OFF_MS: u64 = 125;
const BACK_OFF_MAX_MS: u64 = 8_000;
/// Workers observe [`Limits::drain`](crate::Limits::drain) themselves. One that has not ended this
/// much later is killed.
const GRACE_MS: u64 = 1_000;
/// If no worker runs and none could be started for this long, the server ends: its clients would
/// wait in the queue for ever.
const GIVE_UP_MS: u64 = 30_000;

/// A bound socket shared by all workers.
pub(crate) trait SharedSocket: AsFd {
    /// Makes the socket refuse new peers, if the system can, for all processes that share it.
    fn refuse_new(&self);
}

pub(crate) struct Supervisor<S> {
    poller: Poller,
    clock: Clock,
    now: Now,
    program: Program,
    /// The bound sockets, of which every worker has copies. Empty once the supervisor is stopping.
    sockets: Vec<S>,
    slots: Vec<Slot>,
    /// Set while workers cannot be started.
    lack: Option<Lack>,
    drain_delay: Duration,
    drain: Duration,
    /// The last order given to the workers.
    told: StopRequest,
    /// The end of the drain delay.
    leave_ms: Option<u64>,
    /// The time to kill the remaining workers.
    kill_ms: Option<u64>,
}

/// The place of one worker.
enum Slot {
    Runs(Worker, BackOff),
    /// A worker starts at the given time.
    Waits {
        until_ms: u64,
        back_off: BackOff,
    },
    /// The worker has ended, and the server is stopping.
    Empty,
}

/// The reason why workers cannot be started, and the time of the first attempt.
struct Lack {
    since_ms: u64,
    error: io::Error,
}

impl Slot {
    /// Returns true if the worker has ended and has not been reaped.
    fn has_ended(&mut self) -> bool {
        match self {
            Slot::Runs(worker, _) => worker.ended().is_some(),
            Slot::Waits { .. } | Slot::Empty => false,
        }
    }
}

/// The delay before the next worker starts if this one fails early.
#[derive(Clone, Copy)]
struct BackOff {
    next_ms: u64,
}

impl BackOff {
    const NONE: BackOff = BackOff { next_ms: 0 };

    /// Returns the delay for now, and the following one.
    fn step(self) -> (u64, BackOff) {
        let next_ms = (self.next_ms * 2).clamp(BACK_OFF_MS, BACK_OFF_MAX_MS);
        (self.next_ms, BackOff { next_ms })
    }
}

impl<S: SharedSocket> Supervisor<S> {
    /// Creates a supervisor of `workers` workers, which serve connections to `sockets`.
    ///
    /// # Errors
    ///
    /// Returns the system's error if it cannot name the current program.
    pub(crate) fn new(
        poller: Poller,
        sockets: Vec<S>,
        workers: usize,
        limits: &Limits,
    ) -> io::Result<Supervisor<S>> {
        let program = Program::current()?;
        poller.refuse_commands();
        let mut clock = Clock::start();
        let now = clock.read();
        let slot = |_| Slot::Waits { until_ms: 0, back_off: BackOff::NONE };
        let slots = (0..workers).map(slot).collect();
        let Limits { drain_delay, drain, .. } = *limits;
        Ok(Supervisor {
            poller,
            clock,
            now,
            program,
            sockets,
            slots,
            lack: None,
            drain_delay,
            drain,
            told: StopRequest::None,
            leave_ms: None,
            kill_ms: None,
        })
    }

    /// Runs until the server is stopped and the last worker has ended.
    ///
    /// # Errors
    ///
    /// Returns the error of the poller: the channels then close, so the workers drain. Returns that
    /// of the system if no worker could be started for [`GIVE_UP_MS`].
    pub(crate) fn run(mut self) -> io::Result<()> {
        loop {
            self.now = self.clock.read();
            self.heed();
            if self.slots.iter_mut().any(Slot::has_ended) {
                // The cause may be a signal sent to the whole process group: read our own copy of
                // it.
                self.poller.wait(Some(Duration::ZERO))?;
                self.heed();
            }
            self.reap();
            self.start();
            self.give_up()?;
            self.kill();
            if self.slots.iter().all(|slot| matches!(slot, Slot::Empty)) {
                return Ok(());
            }
            self.poller.wait(self.timeout())?;
        }
    }

    fn timeout(&self) -> Option<Duration> {
        let starts = self.slots.iter().filter_map(|slot| match slot {
            Slot::Waits { until_ms, .. } => Some(*until_ms),
            Slot::Runs(..) | Slot::Empty => None,
        });
        let due_ms = starts.chain(self.leave_ms).chain(self.kill_ms).min()?;
        Some(Duration::from_millis(due_ms).saturating_sub(self.now.elapsed()))
    }

    /// Handles signals and requests of other threads.
    fn heed(&mut self) {
        let now_ms = self.now.millis();
        let wish = match (self.poller.stop_request(), self.leave_ms) {
            (StopRequest::Stop, None) if self.drain_delay.is_zero() => StopRequest::Drain,
            (StopRequest::Stop, Some(leave_ms)) if leave_ms <= now_ms => StopRequest::Drain,
            (wish, _) => wish,
        };
        if wish <= self.told {
            return;
        }
        self.told = wish;
        if wish == StopRequest::Stop {
            self.leave_ms = Some(now_ms.saturating_add(millis(self.drain_delay)));
            let count = self.notify(wish);
            let seconds = self.drain_delay.as_secs_f64();
            log::info!("stopping in {seconds} s: {count} worker processes");
            return;
        }
        self.leave_ms = None;
        // Refuse first: from now on a connection is accepted by a worker or refused. A worker
        // empties the queue of a listener before it closes its copy, and the last copy closes the
        // queue.
        self.sockets.iter().for_each(SharedSocket::refuse_new);
        self.sockets.clear();
        let wait_ms = match wish {
            StopRequest::Abort => 0,
            _ => millis(self.drain),
        };
        self.kill_ms = Some(now_ms.saturating_add(wait_ms).saturating_add(GRACE_MS));
        let count = self.notify(wish);
        log::info!("stopping: {count} worker processes to end");
    }

    /// Passes on a request to all workers, and returns their number. No further one starts.
    fn notify(&mut self, wish: StopRequest) -> usize {
        let (mut count, order) = (0, self.poller.order(wish));
        for slot in &mut self.slots {
            match slot {
                Slot::Runs(worker, _) => {
                    worker.notify(order);
                    count += 1;
                }
                Slot::Waits { .. } | Slot::Empty => *slot = Slot::Empty,
            }
        }
        count
    }

    /// Reaps workers that have ended.
    fn reap(&mut self) {
        for slot in &mut self.slots {
            let Slot::Runs(worker, back_off) = slot else { continue };
            let Some(status) = worker.ended() else { continue };
            let id = worker.id();
            *slot = match self.told {
                StopRequest::None => {
                    let lived_ms = self.now.millis().saturating_sub(worker.started_ms);
                    let back_off = if lived_ms < YOUNG_MS { *back_off } else { BackOff::NONE };
                    let (wait_ms, back_off) = back_off.step();
                    log::warn!(
                        "worker process {id} ended ({}): another one starts in {wait_ms} ms",
                        told(&status)
                    );
                    Slot::Waits { until_ms: self.now.millis() + wait_ms, back_off }
                }
                StopRequest::Stop | StopRequest::Drain | StopRequest::Abort => {
                    log::debug!("worker process {id} ended ({})", told(&status));
                    Slot::Empty
                }
            };
        }
    }

    /// Starts the workers whose start time has come.
    fn start(&mut self) {
        for slot in &mut self.slots {
            let Slot::Waits { until_ms, back_off } = *slot else { continue };
            if until_ms > self.now.millis() {
                continue;
            }
            let now_ms = self.now.millis();
            *slot = match Worker::start(&self.program, &self.sockets, &self.poller, now_ms) {
                Ok(worker) => {
                    log::info!("worker process {} started", worker.id());
                    self.lack = None;
                    Slot::Runs(worker, back_off)
                }
                Err(error) => {
                    let (wait_ms, back_off) = back_off.step();
                    log::error!(
                        "cannot start a worker process ({}): {error}; trying again in {wait_ms} ms",
                        self.program.path().display()
                    );
                    let since_ms = self.lack.take().map_or(now_ms, |lack| lack.since_ms);
                    self.lack = Some(Lack { since_ms, error });
                    Slot::Waits { until_ms: now_ms + wait_ms, back_off }
                }
            };
        }
    }

    /// Ends the server if it has no worker and could not start one for long. Its sockets close, so
    /// clients are refused, and a service manager sees an error.
    fn give_up(&mut self) -> io::Result<()> {
        let runs = self.slots.iter().any(|slot| matches!(slot, Slot::Runs(..)));
        let is_long = |lack: &mut Lack| lack.since_ms + GIVE_UP_MS <= self.now.millis();
        match self.lack.take_if(|lack| !runs && is_long(lack)) {
            None => Ok(()),
            Some(Lack { error, .. }) => {
                let seconds = GIVE_UP_MS / 1_000;
                let text = format!("no worker process could be started for {seconds} s: {error}");
                Err(io::Error::new(error.kind(), text))
            }
        }
    }

    /// Kills the workers that have not ended in time.
    fn kill(&mut self) {
        if self.kill_ms.is_none_or(|kill_ms| kill_ms > self.now.millis()) {
            return;
        }
        self.kill_ms = None;
        for slot in &mut self.slots {
            if let Slot::Runs(worker, _) = slot {
                log::warn!("worker process {} did not end in time: killed", worker.id());
                worker.kill();
            }
        }
    }
}

fn told(status: &io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}
