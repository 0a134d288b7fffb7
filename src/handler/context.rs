//! What a handler may ask for: the recording half of the contract. Knows no socket, no clock and
//! no table of connections.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use crate::close::Close;
use crate::handler::Handler;
use crate::id::Id;
use crate::net::address::Address;
use crate::net::local::LocalAddresses;
use crate::net::peer::Peer;
use crate::net::to_destination::ToDestination;
use crate::net::to_destination::sealed::Target;
use crate::now;
use crate::now::Now;
use crate::topic::Topic;

/// What one handler tells another: a value of any type, to be
/// [downcast](Box::downcast) by who gets it.
pub type Notification = Box<dyn Any + Send>;

/// The [note](Context::notify) that comes back when one could not be passed on, because its
/// receiver had ended or did so before it was told.
///
/// Who forwards to, or waits for, another connection learns from it that there is nobody.
#[derive(Debug)]
pub struct Undelivered {
    /// Who was to be told.
    pub to: Id,
    /// What.
    pub note: Notification,
}

/// A recorded wish of a handler. It is applied after the handler has returned, so nothing a
/// handler asks for can pull the ground from under its own feet.
pub(crate) enum Effect {
    Close(Close),
    /// Ends it at once, by a reset.
    Reset(Close),
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
    Finish,
    Forward(Id, Box<[u8]>),
    Notify(Id, Notification),
    Connect(Box<Dial>),
    Offload(Work),
}

/// A piece of work that is done off the loop, and what comes of it.
pub(crate) type Work = Box<dyn FnOnce() -> Notification + Send>;

/// A connection that is wanted, and who is to serve it.
pub(crate) struct Dial {
    pub(crate) to: Target,
    pub(crate) handler: Box<dyn Handler>,
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
    /// The local addresses: that of this connection is looked up when the handler asks for it.
    pub(crate) locals: Box<LocalAddresses>,
    /// Whole messages that a protocol has found, until they are counted.
    pub(crate) messages: u64,
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

    /// What has been recorded so far, for who looks over a handler's shoulder.
    pub(crate) fn record(&mut self) -> &mut Record {
        self.record
    }

    /// This connection.
    pub fn id(&self) -> Id {
        self.id
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &'a Peer {
        self.peer
    }

