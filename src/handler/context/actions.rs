//! The second part of [`Context`]: timers, work, other connections, and topics.

use std::any::Any;
use std::time::Duration;

use super::Context;
use crate::handler::Handler;
#[cfg(feature = "backplane")]
use crate::handler::effect::LinkEvent;
use crate::handler::effect::{Delivery, Dial, Effect, Purpose};
use crate::handler::notification::Ticket;
use crate::handler::payload::Payload;
#[cfg(feature = "backplane")]
use crate::handler::presence::Request;
use crate::id::Id;
use crate::net::to_destination::ToDestination;
use crate::now;
use crate::topic::Topic;

/// Time, and work that blocks.
impl Context<'_> {
    /// Calls [`Handler::on_timer`] with `key` once, `delay` from now, in steps of one millisecond.
    /// A connection may have any number of timers, each with its own key; a timer with a key that
    /// is set already replaces the earlier one. Timers end with the connection.
    ///
    /// ```
    /// use socketserver::testkit::Network;
    /// use socketserver::{Close, Context, Handler, Limits};
    /// use std::time::Duration;
    ///
    /// const PING: u64 = 1;
    /// const TOO_LATE: u64 = 2;
    ///
    /// struct Pinger;
    ///
    /// impl Handler for Pinger {
    ///     fn on_open(&mut self, cx: &mut Context<'_>) {
    ///         cx.set_interval(PING, Duration::from_secs(10));
    ///         cx.set_timer(TOO_LATE, Duration::from_secs(25));
    ///     }
    ///
    ///     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
    ///         cx.set_timer(TOO_LATE, Duration::from_secs(25));
    ///         Ok(input.len())
    ///     }
    ///
    ///     fn on_timer(&mut self, key: u64, cx: &mut Context<'_>) {
    ///         match key {
    ///             PING => cx.write_str("ping\n"),
    ///             _ => cx.close(Close::Done),
    ///         }
    ///     }
    /// }
    ///
    /// let mut network = Network::new(Limits::default());
    /// let client = network.connect(Pinger);
    /// network.advance(Duration::from_secs(30));
    /// assert_eq!(network.received(client), b"ping\nping\n");
    /// assert!(network.is_closed(client));
    /// ```
    pub fn set_timer(&mut self, key: u64, delay: Duration) {
        let at_ms = self.in_ms(delay);
        self.record.effects.push(Effect::SetTimer { key, at_ms, period_ms: None });
    }

    /// Calls [`Handler::on_timer`] with `key` every `period`, until the timer is set again or
    /// [cancelled](Context::cancel_timer). Calls do not drift: each is due a multiple of `period`
    /// from now. If a call is so late that others are due, these are skipped. The shortest period
    /// is one millisecond. [`set_timer`](Context::set_timer) has an example.
    pub fn set_interval(&mut self, key: u64, period: Duration) {
        let period = period.max(Duration::from_millis(1));
        let (at_ms, period_ms) = (self.in_ms(period), Some(now::millis(period)));
        self.record.effects.push(Effect::SetTimer { key, at_ms, period_ms });
    }

    /// Cancels a timer or an interval: [`Handler::on_timer`] is not called for it, even if it is
    /// due. A key without a timer has no effect.
    ///
    /// ```
    /// use socketserver::testkit::Network;
    /// use socketserver::{Close, Context, Handler, Limits};
    /// use std::time::Duration;
    ///
    /// const LOGIN: u64 = 1;
    ///
    /// /// Ends the connection unless its input begins within ten seconds.
    /// struct Session;
    ///
    /// impl Handler for Session {
    ///     fn on_open(&mut self, cx: &mut Context<'_>) {
    ///         cx.set_timer(LOGIN, Duration::from_secs(10));
    ///     }
    ///
    ///     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
    ///         cx.cancel_timer(LOGIN);
    ///         Ok(input.len())
    ///     }
    ///
    ///     fn on_timer(&mut self, _: u64, cx: &mut Context<'_>) {
    ///         cx.close(Close::Done);
    ///     }
    /// }
    ///
    /// let mut network = Network::new(Limits::default());
    /// let (silent, active) = (network.connect(Session), network.connect(Session));
    /// network.send(active, b"ann");
    /// network.advance(Duration::from_secs(11));
    /// assert!(network.is_closed(silent));
    /// assert!(!network.is_closed(active));
    /// ```
    pub fn cancel_timer(&mut self, key: u64) {
        self.record.effects.push(Effect::CancelTimer(key));
    }

    fn in_ms(&self, delay: Duration) -> u64 {
        now::millis(self.record.now.elapsed().saturating_add(delay))
    }

    /// Runs `work`, which may block, on a worker thread. This handler's
    /// [`on_notify`](Handler::on_notify) receives the result as
    /// [`Notification::Finished`](crate::Notification::Finished), with the ticket that this method
    /// returns. The work of one connection runs in order, one piece at a time; if a piece panics,
    /// the connection ends. A handler that needs the result before more input
    /// [pauses](Context::pause).
    ///
    /// In [`Mode::Threads`](crate::Mode::Threads) the workers of the handlers do the work; other
    /// modes have [`Limits::offload_workers`](crate::Limits::offload_workers) threads for it. If
    /// the system cannot start any thread for 5 s, the connection ends with
    /// [`Close::Failed`](crate::Close::Failed), and the server continues.
    ///
    /// ```
    /// use socketserver::testkit::Network;
    /// use socketserver::{Close, Context, Handler, Limits, Notification};
    /// use std::io;
    ///
    /// /// Answers the name of a file with the number of its lines.
    /// struct Lines;
    ///
    /// impl Handler for Lines {
    ///     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
    ///         let path = String::from_utf8_lossy(input).trim().to_owned();
    ///         cx.pause();
    ///         cx.offload(move || std::fs::read_to_string(path).map(|text| text.lines().count()));
    ///         Ok(input.len())
    ///     }
    ///
    ///     fn on_notify(&mut self, notification: Notification, cx: &mut Context<'_>) {
    ///         match notification.downcast::<io::Result<usize>>() {
    ///             Ok(Ok(count)) => writeln!(cx, "{count} lines"),
    ///             _ => cx.write_str("no such file\n"),
    ///         }
    ///         cx.resume();
    ///     }
    /// }
    ///
    /// let mut network = Network::new(Limits::default());
    /// let client = network.connect(Lines);
    /// network.send(client, b"/no/such/file\n");
    /// network.settle();
    /// assert_eq!(network.received(client), b"no such file\n");
    /// ```
    pub fn offload<R: Any + Send>(&mut self, work: impl FnOnce() -> R + Send + 'static) -> Ticket {
        let ticket = Ticket::next();
        self.record.effects.push(Effect::Offload(ticket, Box::new(move || Box::new(work()))));
        ticket
    }

    /// Passes on an event of the connection to the engine of a backplane.
    #[cfg(feature = "backplane")]
    pub(crate) fn note_link(&mut self, attempt: u64, event: LinkEvent) {
        self.record.effects.push(Effect::Link(attempt, event));
    }

    /// Asks about names that all nodes share. The answer is a notification with a
    /// [`presence::Answered`](crate::handler::presence::Answered).
    #[cfg(feature = "backplane")]
    pub(crate) fn ask_presence(&mut self, request: Request) -> Ticket {
        let ticket = Ticket::next();
        self.record.effects.push(Effect::Presence(ticket, Box::new(request)));
        ticket
    }
}

