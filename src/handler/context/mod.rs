//! The context of a handler's call, which records its effects. Must not know sockets, clocks or
//! other connections.

mod others;

use std::any::Any;
use std::fmt;
use std::time::Duration;

use crate::close::Close;
use crate::handler::Handler;
use crate::handler::effect::{Effect, Record};
use crate::handler::notification::Ticket;
#[cfg(feature = "http")]
use crate::handler::notifier::Notifier;
use crate::handler::output::Output;
use crate::id::Id;
use crate::net::address::Address;
#[cfg(feature = "http")]
use crate::net::local::Ends;
use crate::net::peer::Peer;
use crate::now::{self, Now};

/// The connection of a handler, its server, and the actions of a handler on them.
///
/// A context records and never fails: no method touches a socket, none blocks, and an [`Id`] of a
/// connection that has ended is harmless. The effects are applied when the handler has returned.
///
/// * Current state: [`id`](Context::id), [`peer`](Context::peer), [`now`](Context::now),
///   [`is_stopping`](Context::is_stopping), [`is_done`](Context::is_done)
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
    #[cfg(feature = "testkit")]
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

    /// Returns the local address of this connection: the one that the peer has connected to, or the
    /// source address of an outgoing connection. For a listener on all addresses of the host
    /// (`0.0.0.0`, `[::]`) it is the address that the peer has used.
    ///
    /// A Unix socket without a name, such as that of an outgoing connection, is [`Address::Unix`]
    /// with an empty path; so is the address of a connection that could not be made, and of one on a
    /// network in memory.
    #[must_use]
    pub fn local_address(&self) -> &Address {
        self.record.locals.current()
    }

    /// Returns both ends of this connection.
    #[cfg(feature = "http")]
    pub(crate) fn ends(&self) -> Ends<'_> {
        Ends { peer: self.peer, locals: &self.record.locals }
    }

    /// Returns the time at which this turn began; it is the same for everything in the turn.
    #[must_use]
    pub fn now(&self) -> Now {
        self.record.now
    }

    /// Returns true if the server is stopping: this should be the last message of the connection.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.record.stopping
    }

    /// Returns true if the handler should return now: it closed, paused or upgraded, or its output
    /// is above [`Limits::output_high`](crate::Limits::output_high). In the last case the input
    /// that it leaves unused is offered again, and [`Handler::on_drain`] is called, when its output
    /// has fallen to [`Limits::output_low`](crate::Limits::output_low).
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.record.halted || self.record.out.len() >= self.record.room
    }

    /// Returns a notifier that reaches this handler, by its [`id`](Context::id), from any thread.
    #[cfg(feature = "http")]
    pub(crate) fn notifier(&self) -> Notifier {
        self.record.notifier.clone()
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
    /// Sends bytes to the peer, after everything written before. There are no short writes: bytes
    /// that the socket does not take at once are queued.
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

    /// Writes formatted text: the method that `write!(cx, …)` and `writeln!(cx, …)` call. It needs
    /// no trait in scope and does not fail.
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

    /// Returns the bytes that this connection has written in this turn and that were not sent yet,
    /// for code that builds an answer in place.
    #[cfg(feature = "http")]
    #[inline(always)]
    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.record.out
    }

    /// The same, with both ends of the connection.
    #[cfg(feature = "http")]
    #[inline(always)]
    pub(crate) fn out_and_ends(&mut self) -> (&mut Vec<u8>, Ends<'_>) {
        let Record { out, locals, .. } = &mut *self.record;
        (out, Ends { peer: self.peer, locals })
    }
}

/// The end of the connection, and its input.
impl Context<'_> {
    /// Ends the connection for the reason `why`, once all output has been sent.
    pub fn close(&mut self, why: Close) {
        self.record.halted = true;
        self.record.effects.push(Effect::Close(why));
    }

    /// Ends the output: once all of it has been sent, the peer reads an end (a half-close). Its
    /// input is still read, and the connection ends when that has ended, too. Bytes that are
    /// written, sent or published to it from now on are dropped.
    pub fn finish(&mut self) {
        self.record.effects.push(Effect::Finish);
    }

    /// Ends the connection at once for the reason `why`: unsent output is dropped, and the peer
    /// sees that the connection was cut (a TCP reset; on a Unix socket, an end). A proxy does so
    /// when its other connection was cut.
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

    /// Hands the connection to another handler. Input that this one leaves unused is offered to the
    /// new one, after its `on_open`. This handler is dropped without `on_close`: the connection has
    /// not ended. Its timers are cancelled.
    pub fn upgrade(&mut self, to: impl Handler + 'static) {
        self.record.halted = true;
        self.record.effects.push(Effect::Upgrade(to.into_box()));
    }

    /// Offers this handler no more input until [`resume`](Context::resume). The socket is not read
    /// meanwhile, so the peer is slowed down and its input is not buffered; of the timeouts only
    /// that of a stalled output runs.
    pub fn pause(&mut self) {
        self.record.halted = true;
        self.record.effects.push(Effect::Pause);
    }

    /// Ends a [`pause`](Context::pause); unused input is offered at once.
    pub fn resume(&mut self) {
        self.record.effects.push(Effect::Resume);
    }
}

/// Time, and work that blocks.
impl Context<'_> {
    /// Calls [`Handler::on_timer`] with `key` once, `delay` from now. A connection may have any
    /// number of timers, each with a key of its own; setting a key again replaces its timer. Timers
    /// end with the connection.
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

    /// The same every `period`, until the timer is set again or [cancelled](Context::cancel_timer).
    /// Calls do not drift: each is due a multiple of `period` after now. If one comes so late that
    /// others are due already, these are skipped. A period of less than a millisecond is one.
    pub fn set_interval(&mut self, key: u64, period: Duration) {
        let period = period.max(Duration::from_millis(1));
        let (at_ms, period_ms) = (self.in_ms(period), Some(now::millis(period)));
        self.record.effects.push(Effect::SetTimer { key, at_ms, period_ms });
    }

    /// Cancels a timer or an interval: [`Handler::on_timer`] is not called for it, though it may be
    /// due.
    pub fn cancel_timer(&mut self, key: u64) {
        self.record.effects.push(Effect::CancelTimer(key));
    }

    fn in_ms(&self, delay: Duration) -> u64 {
        now::millis(self.record.now.elapsed().saturating_add(delay))
    }

    /// Runs `work`, which may block, on a worker thread. Its result comes to this handler's
    /// [`on_notify`](Handler::on_notify) as
    /// [`Notification::Finished`](crate::Notification::Finished) with the ticket that this method
    /// returns. Work of one connection runs one piece after the other, in order; if one panics, the
    /// connection ends. A handler that needs the result before more input
    /// [pauses](Context::pause).
    ///
    /// In [`Mode::Threads`](crate::Mode::Threads) the workers are those of the handlers; in other
    /// modes there are [`Limits::offload_workers`](crate::Limits::offload_workers). While the
    /// system has no thread for any worker, the work waits; after 5 s its connection ends, with
    /// [`Close::Failed`], and the server continues.
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
