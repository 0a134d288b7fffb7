//! What a handler may ask for: the recording half of the contract. Knows no socket, no clock and
//! no table of connections.

use std::fmt;
use std::time::Duration;

use crate::{Close, Handler, Id, Now, Peer, Topic, now};

/// A recorded wish of a handler. It is applied after the handler has returned, so nothing a
/// handler asks for can pull the ground from under its own feet.
pub(crate) enum Effect {
    Close(Close),
    Pause,
    Resume,
    /// When to wake, in milliseconds of [`Now`].
    WakeAt(u64),
    /// Not to wake after all.
    CancelWake,
    Upgrade(Box<dyn Handler>),
    Send(Id, Box<[u8]>),
    Join(Topic),
    Leave(Topic),
    Publish(Topic, Box<[u8]>),
}

/// What a handler's calls leave behind, until it is applied. Empty between connections; all
/// connections of a turn share one.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) now: Now,
    pub(crate) stopping: bool,
    /// What the handler writes.
    pub(crate) out: Vec<u8>,
    /// How long `out` may get before the output mark is reached.
    pub(crate) room: usize,
    pub(crate) effects: Vec<Effect>,
    /// The handler wants no more input for now: it paused, closed or handed over.
    pub(crate) halted: bool,
}

/// All a handler may act on. It records and never fails: no method touches a socket, none
/// blocks, and a stale [`Id`] is harmless.
pub struct Context<'a> {
    id: Id,
    peer: &'a Peer,
    record: &'a mut Record,
}

impl<'a> Context<'a> {
    pub(crate) fn new(id: Id, peer: &'a Peer, record: &'a mut Record) -> Context<'a> {
        record.halted = false;
        Context { id, peer, record }
    }

    /// This connection.
    pub fn id(&self) -> Id {
        self.id
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &'a Peer {
        self.peer
    }

    /// When this turn began; the same for all that happens in it.
    pub fn now(&self) -> Now {
        self.record.now
    }

    /// Whether the server is stopping: this should be the last message of the connection.
    pub fn is_stopping(&self) -> bool {
        self.record.stopping
    }

    /// Sends `bytes` to the peer, after everything written before. It never comes up short: what
    /// the socket does not take at once is kept and sent when it does.
    pub fn write(&mut self, bytes: &[u8]) {
        self.record.out.extend_from_slice(bytes);
    }

    /// The output itself, for `write!` and for building an answer in place. It holds what this
    /// connection has written in this turn and has not sent yet.
    pub fn out(&mut self) -> &mut Vec<u8> {
        &mut self.record.out
    }

    /// Sends `bytes` to another connection of this server. If it has gone, nothing happens.
    pub fn send(&mut self, to: Id, bytes: impl Into<Box<[u8]>>) {
        self.record.effects.push(Effect::Send(to, bytes.into()));
    }

    /// Makes this connection a member of `topic`: it gets what others publish there from now on.
    /// It stays one until it [leaves](Context::leave) or ends; joining twice is joining once.
    ///
    /// ```
    /// use socketserver::testkit::Network;
    /// use socketserver::{Close, Context, Handler, Limits, Topic};
    ///
    /// /// Whatever one says, all others hear.
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
    ///         cx.publish(&self.0, *b"somebody left\n");
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
    /// assert_eq!(network.received(bob), b"somebody left\n");
    /// ```
    pub fn join(&mut self, topic: &Topic) {
        self.record.effects.push(Effect::Join(topic.clone()));
    }

    /// Ends the membership. What was published before still comes.
    pub fn leave(&mut self, topic: &Topic) {
        self.record.effects.push(Effect::Leave(topic.clone()));
    }

    /// Sends `bytes`, which should be one or more whole messages, to every other member of
    /// `topic`; the publisher need not be one. Whoever is a member now gets them once, behind
    /// what was written and sent to it in this turn, and in the order of publishing to this
    /// topic. A member whose output is above [`Limits::output_hard`](crate::Limits::output_hard)
    /// meets [`Limits::slow_consumer`](crate::Limits::slow_consumer) instead; a publisher who is
    /// faster than a large topic can be served is not read until it has been.
    pub fn publish(&mut self, topic: &Topic, bytes: impl Into<Box<[u8]>>) {
        self.record.effects.push(Effect::Publish(topic.clone(), bytes.into()));
    }

    /// Calls [`Handler::on_wake`] once, `delay` from now. A connection has one such timer: a
    /// second call moves it.
    pub fn wake_after(&mut self, delay: Duration) {
        let at = self.record.now.elapsed().saturating_add(delay);
        self.record.effects.push(Effect::WakeAt(now::millis(at)));
    }

    /// Offers this handler no more input until [`resume`](Context::resume): it is waiting for
    /// something else. The connection is not read meanwhile, so the peer is slowed down and not
    /// buffered, and no deadline but that of a stalled output runs.
    pub fn pause(&mut self) {
        self.record.halted = true;
        self.record.effects.push(Effect::Pause);
    }

    /// Takes back [`pause`](Context::pause); input left over is offered at once.
    pub fn resume(&mut self) {
        self.record.effects.push(Effect::Resume);
    }

    /// Gives the connection to another handler: what this one leaves unused of its input is
    /// the first that the other gets, after its `on_open`. This handler is dropped; the
    /// connection has not ended, so there is no `on_close`. Its timer is not inherited.
    pub fn upgrade(&mut self, to: impl Handler + 'static) {
        self.record.halted = true;
        self.record.effects.push(Effect::Upgrade(Box::new(to)));
    }

    /// Ends the connection for the reason `why`, once everything written has been sent.
    pub fn close(&mut self, why: Close) {
        self.record.halted = true;
        self.record.effects.push(Effect::Close(why));
    }

    /// Whether the handler should stop for now: it closed, paused or upgraded, or its output is
    /// above [`Limits::output_high`](crate::Limits::output_high). In the last case the input it
    /// leaves is offered again, and [`Handler::on_drain`] is called, when output has fallen
    /// to [`Limits::output_low`](crate::Limits::output_low).
    pub fn is_done(&self) -> bool {
        self.record.halted || self.record.out.len() >= self.record.room
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("id", &self.id)
            .field("peer", &self.peer)
            .field("now", &self.record.now)
            .finish_non_exhaustive()
    }
}
