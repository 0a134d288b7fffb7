//! The context of a handler's call, which records its effects. Must not know sockets, clocks or
//! other connections.

mod actions;

use std::fmt;
#[cfg(feature = "files")]
use std::fs::File;
#[cfg(feature = "files")]
use std::ops::Range;
#[cfg(feature = "files")]
use std::sync::Arc;

use crate::close::Close;
use crate::handler::Handler;
#[cfg(feature = "files")]
use crate::handler::effect::Follow;
use crate::handler::effect::{Effect, Record, Stopping, Until};
#[cfg(any(feature = "backplane", feature = "http"))]
use crate::handler::notifier::Notifier;
use crate::handler::output::Output;
use crate::id::Id;
use crate::net::address::Address;
#[cfg(feature = "http")]
use crate::net::local::Ends;
use crate::net::peer::Peer;
use crate::now::Now;

/// The connection of a handler, its server, and the actions of a handler on them.
///
/// A context records and never fails: no method touches a socket, none blocks, and an [`Id`] of a
/// connection that has ended is harmless. The effects are applied when the handler has returned.
///
/// * Current state: [`id`](Context::id), [`peer`](Context::peer),
///   [`local_address`](Context::local_address), [`now`](Context::now),
///   [`is_stopping`](Context::is_stopping), [`is_restarting`](Context::is_restarting),
///   [`is_done`](Context::is_done)
/// * Output to the peer: [`write`](Context::write), [`write_str`](Context::write_str),
///   `write!(cx, …)`, [`output`](Context::output)
/// * End of the connection: [`close`](Context::close), [`finish`](Context::finish),
///   [`reset`](Context::reset), [`upgrade`](Context::upgrade)
/// * Flow control: [`pause`](Context::pause), [`resume`](Context::resume)
/// * Timers: [`set_timer`](Context::set_timer), [`set_interval`](Context::set_interval),
///   [`cancel_timer`](Context::cancel_timer)
/// * Blocking work: [`offload`](Context::offload)
/// * Another connection: [`send`](Context::send), [`forward`](Context::forward),
///   [`notify`](Context::notify), [`connect`](Context::connect)
/// * Topics: [`publish`](Context::publish), [`join`](Context::join),
///   [`subscribe`](Context::subscribe), [`leave`](Context::leave)
#[must_use = "a context does nothing by itself"]
pub struct Context<'a> {
    id: Id,
    peer: &'a Peer,
    record: &'a mut Record,
}

/// Getters.
impl<'a> Context<'a> {
    pub(crate) fn new(id: Id, peer: &'a Peer, record: &'a mut Record) -> Context<'a> {
        record.halted = false;
        Context { id, peer, record }
    }

    /// Returns the record, for code that watches or wraps a handler.
    #[cfg(any(feature = "deflate", feature = "testkit"))]
    pub(crate) fn record(&mut self) -> &mut Record {
        self.record
    }

    /// Returns the id of this connection.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }

    /// Returns the peer of this connection.
    #[must_use]
    pub fn peer(&self) -> &'a Peer {
        self.peer
    }

    /// Returns the local address of this connection: the address that the peer has connected to,
    /// or the source address of an outgoing connection. If the listener has all addresses of the
    /// host (`0.0.0.0`, `[::]`), this is the one that the peer has used.
    ///
    /// The address of a Unix socket without a name, such as that of an outgoing connection, is
    /// [`Address::Unix`] with an empty path. So is the address of a connection that could not be
    /// established, and of one on a network in memory.
    #[must_use]
    pub fn local_address(&self) -> &Address {
        self.record.locals.current()
    }

    /// Returns both ends of this connection.
    #[cfg(feature = "http")]
    pub(crate) fn ends(&self) -> Ends<'_> {
        Ends { peer: self.peer, locals: &self.record.locals, now: &self.record.now }
    }

    /// Returns the time at which this turn began; it is the same for everything in the turn.
    #[must_use]
    pub fn now(&self) -> Now {
        self.record.now
    }

    /// Returns true if the server is stopping: the handler should close the connection after the
    /// current message.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.record.stopping.is_on()
    }

    /// Returns true if the server is stopping because another one takes its place: after
    /// [`ServerHandle::restart`](crate::ServerHandle::restart), which has an example. A protocol
    /// that can say so tells its peer to connect again.
    #[must_use]
    pub fn is_restarting(&self) -> bool {
        self.record.stopping == Stopping::Restart
    }

    /// Returns true if the handler should return now: it has closed, paused or upgraded the
    /// connection, or its output is above [`Limits::output_high`](crate::Limits::output_high). In
    /// the last case [`Handler::on_drain`] is called, and unused input is offered again, when the
    /// output has fallen to [`Limits::output_low`](crate::Limits::output_low).
    /// [`Handler::on_drain`] has an example.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.record.halted || self.record.out.len() >= self.record.room
    }

    /// Returns true if nothing that the handler writes reaches its peer any more.
    #[cfg(feature = "http")]
    pub(crate) fn is_mute(&self) -> bool {
        self.record.room == usize::MAX
    }

    /// Returns true if the peer is not read for now, in a call for a timer: it cannot be heard.
    #[cfg(feature = "ws")]
    pub(crate) fn is_held(&self) -> bool {
        self.record.is_held
    }

    /// Returns a notifier that reaches this handler, by its [`id`](Context::id), from any thread.
    #[cfg(any(feature = "backplane", feature = "http"))]
    pub(crate) fn notifier(&self) -> Notifier {
        self.record.notifier.clone()
    }

    /// Returns the nanoseconds and the wall clock of [`now`](Context::now), read at this moment if
    /// the server has a clock.
    #[cfg(feature = "http")]
    pub(crate) fn read_clock(&self) -> (u64, Now) {
        self.record.watch.read(self.record.now)
    }

    /// Notes the request that this call is about, for the log line of a slow call. The text is made
    /// only if the call is timed.
    #[cfg(feature = "http")]
    #[inline(always)]
    pub(crate) fn note_subject(&mut self, subject: impl FnOnce() -> String) {
        if self.record.is_timed {
            self.record.subject = Some(subject());
        }
    }

    /// Counts a message found by a protocol.
    pub(crate) fn note_message(&mut self) {
        self.record.messages += 1;
    }
}

