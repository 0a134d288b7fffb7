//! The contract between a server and the code that runs in it: the events of a connection. Knows
//! no socket, no clock and no table of connections.

pub(crate) mod blocking;
pub(crate) mod callbacks;
pub(crate) mod context;
pub(crate) mod datagram;
pub(crate) mod effect;
pub(crate) mod framed;
#[cfg(feature = "backplane")]
pub(crate) mod link;
pub(crate) mod notification;
pub(crate) mod notifier;
pub(crate) mod output;
pub(crate) mod payload;
#[cfg(feature = "backplane")]
pub(crate) mod presence;
pub(crate) mod stream;
pub(crate) mod task;

use std::io;

use crate::close::Close;
use crate::handler::callbacks::{callbacks, forward};
use crate::handler::context::Context;
use crate::handler::notification::Notification;
use crate::net::incoming::Incoming;

/// Your per-connection object, fed raw bytes.
///
/// The [`Service`] creates one for each connection, and the server drops it when the connection
/// ends. One thread at a time calls a handler, so its fields need no lock. A call should return
/// soon: all other connections wait for it.
///
/// A handler that panics ends its own connection and no other.
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler of connections",
    label = "`Handler` is not implemented for this",
    note = "implement `Handler` with its method `on_data`, or, for a `MessageHandler`, wrap it with its \
            protocol: `Framed::new(protocol, handler)`",
    note = "a `BlockingHandler` is served by `serve_blocking` or `listen_blocking`"
)]
pub trait Handler: Send {
    /// Called once, when the connection was accepted or established. A greeting is written here.
    fn on_open(&mut self, cx: &mut Context<'_>) {
        let _ = cx;
    }

    /// Called when bytes have arrived. Returns the number of bytes of `input` that the handler has
    /// used. The unused rest is offered again when more bytes have arrived after it; the handler
    /// must not change bytes that it does not use.
    ///
    /// On a socket that keeps the boundaries of packets, `input` is one packet, and the unused
    /// rest is dropped: see [`Address::SeqPacket`](crate::Address::SeqPacket).
    ///
    /// # Errors
    ///
    /// An error ends the connection for this reason, after the output written so far was sent.
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close>;

    /// Called when the peer has ended its output (a half-close); it may still read. Unused input
    /// is dropped. The default ends the connection after its output was sent. [`Context::finish`]
    /// has an example.
    fn on_eof(&mut self, cx: &mut Context<'_>) {
        cx.close(Close::Eof);
    }

    /// Called when the output was above [`Limits::output_high`](crate::Limits::output_high) and
    /// has fallen to [`Limits::output_low`](crate::Limits::output_low): the handler may write
    /// again.
    ///
    /// ```
    /// use socketserver::testkit::Network;
    /// use socketserver::{Close, Context, Handler, Limits};
    ///
    /// /// Sends a million lines, as fast as its peer reads them.
    /// struct Count(u32);
    ///
    /// impl Count {
    ///     fn write_some(&mut self, cx: &mut Context<'_>) {
    ///         while self.0 < 1_000_000 && !cx.is_done() {
    ///             self.0 += 1;
    ///             writeln!(cx, "{}", self.0);
    ///         }
    ///     }
    /// }
    ///
    /// impl Handler for Count {
    ///     fn on_open(&mut self, cx: &mut Context<'_>) {
    ///         self.write_some(cx);
    ///     }
    ///
    ///     fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
    ///         Ok(input.len())
    ///     }
    ///
    ///     fn on_drain(&mut self, cx: &mut Context<'_>) {
    ///         self.write_some(cx);
    ///     }
    /// }
    ///
    /// let mut network = Network::new(Limits::default());
    /// let client = network.connect(Count(0));
    /// network.settle();
    /// assert!(network.received(client).ends_with(b"\n1000000\n"));
    /// ```
    fn on_drain(&mut self, cx: &mut Context<'_>) {
        let _ = cx;
    }

    /// Called when the timer or interval with this key is due: see [`Context::set_timer`].
    fn on_timer(&mut self, key: u64, cx: &mut Context<'_>) {
        let _ = (key, cx);
    }

    /// Called with a message from another handler or thread, the result of offloaded work, or a
    /// message that was published to a topic: see [`Notification`].
    fn on_notify(&mut self, notification: Notification, cx: &mut Context<'_>) {
        let _ = (notification, cx);
    }

    /// Called instead of [`on_open`](Handler::on_open) if the connection for this handler could
    /// not be [established](Context::connect). No other method is called afterwards, and actions
    /// on its own connection have no effect. A server that is aborted drops the handler without
    /// this call.
    ///
    /// `error` is the system's error for the last address that was tried, with its code. It is
    /// `TimedOut` after [`Limits::connect`](crate::Limits::connect), and `NotFound` if the host
    /// has no address. If the system lacks a descriptor or the queue of a Unix socket is full, the
    /// server tries again until [`Limits::connect`](crate::Limits::connect) has passed, and then
    /// reports that error.
    fn on_unreachable(&mut self, error: &io::Error, cx: &mut Context<'_>) {
        let _ = (error, cx);
    }

