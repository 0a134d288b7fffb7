//! The event loop: polls, marks events, runs its parts and the hub, and ends. Must not know any
//! protocol, the work of handlers, or the system.

use std::io;
use std::time::Duration;

use super::admission::Admission;
use super::commands::Commands;
use super::connect::Connector;
use super::core::{Core, Phase};
use super::datagrams::DatagramEndpoints;
use super::handle::StopRequest;
use super::part::Part;
use super::shard::ShardMail;
use super::source::Source;
use super::system::System;
use super::workers::Workers;
use crate::hub::Readiness;
use crate::now::{self, NANOS_PER_MS};

/// A loop that is this late may have been suspended: it polls again before any deadline expires.
const LATE_NANOS: u64 = 20 * NANOS_PER_MS;

/// The most sources of events other than connections: listeners, threads, signals.
const OTHER_SOURCES: usize = 64;

pub(crate) struct Reactor<'s, S: System> {
    pub(super) core: Core<S>,
    pub(super) parts: Parts<'s, S>,
    /// The earliest deadline of a part; 0 if a part has events.
    pub(super) parts_due_ms: u64,
    /// Set while the loop may get new connections or datagrams: it does not end before a stop.
    pub(super) is_serving: bool,
    /// The number of events taken in one turn.
    pub(super) batch: usize,
    /// The number of turns in a row that have seen only some of the events.
    pub(super) partial_turns: usize,
    /// The longest delay of a turn after its deadline, in nanoseconds.
    pub(super) longest_lag: u64,
}

/// The parts of a loop.
pub(super) struct Parts<'s, S: System> {
    pub(super) connector: Connector<S::Socket>,
    pub(super) admission: Admission<'s, S>,
    pub(super) datagrams: DatagramEndpoints<S::DatagramSocket>,
    pub(super) workers: Workers,
    pub(super) commands: Commands,
    pub(super) shard_mail: ShardMail,
}

impl<S: System> Parts<'_, S> {
    /// All parts, in the order of their turns. This is the only list of them.
    fn all(&mut self) -> [&mut dyn Part<S>; 6] {
        [
            // First: a failed connection makes room for one that waits.
            &mut self.connector,
            &mut self.admission,
            &mut self.datagrams,
            &mut self.workers,
            &mut self.commands,
            // Last: it sends the messages left by the parts before it, and decides on the end.
            &mut self.shard_mail,
        ]
    }
}

