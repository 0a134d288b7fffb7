//! The hub: connections, topics, and what goes between shards, directed through one turn after the
//! other. Pure: it is handed its transports, its events and the time, so it runs the same on
//! sockets and in a test. Must not know mio, nor read a clock.

mod budgets;
#[cfg(debug_assertions)]
mod check;
mod connection;
mod connections;
mod effects;
mod offload;
mod pubsub;
mod run_queue;
mod shards;
mod table;
mod time;
mod transport;
mod turn;

pub(crate) use self::budgets::Budgets;
pub(crate) use self::shards::ShardMessage;
pub(crate) use self::transport::{Readiness, Transport};

use self::connections::Connections;
use self::offload::Offloads;
use self::pubsub::Topics;
use self::pubsub::delivery::Delivery;
use self::shards::Shards;
use self::turn::Turn;
use crate::close::Close;
use crate::exec::{Executor, Job, Task};
use crate::handler::Handler;
use crate::handler::context::Dial;
use crate::id::{Id, Shard};
use crate::limits::Limits;
use crate::metrics::counters::Counters;
use crate::metrics::stopwatch::Stopwatch;
use crate::net::incoming::Incoming;
use crate::now::Now;
use crate::panics;

pub(crate) struct Hub<T> {
    connections: Connections<T>,
    topics: Topics,
    delivery: Delivery,
    shards: Shards,
    offloads: Offloads,
    /// Handlers that have come back from workers.
    completed: Vec<Job>,
    /// Connections that handlers want made.
    dials: Vec<Dial>,
    is_expiry_postponed: bool,
}

/// The reactor's input.
impl<T: Transport> Hub<T> {
    pub(crate) fn new(
        limits: Limits,
        budgets: Budgets,
        executor: Executor,
        shard: Shard,
        counters: Counters,
        stopwatch: Stopwatch,
    ) -> Hub<T> {
        let turn = Turn::new(limits, budgets, executor, shard, counters, stopwatch);
        Hub {
            connections: Connections::new(turn),
            topics: Topics::new(budgets.topic_log),
            delivery: Delivery::new(budgets.delivery),
            shards: Shards::new(shard, budgets.shard_window),
            offloads: Offloads::default(),
            completed: Vec::new(),
            dials: Vec::new(),
            is_expiry_postponed: false,
        }
    }

    /// Has connections with nothing unusual take the ordinary path through a pass, or all of them
    /// the general one. It changes nothing but the cost.
    pub(crate) fn set_ordinary_path(&mut self, is_taken: bool) {
        self.connections.turn_mut().set_ordinary_path(is_taken);
    }

    pub(crate) fn len(&self) -> usize {
        self.connections.table().len()
    }

    /// Returns the id that the next connection will have.
    pub(crate) fn next_id(&self) -> Id {
        self.connections.table().next_id()
    }

    /// Takes in a connection; its handler is called in the next turn.
    pub(crate) fn open(
        &mut self,
        transport: T,
        incoming: Incoming,
        handler: Box<dyn Handler>,
    ) -> Id {
        let id = self.connections.insert(transport, incoming, Some(handler));
        let turn = self.connections.turn();
        turn.meter.counters.opened.add(1);
        if turn.record.stopping {
            self.ask_to_stop(id);
        }
        id
    }

    /// Takes in a connection that was served elsewhere and has to linger.
    pub(crate) fn adopt_lingering(&mut self, transport: T, incoming: Incoming) -> Id {
        self.connections.insert(transport, incoming, None)
    }

    /// Notes an event, without doing anything about it.
    #[inline(always)]
    pub(crate) fn note(&mut self, id: Id, readiness: Readiness) {
        self.connections.note(id, readiness);
    }

    /// Everything from here on happens at this moment.
    #[inline(always)]
    pub(crate) fn note_time(&mut self, now: Now) {
        self.connections.note_time(now);
    }

    /// No timer rings and no deadline passes in the next turn: events may wait that have not been
    /// noted yet.
    pub(crate) fn postpone_expiry(&mut self) {
        self.is_expiry_postponed = true;
    }

    /// Returns the counters and the stopwatch, for calls that others make in this turn.
    pub(crate) fn instruments(&mut self) -> (&Counters, &mut Stopwatch) {
        self.connections.turn_mut().instruments()
    }

    /// A task has come back from a worker; the next turn goes on with it.
    pub(crate) fn take_back(&mut self, task: Task) {
        match task {
            Task::Job(job) => self.completed.push(job),
            Task::Offloaded(offloaded) => {
                if let Some((id, note)) = self.offloads.finish(offloaded, &mut self.connections) {
                    self.notify(Id::NOBODY, id, note);
                }
            }
        }
    }

    /// Takes a handler back whose call has not been made, or does not count: the server ends.
    pub(crate) fn recover(&mut self, job: Job) {
        if let Some(connection) = self.connections.get_mut(job.id) {
            connection.take_back(job);
        }
    }

    /// Takes messages of other shards, each with the shard it comes from.
    pub(crate) fn receive(&mut self, messages: impl IntoIterator<Item = (usize, ShardMessage)>) {
        self.shards.receive(messages);
    }

    /// Wants a connection made.
    pub(crate) fn dial(&mut self, dial: Dial) {
        self.dials.push(dial);
    }