/// Output to the peer.
impl Context<'_> {
    /// Sends bytes to the peer, after all output written before. There are no short writes: the
    /// server queues the bytes that the socket does not take at once.
    ///
    /// ```
    /// # use socketserver::{Close, Context, Handler, Limits, testkit::Network};
    /// struct Count(usize);
    ///
    /// impl Handler for Count {
    ///     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
    ///         self.0 += input.len();
    ///         cx.write(b"bytes so far: ");
    ///         write!(cx, "{}\n", self.0);
    ///         Ok(input.len())
    ///     }
    /// }
    ///
    /// let mut network = Network::new(Limits::default());
    /// let client = network.connect(Count(0));
    /// network.send(client, b"12345");
    /// network.settle();
    /// assert_eq!(network.received(client), b"bytes so far: 5\n");
    /// ```
    pub fn write(&mut self, bytes: &[u8]) {
        self.record.out.extend_from_slice(bytes);
    }

    /// Sends text to the peer; otherwise like [`write`](Context::write).
    pub fn write_str(&mut self, text: &str) {
        self.write(text.as_bytes());
    }

    /// Sends formatted text to the peer. `write!(cx, …)` and `writeln!(cx, …)` call this method,
    /// as the example of [`write`](Context::write) shows; it needs no trait in scope and does not
    /// fail.
    pub fn write_fmt(&mut self, text: fmt::Arguments<'_>) {
        self.output().write_fmt(text);
    }

    /// Returns the output as a [`Write`](std::io::Write), for code that writes to one.
    ///
    /// ```
    /// # use socketserver::{Close, Context, Handler, Limits, testkit::Network};
    /// # struct Copy;
    /// # impl Handler for Copy {
    /// fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
    ///     std::io::copy(&mut &*input, &mut cx.output())?;
    ///     Ok(input.len())
    /// }
    /// # }
    /// # let mut network = Network::new(Limits::default());
    /// # let client = network.connect(Copy);
    /// # network.send(client, b"12345");
    /// # network.settle();
    /// # assert_eq!(network.received(client), b"12345");
    /// ```
    pub fn output(&mut self) -> Output<'_> {
        Output(&mut self.record.out)
    }

    /// Sends a part of a file after the output of this call so far. The call must write nothing
    /// after it.
    #[cfg(feature = "files")]
    pub(crate) fn send_file(&mut self, file: Arc<File>, part: Range<u64>, follow: Follow) {
        self.record.halted = true;
        self.record.effects.push(Effect::SendFile(file, part, follow));
    }

    /// Returns the unsent output of this connection in this turn, for code that builds an answer
    /// in place.
    #[cfg(feature = "http")]
    #[inline(always)]
    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.record.out
    }

    /// Returns the unsent output as [`out`](Context::out) does, and both ends of the connection.
    #[cfg(feature = "http")]
    #[inline(always)]
    pub(crate) fn out_and_ends(&mut self) -> (&mut Vec<u8>, Ends<'_>) {
        let Record { out, locals, now, .. } = &mut *self.record;
        (out, Ends { peer: self.peer, locals, now })
    }
}