/// Other connections.
impl Context<'_> {
    /// Sends bytes to the peer of another connection of this server. Has no effect if that
    /// connection has ended. [`forward`](Context::forward) also limits the pace.
    ///
    /// ```
    /// use socketserver::testkit::Network;
    /// use socketserver::{Close, Context, Handler, Id, Limits};
    ///
    /// /// Sends its input to the peer of another connection.
    /// struct Sender(Option<Id>);
    ///
    /// impl Handler for Sender {
    ///     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
    ///         if let Some(other) = self.0 {
    ///             cx.send(other, &*input);
    ///         }
    ///         Ok(input.len())
    ///     }
    /// }
    ///
    /// let mut network = Network::new(Limits::default());
    /// let ann = network.connect(Sender(None));
    /// let bob = network.connect(Sender(Some(network.id(ann))));
    /// network.send(bob, b"hello");
    /// network.settle();
    /// assert_eq!(network.received(ann), b"hello");
    /// ```
    pub fn send(&mut self, to: Id, bytes: impl Into<Payload>) {
        self.record.effects.push(Effect::Send(to, bytes.into().into_bytes()));
    }

    /// Sends bytes as [`send`](Context::send) does, at the pace of the receiver: this connection is
    /// not read while the output of the other one is above
    /// [`Limits::output_high`](crate::Limits::output_high). A proxy forwards in both directions.
    pub fn forward(&mut self, to: Id, bytes: impl Into<Payload>) {
        self.record.effects.push(Effect::Forward(to, bytes.into().into_bytes()));
    }

    /// Sends a value of any type to the handler of another connection of this server: its
    /// [`on_notify`](Handler::on_notify) is called in the next turn with a
    /// [`Notification::Message`](crate::Notification::Message). If the connection has ended by
    /// then, the value comes back as
    /// [`Notification::Undelivered`](crate::Notification::Undelivered).
    ///
    /// ```
    /// use socketserver::testkit::Network;
    /// use socketserver::{Close, Context, Handler, Id, Limits, Notification};
    ///
    /// /// Reports the length of its input to another connection.
    /// struct Counter(Option<Id>);
    ///
    /// impl Handler for Counter {
    ///     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
    ///         if let Some(other) = self.0 {
    ///             cx.notify(other, input.len());
    ///         }
    ///         Ok(input.len())
    ///     }
    ///
    ///     fn on_notify(&mut self, notification: Notification, cx: &mut Context<'_>) {
    ///         if let Ok(count) = notification.downcast::<usize>() {
    ///             write!(cx, "{count} bytes");
    ///         }
    ///     }
    /// }
    ///
    /// let mut network = Network::new(Limits::default());
    /// let ann = network.connect(Counter(None));
    /// let bob = network.connect(Counter(Some(network.id(ann))));
    /// network.send(bob, b"12345");
    /// network.settle();
    /// assert_eq!(network.received(ann), b"5 bytes");
    /// ```
    pub fn notify(&mut self, to: Id, message: impl Any + Send) {
        self.record.effects.push(Effect::Notify(to, Box::new(message)));
    }

    /// Connects to `to`. When the connection is established, `handler` serves it like an accepted
    /// one: its [`on_open`](Handler::on_open) is called. If that fails, or takes longer than
    /// [`Limits::connect`](crate::Limits::connect), its [`on_unreachable`](Handler::on_unreachable)
    /// is called instead. Names are looked up off the loop, and every address of a name is tried.
    ///
    /// [`ToDestination`] lists all types of `to`.
    pub fn connect(&mut self, to: impl ToDestination, handler: impl Handler + 'static) {
        let dial = Dial {
            from: self.id,
            to: to.target(),
            handler: handler.into_box(),
            purpose: Purpose::Service,
        };
        self.record.effects.push(Effect::Connect(Box::new(dial)));
    }
}

