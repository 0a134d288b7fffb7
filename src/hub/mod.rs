//! The hub: runs connections, topics, and messages between shards, one turn after another. It
//! receives its transports, events and time as arguments, so it runs the same on sockets and in
//! tests. Must not know mio, nor read a clock.

#[cfg(feature = "backplane")]
mod backplane;
mod budgets;
#[cfg(debug_assertions)]
mod check;
mod connection;
mod connections;
mod crowd;
mod effects;
mod offload;
mod post;
mod pubsub;
mod run_queue;
mod shards;
mod table;
mod tasks;
mod time;
mod transport;
mod turn;

pub(crate) use self::budgets::Budgets;
pub(crate) use self::shards::ShardMessage;
#[cfg(all(feature = "files", target_os = "linux"))]
pub(crate) use self::transport::send_copy;
pub(crate) use self::transport::{Readiness, Transport};

#[cfg(feature = "backplane")]
use self::backplane::Desk;
#[cfg(feature = "backplane")]
pub(crate) use self::backplane::SharedTopics;
use self::connections::Connections;
use self::crowd::Crowd;
use self::offload::Offloads;
use self::pubsub::Topics;
use self::pubsub::delivery::Courier;
use self::shards::Shards;
use self::tasks::Tasks;
use self::turn::Turn;
#[cfg(feature = "backplane")]
use crate::backplane::sharing::Sharing;
use crate::close::Close;
use crate::exec::{Departure, Executor, Job, Task};
use crate::handler::Handler;
use crate::handler::effect::{Dial, Stopping};
use crate::handler::notifier::Notifier;
use crate::handler::task::PeriodicTask;
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
    courier: Courier,
    shards: Shards,
    offloads: Offloads,
    /// Handlers that have returned from workers.
    completed: Vec<Job>,
    /// Connections requested by handlers.
    dials: Vec<Dial>,
    tasks: Tasks,
    crowd: Crowd,
    /// `None` without a backplane: then it costs a branch for each publish.
    #[cfg(feature = "backplane")]
    shared_topics: Option<Box<SharedTopics>>,
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
            courier: Courier::new(budgets.delivery),
            shards: Shards::new(shard, budgets.shard_window),
            offloads: Offloads::default(),
            completed: Vec::new(),
            dials: Vec::new(),
            tasks: Tasks::default(),
            crowd: Crowd::new(),
            #[cfg(feature = "backplane")]
            shared_topics: None,
            is_expiry_postponed: false,
        }
    }

    /// Enables or disables the ordinary path, a short cut for connections without unusual state. It
    /// affects only the cost.
    pub(crate) fn set_ordinary_path(&mut self, is_taken: bool) {
        self.connections.turn_mut().set_ordinary_path(is_taken);
    }

    /// Gives handlers a `notifier` for other threads. Its notifications arrive by
    /// [`obey`](Hub::obey).
    pub(crate) fn set_notifier(&mut self, notifier: Notifier) {
        self.connections.turn_mut().record.notifier = notifier;
    }

    pub(crate) fn len(&self) -> usize {
        self.connections.table().len()
    }

    pub(crate) fn has(&self, id: Id) -> bool {
        self.connections.table().get(id).is_some()
    }

    /// Returns the number of connections that take none of the places of `Limits::connections`.
    #[cfg(feature = "backplane")]
    pub(crate) fn without_place(&self) -> usize {
        self.shared_topics.as_ref().map_or(0, |shared| usize::from(shared.link().is_some()))
    }

    #[cfg(not(feature = "backplane"))]
    #[allow(clippy::unused_self, reason = "one with shared topics has such a connection")]
    pub(crate) fn without_place(&self) -> usize {
        0
    }

    /// Returns true if messages for other nodes wait for the engine of a backplane, without which
    /// there may be no connection.
    #[cfg(feature = "backplane")]
    pub(crate) fn is_sending(&self) -> bool {
        self.shared_topics.as_ref().is_some_and(|shared| shared.is_sending())
    }

    #[cfg(not(feature = "backplane"))]
    #[allow(clippy::unused_self, reason = "one with shared topics may have such messages")]
    pub(crate) fn is_sending(&self) -> bool {
        false
    }

    /// Returns the number of bytes of output that a connection holds.
    #[cfg(feature = "testkit")]
    pub(crate) fn unsent(&self, id: Id) -> usize {
        self.connections.table().get(id).map_or(0, |connection| connection.output_len())
    }

    /// Returns the id of the next connection.
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
        if turn.record.stopping.is_on() {
            self.ask_to_stop(id);
        }
        id
    }

    /// Takes in a connection that was served elsewhere and has to linger.
    pub(crate) fn adopt_lingering(&mut self, transport: T, incoming: Incoming) -> Id {
        self.connections.insert(transport, incoming, None)
    }

    /// Notes an event, without acting on it.
    #[inline(always)]
    pub(crate) fn note(&mut self, id: Id, readiness: Readiness) {
        self.connections.note(id, readiness);
    }

    /// Sets the time of everything that follows.
    #[inline(always)]
    pub(crate) fn note_time(&mut self, now: Now) {
        self.connections.note_time(now);
    }

    /// Puts off timers and deadlines in the next turn, because events may be pending that have not
    /// been noted yet.
    pub(crate) fn postpone_expiry(&mut self) {
        self.is_expiry_postponed = true;
    }

    /// Returns the counters and the stopwatch, for other calls in this turn.
    pub(crate) fn instruments(&mut self) -> (&Counters, &mut Stopwatch) {
        self.connections.turn_mut().instruments()
    }

    /// Takes a task back from a worker; the next turn continues with it.
    pub(crate) fn take_back(&mut self, task: Task) {
        match task {
            Task::Job(job) => self.completed.push(job),
            Task::Offloaded(offloaded) => {
                let finished = self.offloads.finish(offloaded, &mut self.connections);
                if let Some((id, notification)) = finished {
                    self.notify(Id::NOBODY, id, notification);
                }
            }
        }
    }

    /// Notes that workers do this number of pieces of offloaded work after those of others. Others
    /// get their room.
    pub(crate) fn note_postponed(&mut self, count: usize) {
        self.offloads.note_postponed(count, &mut self.connections);
    }

    /// Takes a handler back without its call: the server ends.
    pub(crate) fn recover(&mut self, job: Job) {
        if let Some(connection) = self.connections.get_mut(job.id) {
            connection.take_back(job);
        }
    }

    /// Receives messages of other shards, each with the index of its sender.
    pub(crate) fn receive(&mut self, messages: impl IntoIterator<Item = (usize, ShardMessage)>) {
        #[cfg(feature = "backplane")]
        let messages = messages.into_iter().inspect(|(_, message)| {
            if let Some(shared) = &mut self.shared_topics {
                shared.note_message(message);
            }
        });
        self.shards.receive(messages);
    }

    /// Asks the connection that waits longest for its peer to give way to a new one, in the next
    /// turn. Returns false if there is none.
    pub(crate) fn make_room(&mut self) -> bool {
        self.crowd.ask(&mut self.connections)
    }

    /// Returns the time at which [`make_room`](Hub::make_room) may succeed, in milliseconds. `None`
    /// while a connection has been asked.
    pub(crate) fn room_due_ms(&self) -> Option<u64> {
        self.crowd.due_ms(&self.connections)
    }

    /// Runs a task every `period_ms` from now on.
    pub(crate) fn every(&mut self, period_ms: u64, task: PeriodicTask) {
        self.tasks.add(period_ms, task, self.connections.turn().record.now.millis());
    }

    /// Makes [`take_departed`](Hub::take_departed) return closed connections from now on.
    pub(crate) fn note_departures(&mut self) {
        self.connections.watch_departures();
    }
}

