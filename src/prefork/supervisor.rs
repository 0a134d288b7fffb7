//! The supervisor: keeps as many workers as it should have, and stops them in good order. Serves
//! nobody itself.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;
use std::{env, io};

use super::worker::Worker;
use crate::clock::Clock;
use crate::now::{Now, millis};
use crate::reactor::{Poller, StopRequest};

/// A worker that lived for less died young: what killed it may kill the next one, too.
const YOUNG_MS: u64 = 5_000;
/// Who follows one that died young starts at once the first time, then after this, doubled each
/// time up to a limit.
const BACK_OFF_MS: u64 = 125;
const BACK_OFF_MAX_MS: u64 = 8_000;
/// Workers heed [`Limits::drain`](crate::Limits::drain) themselves; who has not ended so much
/// later is killed.
const GRACE_MS: u64 = 1_000;

/// A bound socket that workers share.
pub(crate) trait SharedSocket: AsFd {
    /// Lets no more peers connect, if the system can: for all that share it.
    fn refuse_new(&self);
}

pub(crate) struct Supervisor<S> {
    poller: Poller,
    clock: Clock,
    now: Now,
    program: PathBuf,
    /// Bound; every worker has copies. None from the moment on that it is stopping.
    sockets: Vec<S>,
    slots: Vec<Slot>,
    drain: Duration,
    /// What the workers were told.
    told: StopRequest,
    /// When those who are still there are killed.
    kill_ms: Option<u64>,
}

/// Room for one worker.
enum Slot {
    Runs(Worker, BackOff),
    /// A worker starts at this time.
    Waits {
        until_ms: u64,
        back_off: BackOff,
    },
    /// Its worker has ended, and the server is stopping.
    Empty,
}

impl Slot {
    /// Whether its worker has ended, and nobody has taken note of it.
    fn has_ended(&mut self) -> bool {
        match self {
            Slot::Runs(worker, _) => worker.ended().is_some(),
            Slot::Waits { .. } | Slot::Empty => false,
        }
    }
}

/// How long the next worker waits if this one dies young.
#[derive(Clone, Copy)]
struct BackOff {
    next_ms: u64,
}

impl BackOff {
    const NONE: BackOff = BackOff { next_ms: 0 };

    /// How long to wait now, and what comes after that.
    fn step(self) -> (u64, BackOff) {
        let next_ms = (self.next_ms * 2).clamp(BACK_OFF_MS, BACK_OFF_MAX_MS);
        (self.next_ms, BackOff { next_ms })
    }
}

impl<S: SharedSocket> Supervisor<S> {
    /// A supervisor of so many workers, which serve what comes to `sockets`.
    ///
    /// # Errors
    ///
    /// The system's, if it does not know which program this is.
    pub(crate) fn new(
        poller: Poller,
        sockets: Vec<S>,
        workers: usize,
        drain: Duration,
    ) -> io::Result<Supervisor<S>> {
        let program = env::current_exe()?;
        poller.refuse_commands();
        let mut clock = Clock::start();
        let now = clock.read();
        let slot = |_| Slot::Waits { until_ms: 0, back_off: BackOff::NONE };
        let slots = (0..workers).map(slot).collect();
        let (told, kill_ms) = (StopRequest::None, None);
        Ok(Supervisor { poller, clock, now, program, sockets, slots, drain, told, kill_ms })
    }

    /// Runs until it is told to stop and the last worker has ended.
    ///
    /// # Errors
    ///
    /// The poller failed. The workers then drain, because the channels to them close.
    pub(crate) fn run(mut self) -> io::Result<()> {
        loop {
            self.now = self.clock.read();
            self.heed();
            if self.slots.iter_mut().any(Slot::has_ended) {
                // Perhaps for a signal that went to all: then ours has come as well.
                self.poller.wait(Some(Duration::ZERO))?;
                self.heed();
            }
            self.reap();
            self.start();
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
        let due_ms = starts.chain(self.kill_ms).min()?;
        Some(Duration::from_millis(due_ms).saturating_sub(self.now.elapsed()))
    }

    /// Does what signals and other threads asked for.
    fn heed(&mut self) {
        let wish = self.poller.stop_request();
        if wish <= self.told {
            return;
        }
        self.told = wish;
        // First of all: connections are now accepted by a worker or refused. A worker empties the
        // queue of a listener before it closes its copy, and the last copy closes the queue.
        self.sockets.iter().for_each(SharedSocket::refuse_new);
        self.sockets.clear();
        let wait_ms = match wish {
            StopRequest::None | StopRequest::Drain => millis(self.drain),
            StopRequest::Abort => 0,
        };
        self.kill_ms = Some(self.now.millis().saturating_add(wait_ms).saturating_add(GRACE_MS));
        let mut count = 0;
        for slot in &mut self.slots {
            match slot {
                Slot::Runs(worker, _) => {
                    worker.notify(wish);
                    count += 1;
                }
                Slot::Waits { .. } | Slot::Empty => *slot = Slot::Empty,
            }
        }
        log::info!("stopping: {count} worker processes to end");
    }

    /// Takes note of workers that have ended.
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
                StopRequest::Drain | StopRequest::Abort => {
                    log::debug!("worker process {id} ended ({})", told(&status));
                    Slot::Empty
                }
            };
        }
    }

    /// Starts the workers that are due.
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
                    Slot::Runs(worker, back_off)
                }
                Err(error) => {
                    let (wait_ms, back_off) = back_off.step();
                    log::error!(
                        "no worker process ({}): {error}; trying again in {wait_ms} ms",
                        self.program.display()
                    );
                    Slot::Waits { until_ms: now_ms + wait_ms, back_off }
                }
            };
        }
    }

    /// Kills those who had time enough to end.
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
