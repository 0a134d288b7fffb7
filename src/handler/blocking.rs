//! The contract of blocking handlers: Python's `StreamRequestHandler`, line for line. Knows no
//! thread and no table of connections.

use std::io;

use crate::handler::stream::Stream;
use crate::net::incoming::Incoming;

/// Your per-connection object that may wait: Python's `StreamRequestHandler`.
///
/// A worker of [`Mode::Threads`](crate::Mode::Threads) serves one connection at a time, and calls
/// [`setup`](BlockingHandler::setup), [`handle`](BlockingHandler::handle) and
/// [`finish`](BlockingHandler::finish) of its handler. Connections wait for a free worker in the
/// order in which they were accepted.
///
/// An error or a panic ends this connection and no other: the output written before is sent, the
/// connection is closed, and the worker takes the next one. The server logs one record with the
/// reason, at level debug if it [is expected](crate::Close::is_expected), and at level warn
/// otherwise.
///
/// When the server [stops](crate::ServerHandle::stop), a read returns the input that has arrived
/// and then its end; output is still sent. After [`Limits::drain`](crate::Limits::drain) every
/// call on the stream fails, and [`Server::run`](crate::Server::run) returns. A handler that waits
/// for something other than its stream cannot be interrupted: its thread runs until the program
/// ends, as Python's `daemon_threads` do.
///
/// ```
/// use socketserver::{Mode, BlockingHandler, Server, Stream};
/// use std::io::{self, BufRead, Read, Write};
/// use std::net::TcpStream;
///
/// struct Shout;
///
/// impl BlockingHandler for Shout {
///     fn handle(&mut self, stream: &mut Stream) -> io::Result<()> {
///         let mut line = String::new();
///         while stream.read_line(&mut line)? > 0 {
///             stream.write_all(line.to_uppercase().as_bytes())?;
///             line.clear();
///         }
///         Ok(())
///     }
/// }
///
/// let server = Server::new().mode(Mode::Threads(4)).listen_blocking("127.0.0.1:0", |_| Shout)?;
/// let address = server.addresses()[0].to_string();
/// let handle = server.handle();
/// let thread = std::thread::spawn(|| server.run());
///
/// let mut client = TcpStream::connect(address)?;
/// client.write_all(b"hello\n")?;
/// let mut answer = [0; 6];
/// client.read_exact(&mut answer)?;
/// assert_eq!(&answer, b"HELLO\n");
///
/// handle.stop();
/// thread.join().unwrap()?;
/// # Ok::<(), io::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a blocking handler",
    label = "`BlockingHandler` is not implemented for this",
    note = "implement `BlockingHandler` with its method `handle`"
)]
pub trait BlockingHandler: Send {
    /// Called before [`handle`](BlockingHandler::handle). The default does nothing.
    ///
    /// [`handle_error`](BlockingHandler::handle_error) has an example with all four methods.
    ///
    /// # Errors
    ///
    /// An error ends the connection; neither [`handle`](BlockingHandler::handle) nor
    /// [`finish`](BlockingHandler::finish) is called.
    fn setup(&mut self, stream: &mut Stream) -> io::Result<()> {
        let _ = stream;
        Ok(())
    }

    /// Serves the connection, which ends when this returns.
    ///
    /// # Errors
    ///
    /// An error ends the connection after the output written so far was sent.
    fn handle(&mut self, stream: &mut Stream) -> io::Result<()>;

    /// Called after [`handle`](BlockingHandler::handle), even if that has failed or panicked. The
    /// default does nothing. Buffered output is sent afterwards.
    ///
    /// [`handle_error`](BlockingHandler::handle_error) has an example with all four methods.
    ///
    /// # Errors
    ///
    /// As for [`handle`](BlockingHandler::handle). If both fail, the error of
    /// [`handle`](BlockingHandler::handle) is the reason for the end of the connection.
    fn finish(&mut self, stream: &mut Stream) -> io::Result<()> {
        let _ = stream;
        Ok(())
    }

    /// Called last, and at most once, if another method has failed or buffered output could not be
    /// sent. The default does nothing: the log has a record of the error already.
    ///
    /// ```
    /// use socketserver::{BlockingHandler, Mode, Server, Stream};
    /// use std::io::{self, BufRead, Write};
    /// use std::net::TcpStream;
    ///
    /// /// Adds two numbers of its peer.
    /// struct Adder;
    ///
    /// fn number(stream: &mut Stream) -> io::Result<u32> {
    ///     let mut line = String::new();
    ///     stream.read_line(&mut line)?;
    ///     line.trim().parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    /// }
    ///
    /// impl BlockingHandler for Adder {
    ///     fn setup(&mut self, stream: &mut Stream) -> io::Result<()> {
    ///         writeln!(stream, "two numbers, please")
    ///     }
    ///
    ///     fn handle(&mut self, stream: &mut Stream) -> io::Result<()> {
    ///         let sum = u64::from(number(stream)?) + u64::from(number(stream)?);
    ///         writeln!(stream, "{sum}")
    ///     }
    ///
    ///     fn finish(&mut self, stream: &mut Stream) -> io::Result<()> {
    ///         writeln!(stream, "goodbye")
    ///     }
    ///
    ///     fn handle_error(&mut self, error: &io::Error) {
    ///         eprintln!("a client has sent no number: {error}");
    ///     }
    /// }
    ///
    /// let server = Server::bind("127.0.0.1:0")?.mode(Mode::Threads(4));
    /// let address = server.addresses()[0].to_string();
    /// let handle = server.handle();
    /// let thread = std::thread::spawn(|| server.serve_blocking(|_| Adder));
    ///
    /// let mut client = TcpStream::connect(&address)?;
    /// client.write_all(b"20\n22\n")?;
    /// assert_eq!(io::read_to_string(client)?, "two numbers, please\n42\ngoodbye\n");
    ///
    /// let mut client = TcpStream::connect(&address)?;
    /// client.write_all(b"twenty\n")?;
    /// assert_eq!(io::read_to_string(client)?, "two numbers, please\ngoodbye\n");
    ///
    /// handle.stop();
    /// thread.join().unwrap()?;
    /// # Ok::<(), io::Error>(())
    /// ```
    fn handle_error(&mut self, error: &io::Error) {
        let _ = error;
    }

