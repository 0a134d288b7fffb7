//! The second part of [`Context`]: other connections, and topics.

use std::any::Any;

use super::Context;
use crate::handler::Handler;
use crate::handler::effect::{Delivery, Dial, Effect};
use crate::handler::payload::Payload;
use crate::id::Id;
use crate::net::to_destination::ToDestination;
use crate::topic::Topic;

/// Other connections.
impl Context<'_> {
    /// Sends bytes to another connection of this server. If it has ended, nothing happens.
    pub fn send(&mut self, to: Id, bytes: impl Into<Payload>) {
        self.record.effects.push(Effect::Send(to, bytes.into().into_bytes()));
    }

    /// Sends bytes to another connection of this server, at the pace of its peer: while the output
    /// of the other one is above [`Limits::output_high`](crate::Limits::output_high), this one is
    /// not read. A proxy forwards in both directions.
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

    /// Connects to `to`. When the connection is made, `handler` serves it like an accepted one: its
    /// [`on_open`](Handler::on_open) is called. If it cannot be made within
    /// [`Limits::connect`](crate::Limits::connect), its [`on_unreachable`](Handler::on_unreachable)
    /// is called instead. Names are looked up off the loop, and every address of a name is tried.
    ///
    /// [`ToDestination`] lists all types of `to`.
    pub fn connect(&mut self, to: impl ToDestination, handler: impl Handler + 'static) {
        let dial = Dial { to: to.target(), handler: handler.into_box() };
        self.record.effects.push(Effect::Connect(Box::new(dial)));
    }
}

/// Topics.
impl Context<'_> {
    /// Makes this connection a member of `topic`: messages that others publish there are sent to
    /// its peer, until it [leaves](Context::leave) or ends. Joining twice is joining once.
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

    /// The same, but messages come to this handler's [`on_notify`](Handler::on_notify), as
    /// [`Notification::Published`](crate::Notification::Published), and not to its peer. The later
    /// of `join` and `subscribe` decides. Messages that wait for a handler count against
    /// [`Limits::output_hard`](crate::Limits::output_hard) as output does.
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

    /// Ends the membership, however it began. Messages that were published before still arrive.
    pub fn leave(&mut self, topic: &Topic) {
        self.record.effects.push(Effect::Leave(topic.clone()));
    }

    /// Sends bytes, which should be one or more whole messages, to every other member of `topic`;
    /// the publisher need not be one. Each connection that is a member now gets them once, after
    /// everything written and sent to it in this turn, and in the order of publishing to this
    /// topic. A member whose output is above [`Limits::output_hard`](crate::Limits::output_hard)
    /// meets [`Limits::slow_consumer`](crate::Limits::slow_consumer) instead. A publisher that is
    /// faster than its topic can be served is not read until the topic has caught up.
    pub fn publish(&mut self, topic: &Topic, bytes: impl Into<Payload>) {
        self.record.effects.push(Effect::Publish(topic.clone(), bytes.into().into_bytes()));
    }
}
