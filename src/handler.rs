//! The contract between a server and the code that runs in it: what a handler is told, and what
//! it may ask for. Knows no socket, no clock and no table of connections.

use std::fmt;
use std::time::Duration;

use crate::{Close, Id, Now, Peer, now};

/// Your per-connection object, fed raw bytes.
///
/// One is made by the [`Service`] for each connection and dropped with it. It is called by one
/// thread at a time and never shared, so its fields need no lock. A call should return soon: all
/// other connections wait for it.
///
/// A handler that panics ends its own connection and nothing else.
///
/// ```
/// use socketserver::testkit::Network;
/// use socketserver::{Close, Context, Handler, Limits};
///
/// struct Shout;
///
/// impl Handler for Shout {
///     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
///         input.make_ascii_uppercase();
///         cx.write(input);
///         Ok(input.len())
///     }
/// }
///
/// let mut network = Network::new(Limits::default());
/// let client = network.connect(Shout);
/// network.send(client, b"hello");
/// network.settle();
/// assert_eq!(network.received(client), b"HELLO");
/// ```
pub trait Handler: Send {
    /// The connection was accepted. What is written here is the greeting.
    fn on_open(&mut self, cx: &mut Context<'_>) {
        let _ = cx;
    }

    /// Bytes have come. Returns how many of `input` were used; the rest is offered again with
    /// more behind it. Of what it does not use, a handler must not change a byte.
    ///
    /// # Errors
    ///
    /// What was written so far is sent; then the connection ends for this reason.
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close>;

    /// The peer will send no more, but may still read (a half-close). Input that was left unused
    /// by then is dropped. By default what is written already is sent, and then the connection
    /// ends.
    fn on_eof(&mut self, cx: &mut Context<'_>) {
        cx.close(Close::Eof);
    }

    /// Output was above [`Limits::output_high`](crate::Limits::output_high) and has fallen to
    /// [`Limits::output_low`](crate::Limits::output_low): go on with what was held back.
    fn on_drain(&mut self, cx: &mut Context<'_>) {
        let _ = cx;
    }

    /// The time asked for by [`Context::wake_after`] has come.
    fn on_wake(&mut self, cx: &mut Context<'_>) {
        let _ = cx;
    }

    /// The server is stopping and would like this connection to end. By default it does, after
    /// what is written already. A handler that still owes an answer ends the connection when it
    /// has given it; [`Limits::drain`](crate::Limits::drain) says how long it has. While
    /// input is left over, because a message is incomplete or the handler paused, this is not
    /// called yet; [`Context::is_stopping`] tells even then.
    fn on_stop(&mut self, cx: &mut Context<'_>) {
        cx.close(Close::Stopping);
    }

    /// The connection has ended: exactly once for each [`on_open`](Handler::on_open), whatever
    /// the reason. Nothing that is written here reaches the peer.
    fn on_close(&mut self, why: &Close, cx: &mut Context<'_>) {
        let _ = (why, cx);
    }
}

/// Makes a handler for each accepted peer, or refuses it: Python's `verify_request` and
/// `RequestHandlerClass` in one. There is one service per listener.
///
/// Closures are services, whether they return a handler or an `Option` of one:
///
/// ```
/// use socketserver::{Close, Context, Handler, Peer, Service};
///
/// # struct Echo;
/// # impl Handler for Echo {
/// #     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
/// #         cx.write(input);
/// #         Ok(input.len())
/// #     }
/// # }
/// let mut anybody = |_: &Peer| Echo;
/// assert!(anybody.accept(&Peer::Unix).is_some());
///
/// let mut at_home = |peer: &Peer| peer.ip().is_some_and(|ip| ip.is_loopback()).then_some(Echo);
/// assert!(at_home.accept(&Peer::Unix).is_none());
/// ```
pub trait Service: Send {
    /// The handler for `peer`, or `None` to close the connection at once.
    fn accept(&mut self, peer: &Peer) -> Option<Box<dyn Handler>>;
}

impl<F, A> Service for F
where
    F: FnMut(&Peer) -> A + Send,
    A: Admission,
{
    fn accept(&mut self, peer: &Peer) -> Option<Box<dyn Handler>> {
        self(peer).handler()
    }
}

/// What a closure that is a [`Service`] may return: a handler, or an `Option` of one.
pub trait Admission {
    /// The handler, boxed, if the peer is admitted.
    fn handler(self) -> Option<Box<dyn Handler>>;
}

impl<H: Handler + 'static> Admission for H {
    fn handler(self) -> Option<Box<dyn Handler>> {
        Some(Box::new(self))
    }
}

impl<H: Handler + 'static> Admission for Option<H> {
    fn handler(self) -> Option<Box<dyn Handler>> {
        self.map(|handler| Box::new(handler) as Box<dyn Handler>)
    }
}

impl<H: Handler + ?Sized> Handler for Box<H> {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        (**self).on_open(cx);
    }
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        (**self).on_data(input, cx)
    }
    fn on_eof(&mut self, cx: &mut Context<'_>) {
        (**self).on_eof(cx);
    }
    fn on_drain(&mut self, cx: &mut Context<'_>) {
        (**self).on_drain(cx);
    }
    fn on_wake(&mut self, cx: &mut Context<'_>) {
        (**self).on_wake(cx);
    }
    fn on_stop(&mut self, cx: &mut Context<'_>) {
        (**self).on_stop(cx);
    }
    fn on_close(&mut self, why: &Close, cx: &mut Context<'_>) {
        (**self).on_close(why, cx);
    }
}

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