    /// Returns the handler in a box; a box is returned as it is.
    #[doc(hidden)]
    fn into_box(self) -> Box<dyn BlockingHandler>
    where
        Self: Sized + 'static,
    {
        Box::new(self)
    }
}

/// Creates a [`BlockingHandler`] for each accepted connection, or refuses it, as a
/// [`Service`](crate::Service) does for handlers of the loop. The loop calls it, so it must not
/// wait.
///
/// Closures that return a handler, or an `Option` of one, are such services:
///
/// ```
/// use socketserver::{BlockingHandler, BlockingService, Incoming, Peer, Stream};
///
/// # struct Silent;
/// # impl BlockingHandler for Silent {
/// #     fn handle(&mut self, _: &mut Stream) -> std::io::Result<()> {
/// #         Ok(())
/// #     }
/// # }
/// let mut first_three = (1..=3).map(|_| Silent);
/// let mut service = move |_: Incoming| first_three.next();
/// for is_accepted in [true, true, true, false] {
///     assert_eq!(service.accept(Incoming::from(Peer::unix())).is_some(), is_accepted);
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a service of blocking handlers",
    label = "expected a closure that makes a handler for each connection",
    note = "for a handler that is the same for all connections, write `|_| handler`; a closure that looks \
            at the connection has its type: `|incoming: Incoming| ...`"
)]
pub trait BlockingService: Send {
    /// Returns the handler for `incoming`, or `None` to close the connection at once: Python's
    /// `verify_request`. [`BlockingService`] has an example.
    fn accept(&mut self, incoming: Incoming) -> Option<Box<dyn BlockingHandler>>;

    /// Checks that the service can serve, as [`Service::check`](crate::Service::check) does.
    ///
    /// # Errors
    ///
    /// The server does not run, and returns this error.
    fn check(&self) -> io::Result<()> {
        Ok(())
    }
}

impl<F, A> BlockingService for F
where
    F: FnMut(Incoming) -> A + Send,
    A: IntoBlockingAdmission,
{
    fn accept(&mut self, incoming: Incoming) -> Option<Box<dyn BlockingHandler>> {
        self(incoming).admission()
    }
}

/// The types that a closure may return to be a [`BlockingService`]: a [`BlockingHandler`], or an
/// `Option` of one. A `Box<dyn BlockingHandler>` is a handler.
///
/// This trait is sealed: implement [`BlockingHandler`], or [`BlockingService`].
#[diagnostic::on_unimplemented(
    message = "a service of blocking handlers cannot return `{Self}`",
    label = "expected a `BlockingHandler`, an `Option` of one, or a `Box<dyn BlockingHandler>`"
)]
pub trait IntoBlockingAdmission: sealed::BlockingAdmission {}

mod sealed {
    use super::BlockingHandler;

    pub trait BlockingAdmission {
        /// Returns the handler, boxed, if the connection is admitted.
        fn admission(self) -> Option<Box<dyn BlockingHandler>>;
    }
}

impl<H: BlockingHandler + 'static> IntoBlockingAdmission for H {}

impl<H: BlockingHandler + 'static> sealed::BlockingAdmission for H {
    fn admission(self) -> Option<Box<dyn BlockingHandler>> {
        Some(self.into_box())
    }
}

impl<H: BlockingHandler + 'static> IntoBlockingAdmission for Option<H> {}

impl<H: BlockingHandler + 'static> sealed::BlockingAdmission for Option<H> {
    fn admission(self) -> Option<Box<dyn BlockingHandler>> {
        self.map(BlockingHandler::into_box)
    }
}

impl<H: BlockingHandler> BlockingHandler for Box<H> {
    fn setup(&mut self, stream: &mut Stream) -> io::Result<()> {
        (**self).setup(stream)
    }

    fn handle(&mut self, stream: &mut Stream) -> io::Result<()> {
        (**self).handle(stream)
    }

    fn finish(&mut self, stream: &mut Stream) -> io::Result<()> {
        (**self).finish(stream)
    }

    fn handle_error(&mut self, error: &io::Error) {
        (**self).handle_error(error);
    }

    fn into_box(self) -> Box<dyn BlockingHandler>
    where
        Self: 'static,
    {
        self
    }
}

impl BlockingHandler for Box<dyn BlockingHandler> {
    fn setup(&mut self, stream: &mut Stream) -> io::Result<()> {
        (**self).setup(stream)
    }

    fn handle(&mut self, stream: &mut Stream) -> io::Result<()> {
        (**self).handle(stream)
    }

    fn finish(&mut self, stream: &mut Stream) -> io::Result<()> {
        (**self).finish(stream)
    }

    fn handle_error(&mut self, error: &io::Error) {
        (**self).handle_error(error);
    }

    fn into_box(self) -> Box<dyn BlockingHandler> {
        self
    }
}