/// The end of the connection, and its input.
impl Context<'_> {
    /// Ends the connection for the reason `why`, after all output was sent. Further input is not
    /// offered.
    ///
    /// ```
    /// use socketserver::testkit::Network;
    /// use socketserver::{Close, Context, Handler, Limits};
    ///
    /// struct Greeter;
    ///
    /// impl Handler for Greeter {
    ///     fn on_open(&mut self, cx: &mut Context<'_>) {
    ///         cx.write_str("hello, and goodbye\n");
    ///         cx.close(Close::Done);
    ///     }
    ///
    ///     fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
    ///         Ok(input.len())
    ///     }
    /// }
    ///
    /// let mut network = Network::new(Limits::default());
    /// let client = network.connect(Greeter);
    /// network.settle();
    /// assert_eq!(network.received(client), b"hello, and goodbye\n");
    /// assert!(network.is_closed(client));
    /// ```
    pub fn close(&mut self, why: Close) {
        self.record.halted = true;
        self.record.effects.push(Effect::Close(why));
    }

    /// Ends the output: after all of it was sent, the peer reads an end (a half-close). Input is
    /// still offered, and the connection ends when the peer has ended its output as well. Bytes
    /// that are written, sent or published to this connection from now on are dropped.
    ///
    /// ```
    /// use socketserver::testkit::Network;
    /// use socketserver::{Close, Context, Handler, Limits};
    ///
    /// /// Sends its greeting and ends its output, but reads until the peer has ended as well.
    /// struct Collector(Vec<u8>);
    ///
    /// impl Handler for Collector {
    ///     fn on_open(&mut self, cx: &mut Context<'_>) {
    ///         cx.write_str("send me everything\n");
    ///         cx.finish();
    ///     }
    ///
    ///     fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
    ///         self.0.extend_from_slice(input);
    ///         Ok(input.len())
    ///     }
    ///
    ///     fn on_eof(&mut self, cx: &mut Context<'_>) {
    ///         assert_eq!(self.0, b"everything");
    ///         cx.close(Close::Eof);
    ///     }
    /// }
    ///
    /// let mut network = Network::new(Limits::default());
    /// let client = network.connect(Collector(Vec::new()));
    /// network.settle();
    /// assert_eq!(network.received(client), b"send me everything\n");
    /// network.send(client, b"everything");
    /// network.shut(client);
    /// network.settle();
    /// assert!(network.is_closed(client));
    /// assert_eq!(network.connections(), 0);
    /// ```
    pub fn finish(&mut self) {
        self.record.effects.push(Effect::Finish);
    }

    /// Ends the connection at once for the reason `why`. Unsent output is dropped, and the peer
    /// receives a TCP reset; on a Unix socket it reads an end. A proxy does this when its other
    /// connection was reset. In [`Handler::on_close`] it turns an end in good order into a reset,
    /// and the reason stays: for an answer whose only mark of completeness is the end.
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

    /// Hands the connection to another handler. Unused input is offered to the new handler, after
    /// its `on_open`. This handler is dropped without `on_close`, because the connection has not
    /// ended, and its timers are cancelled.
    ///
    /// ```
    /// use socketserver::testkit::Network;
    /// use socketserver::{Close, Context, Handler, Limits};
    ///
    /// /// Repeats its input if the first byte is `e`, and ends the connection otherwise.
    /// struct Choice;
    /// struct Echo;
    ///
    /// impl Handler for Choice {
    ///     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
    ///         match input.first() {
    ///             Some(b'e') => cx.upgrade(Echo),
    ///             _ => cx.close(Close::Done),
    ///         }
    ///         Ok(1)
    ///     }
    /// }
    ///
    /// impl Handler for Echo {
    ///     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
    ///         cx.write(input);
    ///         Ok(input.len())
    ///     }
    /// }
    ///
    /// let mut network = Network::new(Limits::default());
    /// let client = network.connect(Choice);
    /// network.send(client, b"ehello");
    /// network.settle();
    /// assert_eq!(network.received(client), b"hello");
    /// ```
    pub fn upgrade(&mut self, to: impl Handler + 'static) {
        self.record.halted = true;
        self.record.effects.push(Effect::Upgrade(to.into_box()));
    }

    /// Offers this handler no more input until [`resume`](Context::resume). Until then the socket
    /// is not read, so that the kernel throttles the peer, and no timeout but
    /// [`Limits::write_stall`](crate::Limits::write_stall) runs. [`offload`](Context::offload) has
    /// an example.
    pub fn pause(&mut self) {
        self.record.halted = true;
        self.record.effects.push(Effect::Pause(Until::Resumed));
    }

    /// The same, and the end of the peer's input ends the connection meanwhile. For an answer
    /// without an end of its own: else its client would be noticed to be gone at the next write.
    #[cfg(feature = "http")]
    pub(crate) fn pause_until_end(&mut self) {
        self.record.halted = true;
        self.record.effects.push(Effect::Pause(Until::PeerEnds));
    }

    /// Ends a [`pause`](Context::pause). Unused input is offered at once.
    /// [`offload`](Context::offload) has an example.
    pub fn resume(&mut self) {
        self.record.effects.push(Effect::Resume);
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
