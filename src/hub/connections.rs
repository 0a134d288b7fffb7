//! The connections of a hub, with their run queue, timeouts and timers. Must not know topics and
//! other shards; actions for these are left in [`Pending`](super::turn::Pending).

use std::sync::Arc;

use super::connection::flags::Flags;
use super::connection::states::Life;
use super::connection::{Connection, READ_SIZE};
use super::pubsub::log::Slice;
use super::run_queue::RunQueue;
use super::table::Table;
use super::time::sweep::{Sweep, Tick};
use super::time::timeout::{Progress, TimeoutKind};
use super::time::timers::{Due, TimerQueue};
use super::transport::{Readiness, Transport};
use super::turn::Turn;
use crate::close::Close;
use crate::exec::Job;
use crate::handler::Handler;
use crate::id::Id;
use crate::net::incoming::Incoming;
use crate::now::Now;
use crate::topic::Topic;

pub(super) struct Connections<T> {
    table: Table<T>,
    queue: RunQueue,
    sweep: Sweep,
    timers: TimerQueue,
    /// Connections that ended in this turn, and leave the table at its end.
    ended: Vec<Id>,
    /// Connections that have left the table, if the reactor requests them. Their sockets are still
    /// open: the permit of a connection is released before its peer sees the end and reconnects.
    departed: Option<Vec<(Id, T)>>,
    /// See [`set_lasting`](Connections::set_lasting); or [`Id::NOBODY`].
    lasting: Id,
    turn: Turn,
    /// The buffer for reads, for all connections: the limit of unused input, one more read beyond
    /// it (a handler may pause or reach the high watermark within a read), and a read.
    input: Vec<u8>,
}

/// The queue for a connection that has more work.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Requeue {
    Ready,
    Yielded,
}

/// The table.
impl<T: Transport> Connections<T> {
    pub(super) fn new(turn: Turn) -> Connections<T> {
        Connections {
            table: Table::new(turn.config.shard),
            queue: RunQueue::new(turn.config.budgets.news_for_one),
            sweep: Sweep::new(),
            timers: TimerQueue::default(),
            ended: Vec::new(),
            departed: None,
            lasting: Id::NOBODY,
            input: vec![0; turn.config.limits.pending_input + 2 * READ_SIZE],
            turn,
        }
    }

