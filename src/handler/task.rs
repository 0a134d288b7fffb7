//! The contract of periodic tasks. Must not know clocks or connections.

use std::any::Any;
use std::fmt;

use crate::handler::Handler;
use crate::handler::effect::{Dial, Effect, Purpose, Record};
use crate::handler::payload::Payload;
use crate::id::Id;
use crate::net::to_destination::ToDestination;
use crate::now::Now;
use crate::topic::Topic;

/// A periodic task of a server.
pub(crate) type PeriodicTask = Box<dyn FnMut(&mut TaskContext<'_>) + Send>;

/// The context of a periodic task: the argument of the closure of
/// [`Server::every`](crate::Server::every). Its methods are those of [`Context`](crate::Context)
/// that concern other connections; they record effects and never fail.
///
/// ```
/// use socketserver::testkit::Network;
/// use socketserver::{Close, Context, Handler, Limits, Topic};
/// use std::time::Duration;
///
/// struct Listener;
///
/// impl Handler for Listener {
///     fn on_open(&mut self, cx: &mut Context<'_>) {
///         cx.join(&Topic::new("clock"));
///     }
///
///     fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
///         Ok(input.len())
///     }
/// }
///
/// let mut network = Network::new(Limits::default());
/// network.every(Duration::from_secs(10), |cx| {
///     cx.publish(&Topic::new("clock"), format!("{} s\n", cx.now().elapsed().as_secs()));
/// });
/// let listener = network.connect(Listener);
/// network.advance(Duration::from_secs(25));
/// assert_eq!(network.received(listener), b"10 s\n20 s\n");
/// ```
pub struct TaskContext<'a> {
    record: &'a mut Record,
}

impl TaskContext<'_> {
    pub(crate) fn new(record: &mut Record) -> TaskContext<'_> {
        TaskContext { record }
    }

    /// Returns the time at which this turn began.
    #[must_use]
    pub fn now(&self) -> Now {
        self.record.now
    }

    /// Returns true if the server is stopping.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.record.stopping.is_on()
    }

    /// Sends bytes to a connection: see [`Context::send`](crate::Context::send).
    pub fn send(&mut self, to: Id, bytes: impl Into<Payload>) {
        self.record.effects.push(Effect::Send(to, bytes.into().into_bytes()));
    }

    /// Sends a value to the handler of a connection: see
    /// [`Context::notify`](crate::Context::notify). If the connection has ended, nothing happens.
    pub fn notify(&mut self, to: Id, message: impl Any + Send) {
        self.record.effects.push(Effect::Notify(to, Box::new(message)));
    }

    /// Sends bytes to all members of a topic: see [`Context::publish`](crate::Context::publish). A
    /// task is not slowed down, so it must not publish faster than the members read.
    pub fn publish(&mut self, topic: &Topic, bytes: impl Into<Payload>) {
        self.record.effects.push(Effect::Publish(topic.clone(), bytes.into()));
    }

    /// Connects to `to`: see [`Context::connect`](crate::Context::connect).
    pub fn connect(&mut self, to: impl ToDestination, handler: impl Handler + 'static) {
        let dial = Dial {
            from: Id::NOBODY,
            to: to.target(),
            handler: handler.into_box(),
            purpose: Purpose::Service,
        };
        self.record.effects.push(Effect::Connect(Box::new(dial)));
    }
}

impl fmt::Debug for TaskContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskContext").field("now", &self.record.now).finish_non_exhaustive()
    }
}