    /// Returns the local address of this connection: the one that the peer has connected to, or
    /// that a connection to another server comes from. For a listener on all addresses of the host
    /// (`0.0.0.0`, `[::]`) it is the one of them that the peer has used.
    ///
    /// A Unix socket that has no name, as that of a connection to another server, is
    /// [`Address::Unix`] with an empty path; so is the address of a connection that could not be
    /// made, and of one on [`testkit::Network`](crate::testkit::Network).
    #[must_use]
    pub fn local_address(&self) -> &Address {
        self.record.locals.current()
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

    /// Sends `bytes` to another connection of this server and slows this one down to its pace:
    /// while the other's output is above [`Limits::output_high`](crate::Limits::output_high),
    /// this one is not read. What a proxy does in both directions.
    pub fn forward(&mut self, to: Id, bytes: impl Into<Box<[u8]>>) {
        self.record.effects.push(Effect::Forward(to, bytes.into()));
    }

    /// Tells another handler of this server something: its
    /// [`on_notify`](crate::Handler::on_notify) is called in the next turn, with `note` boxed. If it
    /// has gone by then, the note comes back as [`Undelivered`](crate::Undelivered).
    ///
    /// ```
    /// use socketserver::testkit::Network;
    /// use socketserver::{Close, Context, Handler, Id, Limits, Notification};
    ///
    /// /// Tells the one before it how many bytes came.
    /// struct Counts(Option<Id>);
    ///
    /// impl Handler for Counts {
    ///     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
    ///         if let Some(other) = self.0 {
    ///             cx.notify(other, input.len());
    ///         }
    ///         Ok(input.len())
    ///     }
    ///
    ///     fn on_notify(&mut self, note: Notification, cx: &mut Context<'_>) {
    ///         if let Ok(count) = note.downcast::<usize>() {
    ///             cx.write(format!("{count} bytes").as_bytes());
    ///         }
    ///     }
    /// }
    ///
    /// let mut network = Network::new(Limits::default());
    /// let ann = network.connect(Counts(None));
    /// let bob = network.connect(Counts(Some(network.id(ann))));
    /// network.send(bob, b"12345");
    /// network.settle();
    /// assert_eq!(network.received(ann), b"5 bytes");
    /// ```
    pub fn notify(&mut self, to: Id, note: impl Any + Send) {
        self.record.effects.push(Effect::Notify(to, Box::new(note)));
    }

    /// Has `work`, which may block, done by a worker; this handler's
    /// [`on_notify`](crate::Handler::on_notify) gets what it returns. Works of one connection are
    /// done one after the other, in order; if one panics, the connection ends. A handler that must
    /// not go on without the result [pauses](Context::pause) until it is there.
    ///
    /// In [`Mode::Threads`](crate::Mode::Threads) the workers are those of the handlers, in other
    /// modes there are [`Limits::offload_workers`](crate::Limits::offload_workers). While the system
    /// has no thread for any worker, the work waits; after 5 s its connection ends, with
    /// [`Close::Failed`], and the server goes on.
    ///
    /// ```
    /// use socketserver::testkit::Network;
    /// use socketserver::{Close, Context, Handler, Limits, Notification};
    ///
    /// /// Tells how many lines a file has.
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
    ///     fn on_notify(&mut self, note: Notification, cx: &mut Context<'_>) {
    ///         let answer = match note.downcast::<std::io::Result<usize>>().map(|count| *count) {
    ///             Ok(Ok(count)) => format!("{count} lines\n"),
    ///             _ => "no such file\n".to_owned(),
    ///         };
    ///         cx.write(answer.as_bytes());
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
    pub fn offload<R: Any + Send>(&mut self, work: impl FnOnce() -> R + Send + 'static) {
        self.record.effects.push(Effect::Offload(Box::new(move || Box::new(work()))));
    }

    /// Connects to `to`. Once that is made, `handler` serves the connection as it would an
    /// accepted one: its [`on_open`](crate::Handler::on_open) is called. If it cannot be made in
    /// [`Limits::connect`](crate::Limits::connect), its
    /// [`on_unreachable`](crate::Handler::on_unreachable) is called instead. Names are looked
    /// up without holding up the loop, and every address of the name is tried.
    /// See [`ToDestination`] for all that `to` may be.
    pub fn connect(&mut self, to: impl ToDestination, handler: impl Handler + 'static) {
        let dial = Dial { to: to.target(), handler: handler.into_box() };
        self.record.effects.push(Effect::Connect(Box::new(dial)));
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
        self.record.effects.push(Effect::Upgrade(to.into_box()));
    }

    /// Ends the connection for the reason `why`, once everything written has been sent.
    pub fn close(&mut self, why: Close) {
        self.record.halted = true;
        self.record.effects.push(Effect::Close(why));
    }

    /// Ends the connection at once for the reason `why`: output that has not been sent is dropped,
    /// and the peer sees that it was cut off (a TCP reset; on a Unix socket, an end). A proxy does so
    /// when the connection behind it was cut.
    ///
    /// ```
    /// use socketserver::testkit::Network;
    /// use socketserver::{Close, Context, Handler, Limits};
    ///
    /// struct Strict;
    ///
    /// impl Handler for Strict {
    ///     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
    ///         cx.reset(Close::failed("not welcome"));
    ///         Ok(input.len())
    ///     }
    /// }
    ///
    /// let mut network = Network::new(Limits::default());
    /// let client = network.connect(Strict);
    /// network.send(client, b"hello");
    /// network.settle();
    /// assert!(network.is_reset(client));
    /// ```
    pub fn reset(&mut self, why: Close) {
        self.record.halted = true;
        self.record.effects.push(Effect::Reset(why));
    }

    /// Sends no more: once everything written has been sent, the peer is told the end (a
    /// half-close). It may go on sending, and is heard; the connection ends when it has ended,
    /// too. What is written, sent or published to it after this goes nowhere.
    pub fn finish(&mut self) {
        self.record.effects.push(Effect::Finish);
    }

    /// A protocol has found a message.
    pub(crate) fn note_message(&mut self) {
        self.record.messages += 1;
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