    /// From now on [`take_departed`](Hub::take_departed) tells which connections have left.
    pub(crate) fn note_departures(&mut self) {
        self.connections.watch_departures();
    }
}

/// The hub's output to the reactor.
impl<T: Transport> Hub<T> {
    /// Returns how long the reactor may sleep: until this many milliseconds after the server's
    /// start. `Some(0)` if there is something to do at once, `None` for as long as nothing happens.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        let is_due = !self.connections.is_idle()
            || self.topics.is_busy()
            || !self.dials.is_empty()
            || !self.completed.is_empty()
            || self.shards.has_inbox()
            || self.connections.turn().pending.has_gated()
            || self.is_expiry_postponed;
        if is_due { Some(0) } else { self.connections.next_ms() }
    }

    /// Returns true if workers have something to do.
    pub(crate) fn has_tasks(&self) -> bool {
        self.connections.turn().pending.has_tasks()
    }

    pub(crate) fn take_tasks(&mut self) -> Vec<Task> {
        self.connections.turn_mut().take_tasks()
    }

    /// Takes the connections that have left the table, with their sockets.
    pub(crate) fn take_departed(&mut self) -> Vec<(Id, T)> {
        self.connections.take_departed()
    }

    /// Returns how many connections are wanted.
    pub(crate) fn dials(&self) -> usize {
        self.dials.len()
    }

    pub(crate) fn take_dials(&mut self) -> Vec<Dial> {
        std::mem::take(&mut self.dials)
    }

    /// Returns true if messages of other shards have not been handled.
    pub(crate) fn has_mail(&self) -> bool {
        self.shards.has_inbox()
    }

    /// Returns what is to be carried to other shards.
    pub(crate) fn outboxes(&mut self) -> impl Iterator<Item = (usize, &mut Vec<ShardMessage>)> {
        self.shards.outboxes()
    }
}

/// The turn.
impl<T: Transport> Hub<T> {
    /// Gives each connection that is ready one pass.
    pub(crate) fn turn(&mut self) {
        if !std::mem::take(&mut self.is_expiry_postponed) {
            self.connections.expire();
        }
        self.catch_up();
        let batch = self.connections.start_batch();
        for id in &batch {
            self.connections.pass(*id);
            self.settle_pending();
        }
        if self.topics.is_busy() {
            self.delivery.run(&mut self.topics, &mut self.connections);
            self.settle_pending();
        }
        if let Some(first) = batch.first() {
            self.connections.report_if_slow(*first, batch.len());
        }
        self.connections.finish_batch(batch);
        self.connections.reap();
        self.connections.turn_mut().finish();
        #[cfg(debug_assertions)]
        check::invariants(&self.connections, &self.topics, &self.shards);
    }

    /// Checks that no connection is forgotten: what could be read or written, by what its transport
    /// says, is. Holds whenever all events have been noted and nothing is due.
    #[cfg(debug_assertions)]
    pub(crate) fn check_rest(
        &self,
        is_readable: impl Fn(&T) -> bool,
        is_writable: impl Fn(&T) -> bool,
    ) {
        check::rest(&self.connections, is_readable, is_writable);
    }

    /// Goes on with work that was left for this turn, and with messages from elsewhere.
    #[inline(always)]
    fn catch_up(&mut self) {
        if !self.completed.is_empty() {
            self.resume_completed();
        }
        if self.connections.turn().pending.has_gated() {
            self.connections.ungate();
        }
        if self.shards.has_inbox() {
            self.handle_inbox();
        }
        self.settle_pending();
    }

    /// Goes on with handlers that have come back from workers.
    #[cold]
    fn resume_completed(&mut self) {
        let mut completed = std::mem::take(&mut self.completed);
        for job in completed.drain(..) {
            self.connections.resume(job);
            self.settle_pending();
        }
        self.completed = completed;
    }

    /// Asks every connection to end, after what it is in the middle of.
    pub(crate) fn stop(&mut self) {
        self.connections.turn_mut().record.stopping = true;
        for id in self.connections.table().ids() {
            self.ask_to_stop(id);
        }
    }

    fn ask_to_stop(&mut self, id: Id) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.ask_to_stop();
            self.connections.queue(id);
        }
    }

    /// Ends every connection at once. The handlers that have come back from workers are told here,
    /// in [`Executor::Pool`] by tasks that [`finish_abort`](Hub::finish_abort) takes when they have
    /// run.
    pub(crate) fn abort(&mut self) {
        for job in std::mem::take(&mut self.completed) {
            self.recover(job);
        }
        for id in self.connections.table().ids() {
            self.connections.cut(id, Close::Stopping);
        }
        self.settle_pending();
        self.connections.reap();
        panics::drop_quietly(std::mem::take(&mut self.dials));
    }

    /// Takes the handlers that were told the end by their tasks. Connections whose handlers workers
    /// still have are not waited for: they end without `on_close`.
    pub(crate) fn finish_abort(&mut self, told: impl IntoIterator<Item = Job>) {
        for job in told {
            self.connections.resume(job);
            self.settle_pending();
        }
        self.connections.abandon();
        panics::drop_quietly(std::mem::take(&mut self.dials));
    }
}
