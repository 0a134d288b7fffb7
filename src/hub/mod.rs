//! The hub: the table of connections, their deadlines and timers, and one turn over those that
//! are ready. Pure: it is handed its transports, its events and the time, so it runs the same on
//! sockets and in a test. Must not know mio, nor read a clock.

#[cfg(debug_assertions)]
mod check;
mod connection;
mod deadline;
mod desk;
mod ending;
mod expiry;
mod fanout;
mod feed;
mod flow;
mod holding;
mod marks;
mod offload;
mod packets;
mod siblings;
mod timers;
mod topics;
mod transport;
mod watching;
mod wishes;

use std::collections::VecDeque;

use slab::Slab;

pub(crate) use self::siblings::Parcel;
pub(crate) use self::transport::Transport;

use self::connection::{Connection, Link};
use self::deadline::{Sweep, Tick};
use self::desk::{Desk, Progress};
use self::flow::READ_SIZE;
use self::offload::Errands;
use self::siblings::Siblings;
use self::timers::Timers;
use self::topics::Topics;
use crate::close::Close;
use crate::exec::{Executor, Job, Task};
use crate::handler::Handler;
use crate::handler::context::Dial;
use crate::id::Home;
use crate::id::Id;
use crate::limits::Limits;
use crate::metrics::counters::Counters;
use crate::metrics::stopwatch::Stopwatch;
use crate::net::peer::Peer;
use crate::now::Now;
use crate::panics;

/// What an event said about a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer's side is shut: no event of its own may announce the end of the input.
    pub(crate) read_closed: bool,
    pub(crate) error: bool,
    /// Urgent data has come (`EPOLLPRI`): a read stops at its mark, so a short one proves nothing
    /// (tcp(7), RFC 6093).
    pub(crate) urgent: bool,
}

pub(crate) struct Hub<T> {
    table: Slab<Connection<T>>,
    /// The generation that was given last. 0 is never given: ids of it are the reactor's own.
    generation: u32,
    siblings: Siblings,
    /// Connections with news, to pump in the next turn. Each is here or in `unfinished`, once.
    ready: Vec<Id>,
    /// Those that have more to do than one turn allows: few of them are pumped each turn, behind all
    /// that have news. Who comes with a request does not wait for all of them.
    unfinished: VecDeque<Id>,
    /// Those of this turn; empty between turns.
    batch: Vec<Id>,
    /// Connections that ended in this turn; they leave the table at its end.
    ended: Vec<Id>,
    /// Those that have left the table, if somebody wants to know.
    departed: Option<Vec<Id>>,
    sweep: Sweep,
    timers: Timers,
    topics: Topics,
    /// Members of several topics that have something to send: one write each.
    collected: Vec<Id>,
    /// Where the others' messages are gathered for one of their authors.
    scratch: Vec<u8>,
    /// Handlers that have come back from workers.
    returned: Vec<Job>,
    errands: Errands,
    /// Connections that handlers want made.
    dials: Vec<Dial>,
    desk: Desk,
    is_expiry_postponed: bool,
    /// Where input is read to, for all connections: left-over input, one read's worth of it
    /// beyond the limit (a handler may pause or fill up in the middle of a read), and a read.
    input: Vec<u8>,
}

/// One of the unfinished is pumped each turn, and one more for so many that have news: long turns must
/// not starve them.
const NEWS_FOR_ONE: usize = 64;

