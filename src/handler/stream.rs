//! The connection of a blocking handler: buffered in both directions, with timeouts. Knows sockets
//! of the standard library; no poller, no clock and no table of connections.

use std::fmt;
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::close::Close;
use crate::limits::SMALLEST_ROOM;
use crate::net::address::Address;
use crate::net::incoming::Incoming;
use crate::net::peer::Peer;

/// The size of one read in bytes, the same as in the loop.
const INPUT_BUFFER: usize = 64 * 1024;
const OUTPUT_BUFFER: usize = 8 * 1024;

/// The connection that a [`BlockingHandler`](crate::BlockingHandler) serves: Python's `rfile`,
/// `wfile` and `request` in one.
///
/// Input and output are buffered; [`BufRead`] has `read_line`. The stream sends its output before
/// it waits for input and when the handler has finished, so that few handlers call `flush`.
///
/// A read returns 0 bytes when the peer has ended its output, and when the server is stopping. A
/// read that waits longer than [`Limits::idle`](crate::Limits::idle) fails with `TimedOut`, and so
/// does a write that waits longer than [`Limits::write_stall`](crate::Limits::write_stall) for the
/// peer to read. Each time is for one wait: a peer that sends a byte now and then keeps its
/// worker. After a write has failed, all further writes fail, and the connection ends by a reset;
/// but if the peer has gone, its input that has arrived can still be read.
///
/// ```
/// use socketserver::{BlockingHandler, Mode, Server, Stream};
/// use std::io::{self, BufRead, ErrorKind, Write};
/// use std::net::TcpStream;
/// use std::time::Duration;
///
/// /// Repeats a line, if it comes in time.
/// struct Impatient;
///
/// impl BlockingHandler for Impatient {
///     fn handle(&mut self, stream: &mut Stream) -> io::Result<()> {
///         stream.set_read_timeout(Some(Duration::from_millis(20)))?;
///         stream.set_write_timeout(Some(Duration::from_secs(5)))?;
///         assert_eq!(stream.read_timeout()?, Some(Duration::from_millis(20)));
///         let mut line = String::new();
///         match stream.read_line(&mut line) {
///             Ok(_) => stream.write_all(line.as_bytes()),
///             Err(error) if error.kind() == ErrorKind::TimedOut => stream.write_all(b"too late"),
///             Err(error) => Err(error),
///         }
///     }
/// }
///
/// let server = Server::bind("127.0.0.1:0")?.mode(Mode::Threads(1));
/// let address = server.addresses()[0].to_string();
/// let handle = server.handle();
/// let thread = std::thread::spawn(|| server.serve_blocking(|_| Impatient));
///
/// let client = TcpStream::connect(address)?;
/// assert_eq!(io::read_to_string(&client)?, "too late");
///
/// handle.stop();
/// thread.join().unwrap()?;
/// # Ok::<(), io::Error>(())
/// ```
pub struct Stream {
    input: BufReader<Input>,
    output: BufWriter<Output>,
    incoming: Incoming,
}

impl Stream {
    /// Creates the stream of a connection, with the timeouts of the server's limits. It sets
    /// `is_busy` unless its handler waits for input.
    pub(crate) fn new(
        (socket, is_busy): (&Arc<StdSocket>, &Arc<AtomicBool>),
        incoming: Incoming,
        idle: Option<Duration>,
        write_stall: Option<Duration>,
    ) -> io::Result<Stream> {
        is_busy.store(true, Ordering::Relaxed);
        let (held, is_busy) = (Arc::clone(socket), Arc::clone(is_busy));
        let input = Input { socket: held, is_busy, has_ended: false, bytes: 0 };
        let output = Output { socket: Arc::clone(socket), failed: None, bytes: 0 };
        let stream = Stream {
            input: BufReader::with_capacity(INPUT_BUFFER, input),
            output: BufWriter::with_capacity(OUTPUT_BUFFER, output),
            incoming,
        };
        socket.set_nonblocking(false)?;
        // The system waits without a limit if the timeout is 0.
        let at_once = |time: Duration| time.max(Duration::from_millis(1));
        stream.set_read_timeout(idle.map(at_once))?;
        stream.set_write_timeout(write_stall.map(at_once))?;
        Ok(stream)
    }

