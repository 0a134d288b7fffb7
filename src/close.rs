//! The reasons why connections end. Knows no protocol and no socket.

use std::error::Error;
use std::sync::Arc;
use std::{fmt, io, num, str, string};

/// The reason why a connection ended: passed to [`Handler::on_close`](crate::Handler::on_close),
/// and printed in the log line of the connection.
///
/// A handler ends its connection by returning one of these from
/// [`on_data`](crate::Handler::on_data) or by [`Context::close`](crate::Context::close). Either
/// way, output written before is sent first.
///
/// ```
/// use socketserver::Close;
///
/// assert_eq!(Close::Done.to_string(), "done");
/// assert!(Close::Done.is_expected());
/// let bad = Close::Malformed { code: 400, why: "two Host fields" };
/// assert_eq!(bad.to_string(), "malformed input (400): two Host fields");
/// assert!(!Close::Panicked.is_expected());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Close {
    /// The handler has finished.
    Done,
    /// The peer has ended its input, and all of its requests were answered.
    Eof,
    /// The server is stopping.
    Stopping,
    /// The server was at a limit of its connections, and this one was idle: its place is for one
    /// that waited. See [`Handler::on_crowded`](crate::Handler::on_crowded).
    Crowded,
    /// A deadline of [`Limits`](crate::Limits) or of a protocol has passed.
    Timeout(Timeout),
    /// The peer violated the protocol.
    Malformed {
        /// The error code of the protocol (an HTTP status, a WebSocket close code), or 0 without
        /// one.
        code: u16,
        /// The fault, for the log.
        why: &'static str,
    },
    /// The handler left more input unused than
    /// [`Limits::pending_input`](crate::Limits::pending_input) allows, or a packet was longer than
    /// 64 KiB.
    InputLimit,
    /// The peer reads too slowly: its output exceeded
    /// [`Limits::output_hard`](crate::Limits::output_hard) when more was added.
    SlowConsumer,
    /// The handler wrote a packet longer than its socket accepts (EMSGSIZE). On Linux that is the
    /// size of the send buffer, about 208 KiB (`net.core.wmem_default`, socket(7)).
    PacketTooLong {
        /// The length of the packet.
        bytes: usize,
    },
    /// The socket failed.
    Io(io::ErrorKind),
    /// The handler panicked.
    Panicked,
    /// The handler gave up, for a reason of its own, which goes into the log: see
    /// [`Close::failed`].
    Failed(HandlerError),
}

/// Which deadline passed; each but the last is a field of [`Limits`](crate::Limits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Timeout {
    /// [`Limits::first_byte`](crate::Limits::first_byte)
    FirstByte,
    /// [`Limits::message`](crate::Limits::message)
    Message,
    /// [`Limits::idle`](crate::Limits::idle)
    Idle,
    /// [`Limits::write_stall`](crate::Limits::write_stall)
    WriteStall,
    /// A message in pieces arrived more slowly than its protocol allows, such as the body of an
    /// HTTP request (`HttpLimits::body_rate`).
    Rate,
}

impl Close {
    /// Returns true if an end like this is not a fault of this server, though it may be one of the
    /// peer. These ends are logged at level debug, others as warnings: input from strangers must
    /// not fill a log.
    #[must_use]
    pub fn is_expected(&self) -> bool {
        match self {
            Close::Done | Close::Eof | Close::Stopping => true,
            Close::Crowded | Close::Timeout(_) => true,
            Close::Malformed { .. } | Close::InputLimit => true,
            // Peers vanish all the time, which is not an error here.
            Close::Io(kind) => matches!(
                kind,
                io::ErrorKind::ConnectionReset
                    | io::ErrorKind::BrokenPipe
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::NotConnected
                    | io::ErrorKind::TimedOut
            ),
            _ => false,
        }
    }

