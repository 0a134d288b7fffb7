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
}

/// Makes a [`BlockingHandler`] for each accepted connection, or refuses it, as a
/// [`Service`](crate::Service) does for handlers of the loop. It is asked in the loop, so it must
/// not wait.
///
/// Closures are such services, whether they return a handler or an `Option` of one.
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
    A: BlockingAdmission,
{
    fn accept(&mut self, incoming: Incoming) -> Option<Box<dyn BlockingHandler>> {
        self(incoming).handler()
    }
}

/// What a closure that is a [`BlockingService`] may return: a handler, or an `Option` of one.
pub trait BlockingAdmission {
    /// The handler, boxed, if the peer is admitted.
    fn handler(self) -> Option<Box<dyn BlockingHandler>>;
}

impl<H: BlockingHandler + 'static> BlockingAdmission for H {
    fn handler(self) -> Option<Box<dyn BlockingHandler>> {
        Some(Box::new(self))
    }
}

impl<H: BlockingHandler + 'static> BlockingAdmission for Option<H> {
    fn handler(self) -> Option<Box<dyn BlockingHandler>> {
        self.map(|handler| Box::new(handler) as Box<dyn BlockingHandler>)
    }
}

impl<H: BlockingHandler + ?Sized> BlockingHandler for Box<H> {
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
}