impl<S: System> Reactor<'_, S> {
    /// Runs until the server is stopped and the last connection has ended.
    ///
    /// # Errors
    ///
    /// If the poller fails; a peer cannot cause that.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = S::events(self.batch);
        // Check before the first wait, too: without listeners an event may never come.
        while !self.is_over() {
            self.turn(&mut events)?;
        }
        Ok(())
    }

    /// Runs one turn.
    ///
    /// # Errors
    ///
    /// As for [`run`](Reactor::run).
    pub(crate) fn turn(&mut self, events: &mut S::Events) -> io::Result<()> {
        self.wait(events)?;
        // The bell is checked before its event arrives: a message that another loop sent before a
        // client learned of it is processed before the reply of that client.
        let parts_have_news = self.parts_due_ms <= self.core.now.millis()
            || self.core.system.handle().bell().is_rung();
        if parts_have_news {
            self.turn_parts();
        }
        let before = self.core.hub.len();
        self.core.hub.turn();
        self.core.have_ended = self.core.hub.len() < before;
        if parts_have_news || self.core.has_left_something() {
            self.each_part(|part, core| part.take_from_hub(core));
            self.parts_due_ms = self.parts_due();
        } else if self.parts.commands.are_stalled() {
            self.parts_due_ms = self.parts_due();
        }
        Ok(())
    }

    /// Returns the time at which a turn is due without an event, in milliseconds. The time is in
    /// the past if work is left.
    pub(crate) fn due_ms(&mut self) -> Option<u64> {
        let parts = Some(self.parts_due_ms).filter(|due_ms| *due_ms < u64::MAX);
        let parts_and_hub = match (parts, self.core.hub.next_ms()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        match self.core.phase.until_ms() {
            // Without connections and messages the drain deadline is moot.
            Some(until_ms) if self.core.len() > 0 || self.core.hub.is_sending() => {
                Some(parts_and_hub.map_or(until_ms, |due_ms| due_ms.min(until_ms)))
            }
            _ => parts_and_hub,
        }
    }

    /// Waits for events and marks them.
    fn wait(&mut self, events: &mut S::Events) -> io::Result<()> {
        let due = self.due_ms().map(|due_ms| due_ms.saturating_mul(NANOS_PER_MS));
        let before = self.core.now.nanos();
        let timeout = due.map(|due| Duration::from_nanos(due.saturating_sub(before)));
        let is_interrupted = match self.core.system.poll(events, timeout) {
            Ok(()) => false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
            Err(error) => return Err(error),
        };
        self.core.now = self.core.system.now();
        let now = self.core.now.nanos();
        self.core.hub.note_time(self.core.now);
        self.core.hub.instruments().1.start(now);
        let mut count = 0;
        for (source, readiness) in S::each(events) {
            self.note(source, readiness);
            count += 1;
        }
        // The work cannot have been due before the last turn began.
        let lag = due.map_or(0, |due| now.saturating_sub(due.max(before)));
        if lag > self.longest_lag {
            self.longest_lag = lag;
            self.core.counters().longest_lag.note(Duration::from_nanos(lag));
        }
        let is_blind = is_interrupted || count == self.batch;
        let is_late = lag > LATE_NANOS;
        if is_blind || is_late || self.partial_turns > 0 {
            self.postpone_expiry(is_blind, is_late);
        }
        Ok(())
    }

    fn note(&mut self, source: Source, readiness: Readiness) {
        match source {
            Source::Connection(id) => return self.core.hub.note(id, readiness),
            Source::Listener(index) => self.parts.admission.note(index),
            Source::Datagram(index) => self.parts.datagrams.note(index, readiness),
            Source::Dial(key) => {
                at_work(&mut self.parts.connector, &mut self.core, |part, core| {
                    part.note(key, core);
                });
            }
            Source::Waker => {}
            Source::Signals | Source::Supervisor => self.core.system.heed(source),
        }
        self.parts_due_ms = 0;
    }

    /// Puts off deadlines until pending events have been seen. An endless stream of events does not
    /// put them off forever: the number of turns that show an event of every connection is enough.
    #[cold]
    fn postpone_expiry(&mut self, is_blind: bool, is_late: bool) {
        let enough = match (is_blind, is_late) {
            (true, _) => turns_to_see_all(self.core.len(), self.batch),
            (false, true) => 1,
            (false, false) => 0,
        };
        self.core.has_unseen_events = self.partial_turns < enough;
        match self.core.has_unseen_events {
            true => {
                self.partial_turns += 1;
                self.core.hub.postpone_expiry();
            }
            false => self.partial_turns = 0,
        }
    }

    fn turn_parts(&mut self) {
        // Before the requests are read: a later one rings again.
        self.core.system.handle().bell().answer();
        // Before the mail: a stop request comes after all connections for this loop.
        let request = self.core.system.handle().stop_request();
        self.each_part(|part, core| part.turn(core));
        let now_ms = self.core.now.millis();
        match (request, self.core.phase) {
            (StopRequest::None, _) | (_, Phase::Aborted) => {}
            (StopRequest::Abort, _) => self.stop_now(),
            (_, Phase::Draining { .. }) => {}
            (StopRequest::Stop, Phase::Serving) if !self.core.limits.drain_delay.is_zero() => {
                self.leave();
            }
            (StopRequest::Stop, Phase::Leaving { until_ms }) if until_ms > now_ms => {}
            (StopRequest::Stop | StopRequest::Drain, _) => self.stop(),
        }
    }

    fn each_part(&mut self, mut call: impl FnMut(&mut dyn Part<S>, &mut Core<S>)) {
        for part in self.parts.all() {
            at_work(part, &mut self.core, |part, core| call(part, core));
        }
    }

    fn parts_due(&mut self) -> u64 {
        let mut due_ms = match self.core.phase {
            Phase::Leaving { until_ms } => until_ms,
            _ => u64::MAX,
        };
        self.each_part(|part, core| {
            due_ms = part.due_ms(core).map_or(due_ms, |part_ms| part_ms.min(due_ms));
        });
        due_ms
    }

    /// Stops later, so that others can learn of it first.
    fn leave(&mut self) {
        let delay = self.core.limits.drain_delay;
        let until_ms = self.core.now.millis().saturating_add(now::millis(delay));
        self.core.phase = Phase::Leaving { until_ms };
        log::info!("stopping in {} s", delay.as_secs_f64());
    }

    /// Stops gracefully: admits everything that has arrived, and stops all connections.
    fn stop(&mut self) {
        self.each_part(|part, core| part.stop(core));
        log::info!("stopping: {} connections to end", self.core.len());
        self.core.hub.stop(self.core.system.handle().stopping());
        // The messages to connections of other loops go before their stop.
        at_work(&mut self.parts.shard_mail, &mut self.core, |part, core| part.take_from_hub(core));
        self.pass_on(StopRequest::Drain);
        let drain_ms = now::millis(self.core.limits.drain);
        let until_ms = self.core.now.millis().saturating_add(drain_ms);
        self.core.phase = Phase::Draining { until_ms };
        self.is_serving = false;
    }

    /// Stops without waiting.
    fn stop_now(&mut self) {
        self.abort();
        self.pass_on(StopRequest::Abort);
        self.core.phase = Phase::Aborted;
        self.is_serving = false;
    }

    fn pass_on(&self, request: StopRequest) {
        if let Some(member) = &self.core.member {
            member.pass_on(request);
        }
    }

    fn abort(&mut self) {
        self.each_part(|part, core| part.abort(core));
        self.core.abort();
    }

    /// Returns the number of connections of this loop.
    #[cfg(feature = "testkit")]
    pub(crate) fn len(&self) -> usize {
        self.core.len()
    }

    /// Checks that no connection has been forgotten when no work is left.
    #[cfg(all(debug_assertions, feature = "testkit"))]
    pub(crate) fn check_rest(
        &self,
        is_readable: impl Fn(&S::Socket) -> bool,
        is_writable: impl Fn(&S::Socket) -> bool,
    ) {
        self.core.check_rest();
        self.core.hub.check_rest(is_readable, is_writable);
    }

    /// Returns true if the loop was stopped, and its last connection has ended or was cut.
    pub(crate) fn is_over(&mut self) -> bool {
        if self.is_serving {
            return false;
        }
        let until_ms = self.core.phase.until_ms();
        let is_late = until_ms.is_some_and(|until_ms| until_ms <= self.core.now.millis());
        if is_late && self.core.len() > 0 && !self.core.has_unseen_events {
            let cut = self.core.len();
            self.abort();
            log::warn!("stopped: {cut} connections did not end in time");
            // A worker that blocks may still hold a handler: it is not awaited.
            return true;
        }
        // A message to a closed connection may be pending: its sender must be notified.
        let has_work = self.core.hub.has_mail() || !is_late && self.core.hub.is_sending();
        let Reactor { core, parts, .. } = self;
        core.len() == 0 && !has_work && parts.all().iter().all(|part| part.is_over(core))
    }
}

/// Calls a part in a way that may change the number of its connections.
fn at_work<S, P>(part: &mut P, core: &mut Core<S>, call: impl FnOnce(&mut P, &mut Core<S>))
where
    S: System,
    P: Part<S> + ?Sized,
{
    core.in_parts -= part.len();
    call(part, core);
    core.in_parts += part.len();
}

/// Returns the number of turns after which an event of every connection and of every other source
/// has been seen, at `batch` events per turn. The poller returns the oldest events first.
fn turns_to_see_all(connections: usize, batch: usize) -> usize {
    (connections + OTHER_SOURCES) / batch + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_put_off_for_as_many_turns_as_it_takes_to_see_all_events() {
        let turns = [(0, 256), (192, 256), (1_000, 256), (100_000, 256), (3, 1)]
            .map(|(connections, batch)| turns_to_see_all(connections, batch));
        assert_eq!(turns, [2, 3, 6, 392, 69]);
    }
}