    /// The handler gave up for a reason of its own: a text, or any error.
    ///
    /// `?` does the same for errors of `std` that handlers meet: an [`io::Error`] of a file is the
    /// handler's, not the socket's.
    ///
    /// ```
    /// use socketserver::Close;
    /// use std::error::Error;
    ///
    /// fn parse(text: &str) -> Result<u32, Close> {
    ///     let number = text.parse()?;
    ///     if number > 100 {
    ///         return Err(Close::failed(format!("{number} is above 100")));
    ///     }
    ///     Ok(number)
    /// }
    ///
    /// assert_eq!(parse("101"), Err(Close::failed("101 is above 100")));
    /// let why = parse("x").unwrap_err();
    /// assert_eq!(why.to_string(), "handler failed: invalid digit found in string");
    /// assert!(why.source().is_some());
    /// ```
    pub fn failed(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Close {
        Close::Failed(HandlerError(Arc::from(reason.into())))
    }
}

/// The error for which a handler gave up.
///
/// ```
/// use socketserver::Close;
/// use std::io;
///
/// let why = Close::from(io::Error::from(io::ErrorKind::NotFound));
/// assert_eq!(why.to_string(), "handler failed: entity not found");
/// match why {
///     Close::Failed(error) => assert!(error.get_ref().is::<io::Error>()),
///     other => panic!("{other}"),
/// }
/// ```
#[derive(Clone, Debug)]
pub struct HandlerError(Arc<dyn Error + Send + Sync>);

impl HandlerError {
    /// Returns the error itself, to be downcast.
    #[must_use]
    pub fn get_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }
}

/// By their texts.
impl PartialEq for HandlerError {
    fn eq(&self, other: &HandlerError) -> bool {
        self.0.to_string() == other.0.to_string()
    }
}

impl Eq for HandlerError {}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It may contain bytes of a peer: a log record stays one line.
        self.0.to_string().escape_debug().fmt(f)
    }
}

impl Error for Close {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Close::Failed(error) => Some(error.get_ref()),
            _ => None,
        }
    }
}

impl From<io::Error> for Close {
    fn from(error: io::Error) -> Close {
        Close::failed(error)
    }
}

impl From<fmt::Error> for Close {
    fn from(error: fmt::Error) -> Close {
        Close::failed(error)
    }
}

impl From<num::ParseIntError> for Close {
    fn from(error: num::ParseIntError) -> Close {
        Close::failed(error)
    }
}

impl From<num::ParseFloatError> for Close {
    fn from(error: num::ParseFloatError) -> Close {
        Close::failed(error)
    }
}

impl From<num::TryFromIntError> for Close {
    fn from(error: num::TryFromIntError) -> Close {
        Close::failed(error)
    }
}

impl From<str::ParseBoolError> for Close {
    fn from(error: str::ParseBoolError) -> Close {
        Close::failed(error)
    }
}

impl From<str::Utf8Error> for Close {
    fn from(error: str::Utf8Error) -> Close {
        Close::failed(error)
    }
}

impl From<string::FromUtf8Error> for Close {
    fn from(error: string::FromUtf8Error) -> Close {
        Close::failed(error)
    }
}

impl From<Box<dyn Error + Send + Sync>> for Close {
    fn from(error: Box<dyn Error + Send + Sync>) -> Close {
        Close::failed(error)
    }
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Close::Done => f.write_str("done"),
            Close::Eof => f.write_str("end of input"),
            Close::Stopping => f.write_str("server stopping"),
            Close::Crowded => f.write_str("idle while the server was full"),
            Close::Timeout(which) => write!(f, "timeout: {which}"),
            Close::Malformed { code: 0, why } => write!(f, "malformed input: {why}"),
            Close::Malformed { code, why } => write!(f, "malformed input ({code}): {why}"),
            Close::InputLimit => f.write_str("too much pending input"),
            Close::SlowConsumer => f.write_str("slow consumer"),
            Close::PacketTooLong { bytes } => {
                write!(f, "a packet of {bytes} bytes is too long for its socket")
            }
            Close::Io(kind) => write!(f, "socket: {kind}"),
            Close::Panicked => f.write_str("handler panicked"),
            Close::Failed(error) => write!(f, "handler failed: {error}"),
        }
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Timeout::FirstByte => "first byte",
            Timeout::Message => "message",
            Timeout::Idle => "idle",
            Timeout::WriteStall => "write stall",
            Timeout::Rate => "message rate",
        })
    }
}