    /// Returns the other end of the connection.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        self.incoming.peer()
    }

    /// Returns the address that the peer has connected to: see
    /// [`Context::local_address`](crate::Context::local_address).
    #[must_use]
    pub fn local_address(&self) -> &Address {
        self.incoming.local_address()
    }

    /// Sets the time that one read may wait before it fails with `TimedOut`; `None` sets no limit.
    /// The system rounds it up, at most to 10 ms. [`Stream`] has an example.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the time is 0; otherwise the system's error.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self.socket() {
            StdSocket::Tcp(stream) => stream.set_read_timeout(timeout),
            StdSocket::Unix(stream) => stream.set_read_timeout(timeout),
        }
    }

    /// Sets the time that one write may wait for the peer to read before it fails with `TimedOut`;
    /// `None` sets no limit. [`Stream`] has an example.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the time is 0; otherwise the system's error.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self.socket() {
            StdSocket::Tcp(stream) => stream.set_write_timeout(timeout),
            StdSocket::Unix(stream) => stream.set_write_timeout(timeout),
        }
    }

    /// Returns the timeout of reads: the one from
    /// [`set_read_timeout`](Stream::set_read_timeout), or [`Limits::idle`](crate::Limits::idle).
    /// [`Stream`] has an example.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        match self.socket() {
            StdSocket::Tcp(stream) => stream.read_timeout(),
            StdSocket::Unix(stream) => stream.read_timeout(),
        }
    }

    /// Returns true if a write has failed.
    pub(crate) fn has_lost_output(&self) -> bool {
        self.output.get_ref().failed.is_some()
    }

    /// Sends the output if a read may wait for the peer. If the peer has gone, its input that has
    /// arrived is still read, and then the end.
    fn send_before_wait(&mut self) -> io::Result<()> {
        if !self.input.buffer().is_empty() {
            return Ok(());
        }
        match self.output.flush() {
            Err(_) if self.output.get_ref().has_lost_peer() => Ok(()),
            sent => sent,
        }
    }

    fn socket(&self) -> &StdSocket {
        &self.input.get_ref().socket
    }

    /// Returns true if the end of the input has been read.
    pub(crate) fn has_ended(&self) -> bool {
        self.input.get_ref().has_ended
    }

    /// Returns the numbers of bytes received and sent.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.input.get_ref().bytes, self.output.get_ref().bytes)
    }

    /// Returns true if the peer has sent bytes that the handler has not read, or may send some
    /// before it has the answer. Reads one of them, so this is the last call on the stream.
    pub(crate) fn must_linger(&mut self) -> bool {
        if self.has_ended() {
            return false;
        }
        let mut byte = [0];
        self.output.get_ref().bytes > SMALLEST_ROOM
            || !self.input.buffer().is_empty()
            || self.socket().set_nonblocking(true).is_ok()
                && matches!(self.input.get_mut().read(&mut byte), Ok(1))
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.send_before_wait()?;
        self.input.read(buffer)
    }
}

impl BufRead for Stream {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.send_before_wait()?;
        self.input.fill_buf()
    }

    fn consume(&mut self, used: usize) {
        self.input.consume(used);
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("peer", &self.peer()).finish_non_exhaustive()
    }
}

/// A connected stream socket in blocking mode. The server shares it, to interrupt a waiting worker
/// when it stops; there is one descriptor only.
#[derive(Debug)]
pub(crate) enum StdSocket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl StdSocket {
    pub(crate) fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        match self {
            StdSocket::Tcp(stream) => stream.set_nonblocking(nonblocking),
            StdSocket::Unix(stream) => stream.set_nonblocking(nonblocking),
        }
    }
}

struct Input {
    socket: Arc<StdSocket>,
    is_busy: Arc<AtomicBool>,
    has_ended: bool,
    bytes: u64,
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_busy.store(false, Ordering::Relaxed);
        let result = unless_interrupted(|| match &*self.socket {
            StdSocket::Tcp(stream) => { stream }.read(buffer),
            StdSocket::Unix(stream) => { stream }.read(buffer),
        });
        self.is_busy.store(true, Ordering::Relaxed);
        self.has_ended |= matches!(result, Ok(0)) && !buffer.is_empty();
        self.bytes += result.as_ref().map_or(0, |n| *n as u64);
        result
    }
}

struct Output {
    socket: Arc<StdSocket>,
    /// The error of a write. The buffer would try it again, and wait as long each time.
    failed: Option<ErrorKind>,
    bytes: u64,
}

impl Output {
    /// Returns true if a write has failed because the peer reads no more.
    fn has_lost_peer(&self) -> bool {
        use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        matches!(self.failed, Some(BrokenPipe | ConnectionReset | ConnectionAborted))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed.is_some() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let result = unless_interrupted(|| match &*self.socket {
            StdSocket::Tcp(stream) => { stream }.write(bytes),
            StdSocket::Unix(stream) => { stream }.write(bytes),
        });
        self.failed = result.as_ref().err().map(io::Error::kind);
        self.bytes += result.as_ref().map_or(0, |n| *n as u64);
        result
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Repeats a system call that a signal has interrupted, so that no handler has to. A blocking
/// socket returns `WouldBlock` after its timeout (socket(7), `SO_RCVTIMEO`).
fn unless_interrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(ErrorKind::TimedOut.into());
            }
            result => return result,
        }
    }
}

/// Returns the reason for the end of a connection whose handler has failed with this error. Errors
/// that a peer can cause are not faults of the server.
pub(crate) fn reason(error: &io::Error) -> Close {
    match error.kind() {
        ErrorKind::UnexpectedEof => Close::Eof,
        ErrorKind::InvalidData => Close::Malformed { code: 0, why: "invalid data" },
        kind if Close::Io(kind).is_expected() || error.raw_os_error().is_some() => Close::Io(kind),
        _ => Close::failed(error.to_string()),
    }
}