impl<T: Transport> Hub<T> {
    pub(crate) fn new(
        limits: Limits,
        executor: Executor,
        home: Home,
        counters: Counters,
        stopwatch: Stopwatch,
    ) -> Hub<T> {
        let input = vec![0; limits.pending_input + 2 * READ_SIZE];
        Hub {
            table: Slab::new(),
            generation: home.before_first(),
            siblings: Siblings::new(home),
            ready: Vec::new(),
            unfinished: VecDeque::new(),
            batch: Vec::new(),
            ended: Vec::new(),
            departed: None,
            sweep: Sweep::new(),
            timers: Timers::default(),
            topics: Topics::default(),
            collected: Vec::new(),
            scratch: Vec::new(),
            returned: Vec::new(),
            errands: Errands::default(),
            dials: Vec::new(),
            desk: Desk::new(limits, executor, home, counters, stopwatch),
            is_expiry_postponed: false,
            input,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// The id that the next [`open`](Hub::open) will give.
    pub(crate) fn next_id(&self) -> Id {
        Id::new(self.table.vacant_key() as u32, self.next_generation())
    }

    fn next_generation(&self) -> u32 {
        self.siblings.home.next_generation(self.generation)
    }

    /// Takes in a connection; its handler is greeted in the next turn.
    pub(crate) fn open(&mut self, transport: T, peer: Peer, handler: Box<dyn Handler>) -> Id {
        let id = self.seat(transport, peer, Some(handler));
        self.desk.meter.counters.opened.add(1);
        if self.desk.record.stopping {
            self.ask_to_stop(id);
        }
        id
    }

    /// Takes in a connection that has been served elsewhere and must linger.
    pub(crate) fn see_off(&mut self, transport: T, peer: Peer) -> Id {
        self.seat(transport, peer, None)
    }

    fn seat(&mut self, transport: T, peer: Peer, handler: Option<Box<dyn Handler>>) -> Id {
        let id = self.next_id();
        self.generation = self.next_generation();
        let connection =
            Connection::new(transport, self.generation, peer, handler, self.desk.record.now);
        self.table.insert(connection);
        self.queue(id);
        id
    }

    /// Notes an event, without doing anything about it. Events of connections that have gone
    /// are dropped here.
    pub(crate) fn note(&mut self, id: Id, readiness: Readiness) {
        let Some(connection) = lookup(&mut self.table, id) else {
            return;
        };
        if readiness.read_closed || readiness.error {
            connection.note_end(readiness.error);
        }
        if readiness.urgent {
            connection.marks.set(marks::READABLE.with(marks::HANGUP));
        }
        if readiness.readable {
            connection.marks.set(marks::READABLE);
        }
        if readiness.writable {
            connection.marks.clear(marks::BLOCKED);
        }
        // A newly registered socket is writable; that alone is no news for a connection that
        // has nothing to send.
        let has_news = connection.marks.has(marks::READABLE) || connection.output_len() > 0;
        if has_news && !connection.marks.has(marks::QUEUED) {
            connection.marks.set(marks::QUEUED);
            self.ready.push(id);
        }
    }

    /// Whatever happens from here on happens at this moment.
    pub(crate) fn note_time(&mut self, now: Now) {
        self.desk.record.now = now;
        self.desk.tick = Tick::at(now);
    }

    /// No deadline passes in the next turn: events may wait that have not been noted yet.
    pub(crate) fn postpone_expiry(&mut self) {
        self.is_expiry_postponed = true;
    }

    /// What is counted, and how calls are timed that others make in this turn.
    pub(crate) fn instruments(&mut self) -> (&Counters, &mut Stopwatch) {
        (&self.desk.meter.counters, &mut self.desk.stopwatch)
    }

    /// Pumps each connection that is ready, once.
    pub(crate) fn turn(&mut self) {
        if !std::mem::take(&mut self.is_expiry_postponed) {
            self.expire();
        }
        if !self.returned.is_empty() {
            self.go_on();
        }
        if !self.desk.deferred.is_empty() {
            self.undefer();
        }
        if self.siblings.has_inbox() {
            self.unpack();
        }
        // Of those who ended over what siblings or other threads sent them.
        if !self.desk.outward.is_empty() {
            self.apply_outward();
        }
        let mut batch = std::mem::take(&mut self.batch);
        std::mem::swap(&mut self.ready, &mut batch);
        if !self.unfinished.is_empty() {
            self.take_unfinished(&mut batch);
        }
        for id in &batch {
            self.pump(*id, None);
        }
        if self.topics.is_busy() {
            self.fan_out();
        }
        if let Some(first) = batch.first() {
            self.tell_if_slow(*first, batch.len());
        }
        batch.clear();
        self.batch = batch;
        self.reap();
        self.desk.shed();
        self.desk.meter.counters.turns.add(1);
        self.desk.meter.counters.messages.add(std::mem::take(&mut self.desk.record.messages));
        #[cfg(debug_assertions)]
        self.check_invariants();
    }

    /// Those of the unfinished whose turn it is.
    #[cold]
    fn take_unfinished(&mut self, batch: &mut Vec<Id>) {
        let share = 1 + batch.len() / NEWS_FOR_ONE;
        batch.extend(self.unfinished.drain(..share.min(self.unfinished.len())));
    }

    /// Times what has happened in the turn since the last time somebody looked.
    fn tell_if_slow(&mut self, first: Id, count: usize) {
        let Some(slow) = self.desk.stopwatch.lap(&self.desk.meter.counters) else { return };
        match lookup(&mut self.table, first) {
            Some(connection) if count == 1 => log::warn!("{first} {}: {slow}", connection.peer),
            _ => log::warn!("one of {count} connections, or all of them, {slow}"),
        }
    }

    /// How long the reactor may sleep: until this many milliseconds after the server's start.
    /// `Some(0)` if there is something to do at once, `None` for as long as nothing happens.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        if !self.ready.is_empty()
            || !self.unfinished.is_empty()
            || self.topics.is_busy()
            || !self.dials.is_empty()
            || !self.returned.is_empty()
            || self.siblings.has_inbox()
            || !self.desk.deferred.is_empty()
        {
            return Some(0);
        }
        match (self.sweep.next_ms(), self.timers.next_ms()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Asks every connection to end, after what it is in the middle of.
    pub(crate) fn stop(&mut self) {
        self.desk.record.stopping = true;
        for id in self.ids() {
            self.ask_to_stop(id);
        }
    }

    fn ids(&self) -> Vec<Id> {
        self.table.iter().map(|(key, c)| Id::new(key as u32, c.generation)).collect()
    }

    fn ask_to_stop(&mut self, id: Id) {
        let Some(connection) = lookup(&mut self.table, id) else {
            return;
        };
        // A look at the socket first: what has come already is still answered.
        connection.marks.set(marks::STOP.with(marks::READABLE));
        self.queue(id);
    }

    /// Ends every connection at once. Returns how many there were.
    pub(crate) fn abort(&mut self) -> usize {
        for job in std::mem::take(&mut self.returned) {
            self.recover(job);
        }
        let ids = self.ids();
        for id in &ids {
            let Some(connection) = lookup(&mut self.table, *id) else { continue };
            if !connection.is_over() {
                connection.fail(Close::Stopping);
                self.bury(*id);
            }
        }
        self.apply_outward();
        self.reap();
        panics::drop_quietly(std::mem::take(&mut self.dials));
        ids.len()
    }

    fn queue(&mut self, id: Id) {
        if let Some(connection) = lookup(&mut self.table, id) {
            if !connection.marks.has(marks::QUEUED) {
                connection.marks.set(marks::QUEUED);
                self.ready.push(id);
            }
        }
    }

    /// Queues a connection that was given something, unless it has to wait for its socket. One that
    /// does may have got so much room meanwhile that it is to be read again.
    fn queue_if_able(&mut self, id: Id) {
        let Some(connection) = lookup(&mut self.table, id) else { return };
        if !connection.marks.has(marks::BLOCKED) || connection.wants_turn(&self.desk.limits) {
            self.queue(id);
        }
    }

    /// Pumps a connection, whose handler may just have come back from a worker.
    #[inline(always)]
    fn pump(&mut self, id: Id, job: Option<Job>) {
        let Some(connection) = lookup(&mut self.table, id) else { return };
        self.desk.meter.progress = Progress::default();
        if let Some(job) = job {
            connection.come_back(id, job, &mut self.desk);
        } else {
            connection.marks.clear(marks::QUEUED);
            if connection.link == Link::Closed {
                return;
            }
        }
        connection.pump(id, &mut self.input, &mut self.desk);
        if connection.is_over() {
            self.ended.push(id);
        } else {
            self.sweep.note(connection.deadline);
            if connection.queue_if_wanted(&self.desk.limits) {
                self.unfinished.push_back(id);
            }
        }
        if connection.marks.has_any(marks::JOINED.with(marks::AWAITED)) {
            self.let_others_go(id);
        }
        if !self.desk.outward.is_empty() {
            self.apply_outward();
        }
    }

    fn end_now(&mut self, id: Id, why: Close) {
        let Some(connection) = lookup(&mut self.table, id) else { return };
        if connection.link != Link::Closed {
            connection.fail(why);
            self.bury(id);
        }
    }

    /// Takes leave of a connection whose socket has failed or that was ended at once.
    fn bury(&mut self, id: Id) {
        let Some(connection) = lookup(&mut self.table, id) else { return };
        if connection.retire(id, &mut self.desk) {
            self.ended.push(id);
        }
        self.let_others_go(id);
    }

    /// Ends what others have to do with a connection, as far as it has ended or caught up.
    fn let_others_go(&mut self, id: Id) {
        let Some(connection) = lookup(&mut self.table, id) else { return };
        let is_awaited = connection.marks.has(marks::AWAITED);
        if connection.link >= Link::Lingering && connection.marks.take(marks::JOINED) {
            self.leave_all(id);
        }
        if is_awaited {
            self.release_awaiting(id);
        }
    }

    /// Takes handlers back that come from workers; each goes on where it was.
    #[cold]
    fn go_on(&mut self) {
        let mut returned = std::mem::take(&mut self.returned);
        for job in returned.drain(..) {
            self.pump(job.id, Some(job));
        }
        self.returned = returned;
    }

    /// Takes a handler back whose call has not been made, or comes to nothing: the server ends.
    pub(crate) fn recover(&mut self, job: Job) {
        let Some(connection) = lookup(&mut self.table, job.id) else { return };
        connection.marks.clear(marks::AWAY);
        if job.is_to_open() {
            connection.marks.set(marks::NEW);
        }
        if job.is_to_close() {
            connection.marks.clear(marks::TOLD);
        }
        connection.handler = Some(job.handler);
    }

    /// Whether workers have something to do.
    pub(crate) fn has_tasks(&self) -> bool {
        !self.desk.tasks.is_empty()
    }

    /// Takes what workers are to do.
    pub(crate) fn take_tasks(&mut self) -> Vec<Task> {
        self.desk.meter.counters.jobs.add(self.desk.tasks.len() as u64);
        std::mem::take(&mut self.desk.tasks)
    }

    /// A task has come back from a worker; the next turn goes on with it.
    pub(crate) fn take_back(&mut self, task: Task) {
        match task {
            Task::Job(job) => self.returned.push(job),
            Task::Errand(errand) => self.finish_work(errand),
        }
    }

    /// From now on [`take_departed`](Hub::take_departed) tells who has left.
    pub(crate) fn note_departures(&mut self) {
        self.departed = Some(Vec::new());
    }

    /// Takes the names of those that have left the table.
    pub(crate) fn take_departed(&mut self) -> Vec<Id> {
        self.departed.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn reap(&mut self) {
        while let Some(id) = self.ended.pop() {
            let connection = self.table.remove(id.index());
            if connection.marks.has(marks::TIMED) {
                self.timers.cancel(id);
            }
            self.tell_end(id, &connection);
            if let Some(departed) = &mut self.departed {
                departed.push(id);
            }
        }
    }

    /// Counts the end of a connection, and logs it.
    fn tell_end(&self, id: Id, connection: &Connection<T>) {
        if connection.marks.has(marks::SERVED) {
            return;
        }
        let why = connection.why();
        self.desk.meter.counters.close(&why);
        if log::max_level() < log::Level::Warn {
            return;
        }
        let level = if why.is_expected() { log::Level::Debug } else { log::Level::Warn };
        log::log!(
            level,
            "{id} {}: {why}; {} bytes in, {} out, {} ms",
            connection.peer,
            connection.bytes_in,
            connection.bytes_out,
            self.desk.record.now.millis() - connection.opened_ms,
        );
    }
}

/// The connection that `id` names, unless it has gone.
fn lookup<T>(table: &mut Slab<Connection<T>>, id: Id) -> Option<&mut Connection<T>> {
    table.get_mut(id.index()).filter(|connection| connection.generation == id.generation())
}