/// The hub's output to the reactor.
impl<T: Transport> Hub<T> {
    /// Returns the time of the next turn without an event, in milliseconds since the server's
    /// start: `Some(0)` if work is left now, `None` if none is due.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        let is_due = !self.connections.is_idle()
            || self.topics.is_busy()
            || !self.dials.is_empty()
            || !self.completed.is_empty()
            || self.shards.has_inbox()
            || self.connections.turn().pending.has_gated()
            || self.is_expiry_postponed;
        if is_due {
            return Some(0);
        }
        let due_ms = match (self.connections.next_ms(), self.tasks.due_ms()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        #[cfg(feature = "backplane")]
        if let Some(shared) = &self.shared_topics {
            return due_ms.into_iter().chain(shared.due_ms()).min();
        }
        due_ms
    }

    /// Returns true if there are tasks for workers, or connections whose peers have left.
    pub(crate) fn has_tasks(&self) -> bool {
        self.connections.turn().pending.has_tasks()
    }

    pub(crate) fn take_tasks(&mut self) -> Vec<Task> {
        self.connections.turn_mut().take_tasks()
    }

    /// Takes the connections whose peers have left while they may have tasks with the workers.
    pub(crate) fn take_left(&mut self) -> Vec<(Id, Departure)> {
        self.connections.turn_mut().take_left()
    }

    /// Takes the connections that have left the table, with their sockets.
    pub(crate) fn take_departed(&mut self) -> Vec<(Id, T)> {
        self.connections.take_departed()
    }

    /// Returns the number of requested connections.
    pub(crate) fn dials(&self) -> usize {
        self.dials.len()
    }

    /// Returns the requested connections.
    pub(crate) fn dials_mut(&mut self) -> &mut Vec<Dial> {
        &mut self.dials
    }

    /// Returns true if messages of other shards are waiting.
    pub(crate) fn has_mail(&self) -> bool {
        self.shards.has_inbox()
    }

