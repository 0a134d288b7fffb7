//! The contract of blocking handlers: Python's `StreamRequestHandler`, line for line. Knows no
//! thread and no table of connections.

use std::io;

use crate::handler::stream::Stream;
use crate::net::incoming::Incoming;

/// Your per-connection object that may wait: Python's `StreamRequestHandler`. A worker of
/// [`Mode::Threads`](crate::Mode::Threads) serves one connection with it, from the first call to
/// the last: [`setup`](BlockingHandler::setup), [`handle`](BlockingHandler::handle),
/// [`finish`](BlockingHandler::finish). Others wait for a worker in the order in which they came.
///
/// An error or a panic ends this connection and nothing else, and the worker takes the next one.
/// What was written before is sent. Then the connection is closed, and one record is logged that
/// says why, at level debug if nothing is wrong on this side, else warn.
///
/// When the server [stops](crate::ServerHandle::stop), a read gives the end of the input as soon as all
/// is read that has come; what is written is still sent. After
/// [`Limits::drain`](crate::Limits::drain) every call on the stream fails, and
/// [`Server::run`](crate::Server::run) returns though a handler may still be running: nobody can
/// interrupt one that waits for something else than its stream. Such a thread ends with the
/// program, as Python's `daemon_threads` do.
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
    /// Before [`handle`](BlockingHandler::handle). Nothing by default.
    ///
    /// # Errors
    ///
    /// The connection ends, and neither [`handle`](BlockingHandler::handle) nor
    /// [`finish`](BlockingHandler::finish) is called.
    fn setup(&mut self, stream: &mut Stream) -> io::Result<()> {
        let _ = stream;
        Ok(())
    }

    /// All the work. The connection ends when it returns.
    ///
    /// # Errors
    ///
    /// What was written is sent; then the connection ends.
    fn handle(&mut self, stream: &mut Stream) -> io::Result<()>;

    /// After [`handle`](BlockingHandler::handle), and also if that has failed or panicked. Nothing
    /// by default; what is left to send is sent behind it.
    ///
    /// # Errors
    ///
    /// As for [`handle`](BlockingHandler::handle), whose own error comes first.
    fn finish(&mut self, stream: &mut Stream) -> io::Result<()> {
        let _ = stream;
        Ok(())
    }

    /// One of the others gave up with this error, or what was left could not be sent. It comes
    /// last and once. Nothing by default: the record of the connection's end tells the error.
    fn handle_error(&mut self, error: &io::Error) {
        let _ = error;
    }

    /// Boxes it, unless it is a box already.
    #[doc(hidden)]
    fn into_box(self) -> Box<dyn BlockingHandler>
    where
        Self: Sized + 'static,
    {
        Box::new(self)
    }
}

/// Makes a [`BlockingHandler`] for each accepted connection, or refuses it, as a
/// [`Service`](crate::Service) does for handlers of the loop. It is asked in the loop, so it must
/// not wait.
///
/// Closures are such services, whether they return a handler or an `Option` of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a service of blocking handlers",
    label = "expected a closure that makes a handler for each connection",
    note = "for a handler that is the same for all connections, write `|_| handler`; a closure that looks \
            at the connection has its type: `|incoming: Incoming| ...`"
)]
pub trait BlockingService: Send {
    /// Returns the handler for `incoming`, or `None` to close the connection at once: Python's
    /// `verify_request`.
    fn accept(&mut self, incoming: Incoming) -> Option<Box<dyn BlockingHandler>>;

    /// Checks that the service can serve, as [`Service::check`](crate::Service::check) does.
    ///
    /// # Errors
    ///
    /// The server does not run, and this is its error.
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

/// All that a closure that is a [`BlockingService`] may return: a [`BlockingHandler`], or an
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
