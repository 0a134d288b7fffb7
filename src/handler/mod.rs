//! The contract between a server and the code that runs in it: what a handler is told. Knows no
//! socket, no clock and no table of connections.

pub(crate) mod blocking;
pub(crate) mod callbacks;
pub(crate) mod context;
pub(crate) mod datagram;
pub(crate) mod effect;
pub(crate) mod framed;
pub(crate) mod notification;
pub(crate) mod notifier;
pub(crate) mod output;
pub(crate) mod payload;
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler of connections",
    label = "`Handler` is not implemented for this",
    note = "implement `Handler` with its method `on_data`, or, for a `MessageHandler`, wrap it with its \
            protocol: `Framed::new(protocol, handler)`",
    note = "a `BlockingHandler` is served by `serve_blocking` or `listen_blocking`"
)]
pub trait Handler: Send {
    /// The connection was accepted, or made. What is written here is the greeting.
    fn on_open(&mut self, cx: &mut Context<'_>) {
        let _ = cx;
    }

    /// Bytes have come. Returns how many of `input` were used; the rest is offered again with
    /// more behind it. Of what it does not use, a handler must not change a byte.
    ///
    /// Where the boundaries of packets are kept, `input` is one packet, and the rest is dropped:
    /// see [`Address::SeqPacket`](crate::Address::SeqPacket).
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

    /// A timer or an interval is due: the one with this key, see [`Context::set_timer`].
    fn on_timer(&mut self, key: u64, cx: &mut Context<'_>) {
        let _ = (key, cx);
    }

    /// A message of another handler or thread, the result of offloaded work, or a message that was
    /// published to a topic: see [`Notification`].
    fn on_notify(&mut self, notification: Notification, cx: &mut Context<'_>) {
        let _ = (notification, cx);
    }

    /// The connection that this handler was to serve could not be
    /// [made](Context::connect). `error` is the system's, with its code, of the last
    /// address that was tried; `TimedOut` if [`Limits::connect`](crate::Limits::connect) has
    /// passed, and `NotFound` if the name has led to no address. A lack that may pass, of a
    /// descriptor or of room in the queue of a Unix socket, is waited for as long, and told then. Nothing else of this handler
    /// is called, and what it asks for its own connection is void. A server that ends at once
    /// drops it without a word.
    fn on_unreachable(&mut self, error: &io::Error, cx: &mut Context<'_>) {
        let _ = (error, cx);
    }

    /// The input is given up: a message has stayed incomplete for longer than
    /// [`Limits::message`](crate::Limits::message) (`Close::Timeout(Timeout::Message)`), or the
    /// handler left more of it unused than [`Limits::pending_input`](crate::Limits::pending_input)
    /// allows (`Close::InputLimit`). The last chance to answer: what is written is sent; then the
    /// connection ends for the reason `why`.
    fn on_reject(&mut self, why: &Close, cx: &mut Context<'_>) {
        let _ = (why, cx);
    }

    /// The server is stopping and would like this connection to end. By default it does, after
    /// what is written already. A handler that still owes an answer ends the connection when it
    /// has given it; [`Limits::drain`](crate::Limits::drain) says how long it has. A first message,
    /// or one that is incomplete, is waited for, for a second at most; and while the handler is
    /// paused with input left over, this is not called. [`Context::is_stopping`] tells even then.
    fn on_stop(&mut self, cx: &mut Context<'_>) {
        cx.close(Close::Stopping);
    }

    /// The connection has ended: exactly once for each [`on_open`](Handler::on_open), whatever
    /// the reason. Nothing that is written here reaches the peer.
    fn on_close(&mut self, why: &Close, cx: &mut Context<'_>) {
        let _ = (why, cx);
    }

    /// Boxes it, unless it is a box already.
    #[doc(hidden)]
    fn into_box(self) -> Box<dyn Handler>
    where
        Self: Sized + 'static,
    {
        Box::new(self)
    }
}

/// Makes a handler for each accepted connection, or refuses it: Python's `verify_request` and
/// `RequestHandlerClass` in one.
///
/// Closures are services, whether they return a handler or an `Option` of one:
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

    /// Checks that the service can serve; [`Server::check`](crate::Server::check) asks each
    /// service once before the server runs. By default there is nothing to check.
    ///
    /// # Errors
    ///
    /// The server does not run, and this is its error.
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

/// All that a closure that is a [`Service`] may return: a [`Handler`], or an `Option` of one. A
/// `Box<dyn Handler>` is a handler.
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