    pub(super) fn table(&self) -> &Table<T> {
        &self.table
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut Connection<T>> {
        self.table.get_mut(id)
    }

    #[inline(always)]
    pub(super) fn turn(&self) -> &Turn {
        &self.turn
    }

    #[inline(always)]
    pub(super) fn turn_mut(&mut self) -> &mut Turn {
        &mut self.turn
    }

    pub(super) fn insert(
        &mut self,
        transport: T,
        incoming: Incoming,
        handler: Option<Box<dyn Handler>>,
    ) -> Id {
        let now = self.turn.tick;
        let (peer, local) = incoming.into_parts();
        let ends = (peer, self.turn.record.locals.intern(local));
        let id = self
            .table
            .insert(|generation| Connection::new(transport, generation, ends, handler, now));
        self.queue(id);
        id
    }

    pub(super) fn watch_departures(&mut self) {
        self.departed.get_or_insert_default();
    }

    pub(super) fn take_departed(&mut self) -> Vec<(Id, T)> {
        self.departed.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Removes the connections that have ended.
    pub(super) fn reap(&mut self) {
        while let Some(id) = self.ended.pop() {
            let Some(connection) = self.table.remove(id) else { continue };
            if connection.state().has(Flags::TIMED) {
                self.timers.cancel_all(id);
            }
            self.turn.record.locals.release(connection.local());
            self.report_end(id, &connection);
            if let Some(departed) = &mut self.departed {
                departed.push((id, connection.into_transport()));
            }
        }
    }

    /// Removes all connections, whatever their state: the server ends.
    pub(super) fn abandon(&mut self) {
        self.reap();
        self.ended = self.table.ids();
        for id in &self.ended {
            if let Some(connection) = self.table.get_mut(*id) {
                connection.abandon();
            }
        }
        self.reap();
    }

    /// Times the calls since the last lap, and logs a slow one.
    pub(super) fn report_if_slow(&mut self, first: Id, count: usize) {
        let meter = &mut self.turn.meter;
        let Some(slow) = meter.stopwatch.lap(&meter.counters) else { return };
        match self.table.get(first) {
            Some(connection) if count == 1 => {
                log::warn!("{first} {}: {slow}", connection.peer());
            }
            _ => log::warn!("one or more of {count} connections {slow}"),
        }
    }

    /// Counts the end of a connection, and logs it.
    fn report_end(&self, id: Id, connection: &Connection<T>) {
        if connection.state().is_adopted() {
            // It was counted where it was served.
            return;
        }
        let why = connection.why();
        self.turn.meter.counters.close(&why);
        if log::max_level() >= log::Level::Warn {
            let level = if why.is_expected() { log::Level::Debug } else { log::Level::Warn };
            log::log!(level, "{}", connection.summary(id, self.turn.tick));
        }
    }
}

/// The run queue.
impl<T: Transport> Connections<T> {
    #[inline(always)]
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn queue(&mut self, id: Id) {
        if let Some(connection) = self.table.get_mut(id) {
            self.queue.push(id, connection.state_mut());
        }
    }

    /// Queues a connection with new output, unless it waits for its socket.
    pub(super) fn queue_if_able(&mut self, id: Id) {
        if self.table.get_mut(id).is_some_and(|c| !c.state().has(Flags::BLOCKED)) {
            self.queue(id);
        }
    }

    /// Queues the request to give way to another connection.
    pub(super) fn ask_to_give_way(&mut self, id: Id) {
        if let Some(connection) = self.table.get_mut(id) {
            connection.ask_to_give_way();
            self.queue(id);
        }
    }

    /// Notes an event, without acting on it. Events of removed connections are dropped here.
    #[inline(always)]
    pub(super) fn note(&mut self, id: Id, readiness: Readiness) {
        if let Some(connection) = self.table.get_mut(id)
            && connection.note(readiness)
        {
            self.queue.push(id, connection.state_mut());
        }
    }

    pub(super) fn start_batch(&mut self) -> Vec<Id> {
        self.queue.start()
    }

    pub(super) fn finish_batch(&mut self, batch: Vec<Id>) {
        self.queue.finish(batch);
    }

    /// Runs the pass of a connection.
    #[inline(always)]
    pub(super) fn pass(&mut self, id: Id) {
        let Connections { table, turn, input, sweep, .. } = self;
        let Some(connection) = table.get_mut(id) else { return };
        connection.state_mut().clear(Flags::QUEUED);
        turn.meter.progress = Progress::NONE;
        if connection.pass(id, input, turn) {
            sweep.note(connection.deadline());
        } else {
            self.after_io(id, Requeue::Yielded);
        }
    }

    /// Continues with a connection whose handler returns from a worker.
    pub(super) fn resume(&mut self, job: Job) {
        let id = job.id;
        let Connections { table, turn, input, .. } = self;
        let Some(connection) = table.get_mut(id) else { return };
        turn.meter.progress = Progress::NONE;
        connection.resume(id, job, input, turn);
        self.after_io(id, Requeue::Yielded);
    }

    /// Runs after everything that may have moved bytes of a connection or changed its state:
    /// removes it if it has ended, or else sets its timeout, and queues it if work is left.
    /// Releases senders that wait for it.
    fn after_io(&mut self, id: Id, requeue: Requeue) {
        let Connections { table, turn, queue, sweep, ended, .. } = self;
        let Some(connection) = table.get_mut(id) else { return };
        if connection.leave(id, turn) {
            ended.push(id);
        } else {
            connection.rearm_timeout(turn);
            sweep.note(connection.deadline());
            if connection.wants_pass(&turn.config.limits) {
                match requeue {
                    Requeue::Ready => queue.push(id, connection.state_mut()),
                    Requeue::Yielded => queue.push_yielded(id, connection.state_mut()),
                }
            }
        }
        connection.release_others(id, turn);
    }
}

/// Operations of other connections.
impl<T: Transport> Connections<T> {
    /// Returns the connection, if output can be queued on it.
    fn receiver(&mut self, id: Id) -> Option<&mut Connection<T>> {
        self.table.get_mut(id).filter(|connection| connection.state().accepts_output())
    }

    /// Queues bytes of another connection or thread; they are sent in its next pass. Returns false
    /// if the connection accepts no output.
    pub(super) fn deliver(&mut self, to: Id, bytes: &[u8]) -> bool {
        let Some(connection) = self.receiver(to) else { return false };
        connection.deliver(bytes);
        self.queue_if_able(to);
        true
    }

    /// Returns true if more may be queued on a connection. One above the hard watermark ends as a
    /// slow consumer if its socket accepts no more.
    pub(super) fn has_room(&mut self, id: Id) -> bool {
        let hard = self.turn.config.limits.output_hard;
        let Some(connection) = self.receiver(id) else { return false };
        let may_have_room = connection.is_gated() && !connection.state().has(Flags::BLOCKED);
        if connection.output_len() <= hard || may_have_room {
            return true;
        }
        let Connections { table, turn, .. } = self;
        let Some(connection) = table.get_mut(id) else { return false };
        turn.meter.progress = Progress::NONE;
        connection.flush(turn);
        if connection.output_len() > hard {
            connection.cut(Close::SlowConsumer);
        }
        let has_room = connection.state().accepts_output();
        self.after_io(id, Requeue::Ready);
        has_room
    }

    /// Sends a member a slice of a topic's log. Returns its length.
    #[inline(always)]
    pub(super) fn receive(&mut self, id: Id, slice: Slice<'_>) -> usize {
        let Connections { table, turn, .. } = self;
        let Some(connection) = table.get_mut(id).filter(|c| c.state().accepts_output()) else {
            return 0;
        };
        turn.meter.progress = Progress::NONE;
        let len = connection.receive(slice, turn);
        self.after_io(id, Requeue::Ready);
        len
    }

    /// Queues a published message for the handler of a member. Returns false if it accepts none.
    pub(super) fn notify_published(&mut self, id: Id, topic: &Topic, message: Arc<[u8]>) -> bool {
        let Connections { table, turn, .. } = self;
        let Some(connection) = table.get_mut(id).filter(|c| c.state().is_open()) else {
            return false;
        };
        turn.meter.progress = Progress::NONE;
        connection.notify_published(topic, message, &turn.config.limits);
        let is_open = connection.state().is_open();
        match is_open {
            true => self.queue(id),
            false => self.after_io(id, Requeue::Ready),
        }
        is_open
    }

    /// Sends the collected output of a connection, in one write.
    pub(super) fn flush(&mut self, id: Id) {
        let Connections { table, turn, .. } = self;
        let Some(connection) = table.get_mut(id) else { return };
        connection.state_mut().clear(Flags::COLLECTING);
        turn.meter.progress = Progress::NONE;
        connection.flush(turn);
        self.after_io(id, Requeue::Ready);
    }

    /// Pauses the input of a connection until it has been [unthrottled](Connections::unthrottle) as
    /// often. Returns true if it is throttled.
    pub(super) fn throttle(&mut self, id: Id) -> bool {
        let Some(connection) = self.table.get_mut(id) else { return false };
        // One that has ended is not read anyway, and has a deadline for that.
        if !connection.state().is_open() {
            return false;
        }
        connection.throttle();
        connection.rearm_timeout(&self.turn);
        self.sweep.note(connection.deadline());
        true
    }

    pub(super) fn unthrottle(&mut self, id: Id) {
        if self.table.get_mut(id).is_some_and(Connection::unthrottle) {
            self.queue(id);
        }
    }

    /// Ends the gates of connections whose messages have been passed to other shards.
    pub(super) fn ungate(&mut self) {
        for id in self.turn.pending.take_gated() {
            if let Some(cold) = self.table.get_mut(id).and_then(Connection::cold_if_any) {
                cold.ungate();
                self.queue(id);
            }
        }
    }

    /// Cuts a connection.
    pub(super) fn cut(&mut self, id: Id, why: Close) {
        let Some(connection) = self.table.get_mut(id) else { return };
        if connection.state().life() < Life::Closed {
            connection.cut(why);
            self.after_io(id, Requeue::Ready);
        }
    }
}

/// Time.
impl<T: Transport> Connections<T> {
    /// Sets the time of everything that follows.
    #[inline(always)]
    pub(super) fn note_time(&mut self, now: Now) {
        self.turn.record.now = now;
        self.turn.tick = Tick::at(now);
    }

    /// Returns the time of the next timer or deadline.
    pub(super) fn next_ms(&self) -> Option<u64> {
        match (self.sweep.next_ms(), self.timers.next_ms()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    pub(super) fn set_timer(&mut self, id: Id, key: u64, at_ms: u64, period_ms: Option<u64>) {
        if let Some(connection) = self.table.get_mut(id) {
            connection.state_mut().set(Flags::TIMED);
            self.timers.set(id, key, at_ms, period_ms);
        }
    }

    pub(super) fn cancel_timer(&mut self, id: Id, key: u64) {
        let has_others = self.timers.cancel(id, key);
        if let Some(connection) = self.table.get_mut(id).filter(|_| !has_others) {
            connection.state_mut().clear(Flags::TIMED);
        }
    }

    pub(super) fn cancel_timers(&mut self, id: Id) {
        self.timers.cancel_all(id);
        if let Some(connection) = self.table.get_mut(id) {
            connection.state_mut().clear(Flags::TIMED);
        }
    }

    /// Fires due timers, and ends connections whose deadline has passed.
    pub(super) fn expire(&mut self) {
        if !self.timers.is_empty() {
            self.ring_timers();
        }
        if self.sweep.is_due(self.turn.tick) {
            let slots = self.sweep.slice(self.turn.tick, self.table.slots());
            self.sweep_slots(slots);
        }
    }

    fn ring_timers(&mut self) {
        for _ in 0..self.turn.config.budgets.timers {
            let Some(due) = self.timers.pop(self.turn.record.now.millis()) else { return };
            let Due { id, key, is_last } = due;
            if let Some(connection) = self.table.get_mut(id) {
                if is_last {
                    connection.state_mut().clear(Flags::TIMED);
                }
                connection.cold_mut().push_rung(key);
                self.queue(id);
            }
        }
    }

    fn sweep_slots(&mut self, slots: std::ops::Range<usize>) {
        let now = self.turn.tick;
        let mut ended = 0;
        for slot in slots {
            let Some((id, connection)) = self.table.at(slot) else { continue };
            if ended == self.turn.config.budgets.ends {
                self.sweep.break_off(slot);
                break;
            }
            if connection.deadline() > now || connection.may_be_extended() {
                self.sweep.note(connection.deadline());
                continue;
            }
            ended += 1;
            self.pass_deadline(id);
        }
        self.sweep.visited(now);
    }

    /// Sets the connection that only its owner ends, and no timeout of clients.
    #[cfg(feature = "backplane")]
    pub(super) fn set_lasting(&mut self, id: Id) {
        self.lasting = id;
    }

    fn pass_deadline(&mut self, id: Id) {
        let Some(connection) = self.table.get_mut(id) else { return };
        let timeout = connection.timeout();
        // A timeout of clients has a reason.
        let lasts = id == self.lasting && connection.state().is_open();
        match timeout {
            _ if lasts && timeout.reason().is_some() => connection.restart_timeout(&self.turn),
            TimeoutKind::Grace => connection.state_mut().end_grace(),
            // The handler may write a last reply.
            TimeoutKind::Message => connection.state_mut().set(Flags::MESSAGE_LATE),
            _ => {
                // A timeout without a reason follows an earlier end, whose reason stays.
                let why = timeout.reason().map_or(Close::Done, Close::Timeout);
                return self.cut(id, why);
            }
        }
        // Its pass may be delayed in the queue of yielded connections.
        self.sweep.note(connection.deadline());
        self.queue(id);
    }
}

/// For the checks of debug builds.
#[cfg(debug_assertions)]
impl<T: Transport> Connections<T> {
    pub(super) fn queued(&self) -> impl Iterator<Item = Id> {
        self.queue.iter()
    }

    pub(super) fn timers_len(&self) -> usize {
        self.timers.connections()
    }

    pub(super) fn has_ended_ones(&self) -> bool {
        !self.ended.is_empty()
    }

    pub(super) fn covers(&self, id: Id, deadline: Tick) -> bool {
        self.sweep.covers(deadline, id.index(), self.turn.tick)
    }
}