    /// Called before the server ends a connection because of its input. Either a message has been
    /// incomplete for longer than [`Limits::message`](crate::Limits::message)
    /// (`Close::Timeout(Timeout::Message)`), or the handler has left more bytes unused than
    /// [`Limits::pending_input`](crate::Limits::pending_input) (`Close::InputLimit`). The handler
    /// may write a last answer; the connection ends for the reason `why` after it was sent.
    fn on_reject(&mut self, why: &Close, cx: &mut Context<'_>) {
        let _ = (why, cx);
    }

    /// Called when the server is at a limit of its connections, another one waits for a place, and
    /// this one has waited longest for a message: at least a second, without unsent output. The
    /// default keeps the connection. A handler that is between two messages, and whose peer can
    /// connect again, closes it, with `Close::Crowded`.
    ///
    /// A handler that keeps its connection is not asked again before its peer has sent something.
    /// Without [`Limits::idle`](crate::Limits::idle) it is never asked, and before the first byte
    /// never without [`Limits::first_byte`](crate::Limits::first_byte).
    ///
    /// ```
    /// use socketserver::testkit::Network;
    /// use socketserver::{Close, Context, Handler, Limits};
    /// use std::time::Duration;
    ///
    /// struct Sparing;
    ///
    /// impl Handler for Sparing {
    ///     fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
    ///         Ok(input.len())
    ///     }
    ///
    ///     fn on_crowded(&mut self, cx: &mut Context<'_>) {
    ///         cx.close(Close::Crowded);
    ///     }
    /// }
    ///
    /// let mut network = Network::new(Limits::default());
    /// let client = network.connect(Sparing);
    /// network.send(client, b"hello");
    /// network.advance(Duration::from_secs(2));
    /// assert!(!network.is_closed(client));
    /// assert!(network.make_room());
    /// assert!(network.is_closed(client));
    /// ```
    fn on_crowded(&mut self, cx: &mut Context<'_>) {
        let _ = cx;
    }

    /// Called when the server is stopping, to ask for the end of this connection. The default ends
    /// it after its output was sent. A handler that still owes an answer overrides this, and
    /// closes the connection after that answer, within [`Limits::drain`](crate::Limits::drain).
    ///
    /// The call comes after the first message, or after a message that is incomplete when the stop
    /// begins, but at most one second later. While the handler is paused with unused input, it is
    /// not called; [`Context::is_stopping`] returns true even then.
    ///
    /// ```
    /// use socketserver::testkit::Network;
    /// use socketserver::{Close, Context, Handler, Limits};
    ///
    /// struct Polite;
    ///
    /// impl Handler for Polite {
    ///     fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
    ///         Ok(input.len())
    ///     }
    ///
    ///     fn on_stop(&mut self, cx: &mut Context<'_>) {
    ///         cx.write_str("goodbye\n");
    ///         cx.close(Close::Stopping);
    ///     }
    /// }
    ///
    /// let mut network = Network::new(Limits::default());
    /// let client = network.connect(Polite);
    /// network.send(client, b"hello");
    /// network.settle();
    /// network.stop();
    /// network.settle();
    /// assert_eq!(network.received(client), b"goodbye\n");
    /// assert!(network.is_closed(client));
    /// ```
    fn on_stop(&mut self, cx: &mut Context<'_>) {
        cx.close(Close::Stopping);
    }

    /// Called when the connection has ended, exactly once for each [`on_open`](Handler::on_open)
    /// and for every reason. Output written here does not reach the peer; of the requests for this
    /// connection only [`Context::reset`] has an effect.
    fn on_close(&mut self, why: &Close, cx: &mut Context<'_>) {
        let _ = (why, cx);
    }

    /// Returns the handler in a box; a box is returned as it is.
    #[doc(hidden)]
    fn into_box(self) -> Box<dyn Handler>
    where
        Self: Sized + 'static,
    {
        Box::new(self)
    }
}

/// Creates a handler for each accepted connection, or refuses it: Python's `verify_request` and
/// `RequestHandlerClass` in one.
///
/// Closures that return a handler, or an `Option` of one, are services:
///
/// ```
/// use socketserver::{Close, Context, Handler, Incoming, Peer, Service};
///
/// # struct Echo;
/// # impl Handler for Echo {
/// #     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
/// #         cx.write(input);
/// #         Ok(input.len())
/// #     }
/// # }
/// let mut all = |_: Incoming| Echo;
/// assert!(all.accept(Incoming::from(Peer::unix())).is_some());
///
/// let is_local = |it: &Incoming| it.peer().ip().is_some_and(|ip| ip.is_loopback());
/// let mut local = move |incoming: Incoming| is_local(&incoming).then_some(Echo);
/// assert!(local.accept(Incoming::from(Peer::unix())).is_none());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a service",
    label = "expected a closure that makes a handler for each connection",
    note = "for a handler that is the same for all connections, write `|_| handler`; a closure that looks \
            at the connection has its type: `|incoming: Incoming| ...`"
)]
pub trait Service: Send {
    /// Returns the handler for `incoming`, or `None` to close the connection at once.
    fn accept(&mut self, incoming: Incoming) -> Option<Box<dyn Handler>>;

