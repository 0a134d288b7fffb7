//! A connection as a blocking handler sees it: buffered in both directions, with timeouts. Knows
//! sockets of the standard library; no poller, no clock and no table of connections.

use std::fmt;
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use crate::close::Close;
use crate::net::address::Address;
use crate::net::incoming::Incoming;
use crate::net::peer::Peer;

/// Bytes that one read asks for, as the loop's reads do: a chunk is the same in both.
const INPUT_BUFFER: usize = 64 * 1024;
const OUTPUT_BUFFER: usize = 8 * 1024;

/// The connection that a [`BlockingHandler`](crate::BlockingHandler) serves: Python's `rfile`,
/// `wfile` and `request` in one.
///
/// Reading is buffered ([`BufRead`] has `read_line`), and so is writing. What was written is sent
/// when the stream has to wait for input, so no call of `flush` is needed before a question to
/// the peer; and when the handler has finished.
///
/// A read gives 0 bytes when the peer will send no more, and when the server is stopping. A read
/// that waits longer than [`Limits::idle`](crate::Limits::idle) fails with `TimedOut`; so does a
/// write that waits longer than [`Limits::write_stall`](crate::Limits::write_stall) for the peer
/// to take a byte. Both times are for one wait each: a peer that sends a byte now and then keeps
/// its worker. Once a write has failed, the stream takes no more.
pub struct Stream {
    input: BufReader<Input>,
    output: BufWriter<Output>,
    incoming: Incoming,
}

impl Stream {
    /// `idle` and `write_stall` are those of the limits.
    pub(crate) fn new(
        socket: &Arc<StdSocket>,
        incoming: Incoming,
        idle: Option<Duration>,
        write_stall: Option<Duration>,
    ) -> io::Result<Stream> {
        let input = Input { socket: Arc::clone(socket), has_ended: false, bytes: 0 };
        let output = Output { socket: Arc::clone(socket), has_failed: false, bytes: 0 };
        let stream = Stream {
            input: BufReader::with_capacity(INPUT_BUFFER, input),
            output: BufWriter::with_capacity(OUTPUT_BUFFER, output),
            incoming,
        };
        socket.set_nonblocking(false)?;
        // For the system a timeout of 0 is none.
        let at_once = |time: Duration| time.max(Duration::from_millis(1));
        stream.set_read_timeout(idle.map(at_once))?;
        stream.set_write_timeout(write_stall.map(at_once))?;
        Ok(stream)
    }

    /// Who is at the other end.
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

    /// How long a read waits before it fails with `TimedOut`; `None` is for ever.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a time of 0; else the system's.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self.socket() {
            StdSocket::Tcp(stream) => stream.set_read_timeout(timeout),
            StdSocket::Unix(stream) => stream.set_read_timeout(timeout),
        }
    }

    /// How long a write waits for the peer to take a byte before it fails with `TimedOut`; `None`
    /// is for ever.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a time of 0; else the system's.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self.socket() {
            StdSocket::Tcp(stream) => stream.set_write_timeout(timeout),
            StdSocket::Unix(stream) => stream.set_write_timeout(timeout),
        }
    }

    /// What [`set_read_timeout`](Stream::set_read_timeout) has set, or the server's limit.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        match self.socket() {
            StdSocket::Tcp(stream) => stream.read_timeout(),
            StdSocket::Unix(stream) => stream.read_timeout(),
        }
    }

    fn socket(&self) -> &StdSocket {
        &self.input.get_ref().socket
    }

    /// Whether the end of the input has been read.
    pub(crate) fn has_ended(&self) -> bool {
        self.input.get_ref().has_ended
    }

    /// How many bytes have come, and how many have gone.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.input.get_ref().bytes, self.output.get_ref().bytes)
    }

    /// Whether the peer has sent what nobody read. Looks, so it is the last that is done with the
    /// stream.
    pub(crate) fn has_unread(&mut self) -> bool {
        if self.has_ended() {
            return false;
        }
        let mut byte = [0];
        !self.input.buffer().is_empty()
            || self.socket().set_nonblocking(true).is_ok()
                && matches!(self.input.get_mut().read(&mut byte), Ok(1))
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.input.buffer().is_empty() {
            self.output.flush()?;
        }
        self.input.read(buffer)
    }
}

impl BufRead for Stream {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.input.buffer().is_empty() {
            self.output.flush()?;
        }
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

/// A connected stream socket that waits. Shared, so that a server that stops can interrupt who
/// waits; there is only ever one descriptor of it.
#[derive(Debug)]
pub(crate) enum StdSocket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl StdSocket {
    /// Ends a direction, or both. Who waits for it wakes up.
    pub(crate) fn shutdown(&self, how: Shutdown) {
        // It fails only if the connection has gone, and then nobody waits.
        let _ = match self {
            StdSocket::Tcp(stream) => stream.shutdown(how),
            StdSocket::Unix(stream) => stream.shutdown(how),
        };
    }

    pub(crate) fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        match self {
            StdSocket::Tcp(stream) => stream.set_nonblocking(nonblocking),
            StdSocket::Unix(stream) => stream.set_nonblocking(nonblocking),
        }
    }
}

struct Input {
    socket: Arc<StdSocket>,
    has_ended: bool,
    bytes: u64,
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = unless_interrupted(|| match &*self.socket {
            StdSocket::Tcp(stream) => { stream }.read(buffer),
            StdSocket::Unix(stream) => { stream }.read(buffer),
        });
        self.has_ended |= matches!(result, Ok(0)) && !buffer.is_empty();
        self.bytes += result.as_ref().map_or(0, |n| *n as u64);
        result
    }
}

struct Output {
    socket: Arc<StdSocket>,
    /// The buffer would try again what has failed, and wait as long each time.
    has_failed: bool,
    bytes: u64,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.has_failed {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let result = unless_interrupted(|| match &*self.socket {
            StdSocket::Tcp(stream) => { stream }.write(bytes),
            StdSocket::Unix(stream) => { stream }.write(bytes),
        });
        self.has_failed = result.is_err();
        self.bytes += result.as_ref().map_or(0, |n| *n as u64);
        result
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the call says, once no signal interrupts it: as in Python, no handler hears of those. A
/// socket that waits says `WouldBlock` when its time is over (socket(7), `SO_RCVTIMEO`).
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

/// Why a connection ended whose handler gave up with this. What a peer can bring about is
/// nothing that is wrong here.
pub(crate) fn reason(error: &io::Error) -> Close {
    match error.kind() {
        ErrorKind::UnexpectedEof => Close::Eof,
        ErrorKind::InvalidData => Close::Malformed { code: 0, why: "invalid data" },
        kind if Close::Io(kind).is_expected() || error.raw_os_error().is_some() => Close::Io(kind),
        _ => Close::failed(error.to_string()),
    }
}