    /// Returns the messages for other shards.
    pub(crate) fn outboxes(&mut self) -> impl Iterator<Item = (usize, &mut Vec<ShardMessage>)> {
        self.shards.outboxes()
    }
}

/// The topics that span several nodes.
#[cfg(feature = "backplane")]
impl<T: Transport> Hub<T> {
    /// Shares topics with other nodes.
    pub(crate) fn share_topics(&mut self, sharing: Sharing) {
        self.shared_topics =
            Some(Box::new(SharedTopics::new(sharing, self.connections.turn().record.now)));
    }

    fn desk(&mut self) -> Option<Desk<'_, T>> {
        self.shared_topics.as_deref_mut().map(|shared| Desk {
            shared,
            topics: &mut self.topics,
            shards: &mut self.shards,
            connections: &mut self.connections,
        })
    }

    /// Returns the state of the shared topics, for simulations.
    #[cfg(feature = "testkit")]
    pub(crate) fn shared_topics(&self) -> Option<&SharedTopics> {
        self.shared_topics.as_deref()
    }
}

/// The turn.
impl<T: Transport> Hub<T> {
    /// Gives each ready connection one pass.
    pub(crate) fn turn(&mut self) {
        if !std::mem::take(&mut self.is_expiry_postponed) {
            self.connections.expire();
        }
        self.catch_up();
        self.connections.turn_mut().renew();
        let batch = self.connections.start_batch();
        for id in &batch {
            self.connections.pass(*id);
            self.settle_pending();
        }
        #[cfg(feature = "backplane")]
        if let Some(mut desk) = self.desk() {
            desk.tend();
            self.settle_pending();
        }
        if self.topics.is_busy() {
            self.courier.run(&mut self.topics, &mut self.connections);
            self.settle_pending();
        }
        if let Some(first) = batch.first() {
            self.connections.report_if_slow(*first, batch.len());
        }
        self.connections.finish_batch(batch);
        self.connections.reap();
        self.connections.turn_mut().finish();
        #[cfg(debug_assertions)]
        {
            #[cfg(feature = "backplane")]
            let shared = self.shared_topics.as_ref().map(|it| it.throttled()).unwrap_or_default();
            #[cfg(not(feature = "backplane"))]
            let shared = Vec::new();
            check::invariants(&self.connections, &self.topics, &self.shards, shared);
        }
    }

    /// Checks that no connection is forgotten: none has readable input or writable output,
    /// according to its transport. Holds when all events have been noted and nothing is due.
    #[cfg(all(debug_assertions, feature = "testkit"))]
    pub(crate) fn check_rest(
        &self,
        is_readable: impl Fn(&T) -> bool,
        is_writable: impl Fn(&T) -> bool,
    ) {
        check::rest(&self.connections, is_readable, is_writable);
    }

    /// Continues with work left for this turn, and with messages of other shards.
    #[inline(always)]
    fn catch_up(&mut self) {
        if !self.completed.is_empty() {
            self.resume_completed();
        }
        if self.tasks.is_due(self.connections.turn().record.now.millis()) {
            self.tasks.run(self.connections.turn_mut());
        }
        if self.connections.turn().pending.has_gated() {
            self.connections.ungate();
        }
        if self.shards.has_inbox() {
            self.handle_inbox();
        }
        self.settle_pending();
    }

    /// Continues with handlers that have returned from workers.
    #[cold]
    fn resume_completed(&mut self) {
        let mut completed = std::mem::take(&mut self.completed);
        for job in completed.drain(..) {
            self.connections.resume(job);
            self.settle_pending();
        }
        self.completed = completed;
    }

    /// Stops every connection, after its current message.
    pub(crate) fn stop(&mut self, stopping: Stopping) {
        self.connections.turn_mut().record.stopping = stopping;
        #[cfg(feature = "backplane")]
        if let Some(mut desk) = self.desk() {
            desk.stop();
            self.settle_pending();
        }
        for id in self.connections.table().ids() {
            self.ask_to_stop(id);
        }
    }

    fn ask_to_stop(&mut self, id: Id) {
        #[cfg(feature = "backplane")]
        if self.shared_topics.as_ref().is_some_and(|it| it.link() == Some(id)) {
            // It ends after the last client.
            return;
        }
        if let Some(connection) = self.connections.get_mut(id) {
            connection.ask_to_stop();
            self.connections.queue(id);
        }
    }

    /// Ends every connection at once. Handlers that are here run `on_close` here, or with
    /// [`Executor::Pool`] in tasks that are then passed to [`finish_abort`](Hub::finish_abort).
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

    /// Takes the handlers whose tasks have run `on_close`. Connections whose handlers are still
    /// with workers are not awaited: they end without `on_close`.
    pub(crate) fn finish_abort(&mut self, told: impl IntoIterator<Item = Job>) {
        for job in told {
            self.connections.resume(job);
            self.settle_pending();
        }
        self.connections.abandon();
        panics::drop_quietly(std::mem::take(&mut self.dials));
    }
}
