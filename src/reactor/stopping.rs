//! How a server ends: in good order, at once, or when its time to stop has passed. A part of
//! [`Reactor`].

use super::Reactor;
use super::group::Member;
use super::remote::Wish;
use crate::close::Close;
use crate::exec::{RequestPool, Task};
use crate::{now, panics};

/// How far a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    /// No listener is open; connections end one by one, the rest at this time.
    Draining {
        until_ms: u64,
    },
}

impl Phase {
    /// When connections are not waited for any more.
    pub(super) fn until_ms(self) -> Option<u64> {
        match self {
            Phase::Serving => None,
            Phase::Draining { until_ms } => Some(until_ms),
        }
    }
}

impl Reactor {
    pub(super) fn start_draining(&mut self) {
        self.doors.begin_last(self.now);
        self.admit_all();
        self.park_all();
        self.doors.make_due();
        self.admit_held();
        self.doors.close();
        self.pass_on(Wish::Drain);
        self.letterboxes.stop(self.now, self.hub.instruments());
        log::info!("stopping: {} connections to end", self.len() + self.parked.len());
        self.hub.stop();
        if let Some(pool) = &self.requests {
            pool.stop();
        }
        let until_ms = self.now.millis().saturating_add(now::millis(self.limits.drain));
        self.phase = Phase::Draining { until_ms };
    }

    /// Ends without waiting for anybody.
    pub(super) fn stop_now(&mut self) {
        self.doors.close();
        self.parked.clear();
        self.pass_on(Wish::Abort);
        self.letterboxes.close();
        self.abort();
        self.phase = Phase::Draining { until_ms: 0 };
    }

    pub(super) fn is_over(&mut self) -> bool {
        if let Phase::Draining { until_ms } = self.phase {
            if self.len() > 0 && until_ms <= self.now.millis() {
                let cut = self.len() + self.parked.len();
                self.abort();
                log::warn!("stopped: {cut} connections did not end in time");
                // A handler may still be with a worker that blocks: nobody waits for it.
                return true;
            }
        }
        let is_serving = self.phase == Phase::Serving;
        if self.member.as_ref().is_some_and(|member| member.must_stay(is_serving)) {
            return false;
        }
        // Without listeners there will never be another one.
        self.doors.is_empty()
            && self.letterboxes.is_empty()
            && self.len() == 0
            && self.parked.is_empty()
            // Who has told something to one that has ended is to hear of that.
            && !self.hub.has_mail()
            && self.member.as_ref().is_none_or(Member::may_leave)
    }

    fn pass_on(&self, wish: Wish) {
        if let Some(member) = &self.member {
            member.pass_on(wish);
        }
    }

    /// Ends everything that is no listener and no datagram socket.
    fn abort(&mut self) {
        self.connector.abort();
        // Whoever is with a worker that has not begun, or is done, is here again.
        for task in self.pool.iter().flat_map(|pool| {
            let done = pool.take_done();
            pool.take_back().into_iter().chain(done)
        }) {
            match task {
                Task::Job(job) => self.hub.recover(job),
                Task::Errand(errand) => panics::drop_quietly(errand),
            }
        }
        self.hub.abort();
        // Whose handler is here is told the end here: no worker is waited for any more.
        for mut task in self.hub.take_tasks() {
            // Work that was offloaded may block, and nobody is left to hear of it.
            match task {
                Task::Job(_) => task.run(),
                Task::Errand(errand) => panics::drop_quietly(errand),
            }
        }
        let waiting = self.requests.as_mut().map_or(0, RequestPool::abort);
        let (counters, _) = self.hub.instruments();
        (0..waiting).for_each(|_| counters.close(&Close::Stopping));
    }
}