    /// Returns the number of places of [`Limits::connections`](crate::Limits::connections) that
    /// each connection of this service takes: one for itself, and one for each connection that its
    /// handler will [make](Context::connect). The default is 1. The server asks once, at its start.
    ///
    /// A connection with 2 places is accepted when two are free, and waits in the listen queue
    /// until then. The second one stays reserved while the connection lives: a connection that its
    /// handler makes takes the place, and gives it back at its end or when it fails. One that is
    /// not established when the first connection ends is given up: its
    /// [`on_unreachable`](Handler::on_unreachable) gets `ConnectionAborted`. Descriptors are
    /// counted in the same way. A server that can never have that many places does not run.
    ///
    /// ```
    /// use socketserver::{Close, Context, Handler, Incoming, Limits, Server, Service};
    ///
    /// # struct Front;
    /// # impl Handler for Front {
    /// #     fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
    /// #         Ok(input.len())
    /// #     }
    /// # }
    /// /// Each handler makes a connection to another server.
    /// struct Proxy;
    ///
    /// impl Service for Proxy {
    ///     fn accept(&mut self, _: Incoming) -> Option<Box<dyn Handler>> {
    ///         Some(Box::new(Front))
    ///     }
    ///
    ///     fn places(&self) -> usize {
    ///         2
    ///     }
    /// }
    ///
    /// let server = Server::new().listen("127.0.0.1:0", Proxy)?;
    /// let error = server.limits(Limits::default().connections(1)).check().unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "there is room for 1 connection (Limits::connections), but each needs room for 2"
    /// );
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn places(&self) -> usize {
        1
    }

    /// Returns the number of connections of this service that take no place of
    /// [`Limits::connections`](crate::Limits::connections), but one of their own, in each server
    /// process. The default is 0. The server asks once, at its start.
    ///
    /// It is for connections that a server with too many clients must serve: checks of its health,
    /// or those of its operator. Connections of the service take the own places first. While none
    /// is free, they need room as others do. Descriptors are kept for as many, and for at most a
    /// quarter of the connections that the process has descriptors for. A handler with such a place
    /// should not [give way](Handler::on_crowded): its place is of no use to others.
    ///
    /// ```
    /// use socketserver::{Close, Context, Handler, Incoming, Service};
    ///
    /// # struct Console;
    /// # impl Handler for Console {
    /// #     fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
    /// #         Ok(input.len())
    /// #     }
    /// # }
    /// /// One operator gets in, however many clients there are.
    /// struct Operator;
    ///
    /// impl Service for Operator {
    ///     fn accept(&mut self, _: Incoming) -> Option<Box<dyn Handler>> {
    ///         Some(Box::new(Console))
    ///     }
    ///
    ///     fn own_places(&self) -> usize {
    ///         1
    ///     }
    /// }
    /// ```
    fn own_places(&self) -> usize {
        0
    }

    /// Checks that the service can serve. [`Server::check`](crate::Server::check) and
    /// [`Server::run`](crate::Server::run) call this for each service. The default checks nothing.
    ///
    /// # Errors
    ///
    /// The server does not run, and returns this error.
    fn check(&self) -> io::Result<()> {
        Ok(())
    }
}

impl<F, A> Service for F
where
    F: FnMut(Incoming) -> A + Send,
    A: IntoAdmission,
{
    fn accept(&mut self, incoming: Incoming) -> Option<Box<dyn Handler>> {
        self(incoming).admission()
    }
}

/// The types that a closure may return to be a [`Service`]: a [`Handler`], or an `Option` of one.
/// A `Box<dyn Handler>` is a handler.
///
/// This trait is sealed: implement [`Handler`], or [`Service`].
#[diagnostic::on_unimplemented(
    message = "a service cannot return `{Self}`",
    label = "expected a `Handler`, an `Option` of one, or a `Box<dyn Handler>`"
)]
pub trait IntoAdmission: sealed::Admission {}

mod sealed {
    use super::Handler;

    pub trait Admission {
        /// Returns the handler, boxed, if the connection is admitted.
        fn admission(self) -> Option<Box<dyn Handler>>;
    }
}

impl<H: Handler + 'static> IntoAdmission for H {}

impl<H: Handler + 'static> sealed::Admission for H {
    fn admission(self) -> Option<Box<dyn Handler>> {
        Some(self.into_box())
    }
}

impl<H: Handler + 'static> IntoAdmission for Option<H> {}

impl<H: Handler + 'static> sealed::Admission for Option<H> {
    fn admission(self) -> Option<Box<dyn Handler>> {
        self.map(Handler::into_box)
    }
}

impl<H: Handler> Handler for Box<H> {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        (**self).on_data(input, cx)
    }

    callbacks!(forward![self => (**self)]);

    fn into_box(self) -> Box<dyn Handler>
    where
        Self: 'static,
    {
        self
    }
}

impl Handler for Box<dyn Handler> {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        (**self).on_data(input, cx)
    }

    callbacks!(forward![self => (**self)]);

    fn into_box(self) -> Box<dyn Handler> {
        self
    }
}