/// Topics.
impl Context<'_> {
    /// Makes this connection a member of `topic`: messages that others publish there are sent to
    /// its peer, until it [leaves](Context::leave) or ends. A second call has no effect.
    ///
    /// ```
    /// use socketserver::testkit::Network;
    /// use socketserver::{Close, Context, Handler, Limits, Topic};
    ///
    /// /// Publishes its input to all other members.
    /// struct Member(Topic);
    ///
    /// impl Handler for Member {
    ///     fn on_open(&mut self, cx: &mut Context<'_>) {
    ///         cx.join(&self.0);
    ///     }
    ///
    ///     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
    ///         cx.publish(&self.0, &*input);
    ///         Ok(input.len())
    ///     }
    ///
    ///     fn on_close(&mut self, _: &Close, cx: &mut Context<'_>) {
    ///         cx.publish(&self.0, "a member left\n");
    ///     }
    /// }
    ///
    /// let topic = Topic::new("lobby");
    /// let mut network = Network::new(Limits::default());
    /// let [ann, bob] = [(); 2].map(|()| network.connect(Member(topic.clone())));
    /// network.settle();
    /// network.send(ann, b"hello\n");
    /// network.settle();
    /// assert_eq!(network.received(bob), b"hello\n");
    /// assert_eq!(network.received(ann), b"");
    ///
    /// network.shut(ann);
    /// network.settle();
    /// assert_eq!(network.received(bob), b"a member left\n");
    /// ```
    pub fn join(&mut self, topic: &Topic) {
        self.record.effects.push(Effect::Join(topic.clone(), Delivery::Output));
    }

    /// Makes this connection a member of `topic`, as [`join`](Context::join) does, but messages go
    /// to this handler's [`on_notify`](Handler::on_notify), as
    /// [`Notification::Published`](crate::Notification::Published), and not to its peer. The last
    /// call of `join` or `subscribe` decides. Messages that wait for a handler count against
    /// [`Limits::output_hard`](crate::Limits::output_hard), as output does.
    ///
    /// ```
    /// use socketserver::testkit::Network;
    /// use socketserver::{Close, Context, Handler, Limits, Notification, Topic};
    ///
    /// /// Sends the messages of a topic as numbered lines.
    /// struct Reader(usize);
    ///
    /// impl Handler for Reader {
    ///     fn on_open(&mut self, cx: &mut Context<'_>) {
    ///         cx.subscribe(&Topic::new("news"));
    ///     }
    ///
    ///     fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
    ///         Ok(input.len())
    ///     }
    ///
    ///     fn on_notify(&mut self, notification: Notification, cx: &mut Context<'_>) {
    ///         if let Notification::Published(topic, message) = notification {
    ///             self.0 += 1;
    ///             write!(cx, "{topic} {}: {}\n", self.0, message.escape_ascii());
    ///         }
    ///     }
    /// }
    ///
    /// let mut network = Network::new(Limits::default());
    /// let reader = network.connect(Reader(0));
    /// network.settle();
    /// network.publish(&Topic::new("news"), b"rain");
    /// network.publish(&Topic::new("news"), b"sun");
    /// network.settle();
    /// assert_eq!(network.received(reader), b"news 1: rain\nnews 2: sun\n");
    /// ```
    pub fn subscribe(&mut self, topic: &Topic) {
        self.record.effects.push(Effect::Join(topic.clone(), Delivery::Handler));
    }

    /// Makes this connection a member of `topic` that gets no messages: the topic is watched for
    /// its sake.
    #[cfg(all(feature = "backplane", feature = "chat-web"))]
    pub(crate) fn attend(&mut self, topic: &Topic) {
        self.record.effects.push(Effect::Join(topic.clone(), Delivery::Nothing));
    }

    /// Ends a membership, whether it began by [`join`](Context::join) or by
    /// [`subscribe`](Context::subscribe). Messages that were published before still arrive.
    pub fn leave(&mut self, topic: &Topic) {
        self.record.effects.push(Effect::Leave(topic.clone()));
    }

    /// Sends bytes, which should be one or more whole messages, to every other member of `topic`;
    /// the publisher need not be a member. [`join`](Context::join) has an example.
    ///
    /// Each current member receives the bytes once, after all output written and sent to it in this
    /// turn, and in the order of publishing to this topic. For a member whose output is above
    /// [`Limits::output_hard`](crate::Limits::output_hard),
    /// [`Limits::slow_consumer`](crate::Limits::slow_consumer) applies instead. A publisher that is
    /// faster than its topic is not read until the topic has caught up.
    pub fn publish(&mut self, topic: &Topic, bytes: impl Into<Payload>) {
        self.record.effects.push(Effect::Publish(topic.clone(), bytes.into()));
    }
}
