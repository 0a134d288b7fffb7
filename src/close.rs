//! Why a connection ended. Knows no protocol and no socket.

use std::{fmt, io};

/// Why a connection ended: what [`Handler::on_close`](crate::Handler::on_close) is told and what
/// the one log line of the connection prints.
///
/// A handler ends its connection by returning one of these from
/// [`on_data`](crate::Handler::on_data) or by [`Context::close`](crate::Context::close). Either
/// way what it has written before is sent first.
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
    /// The handler had nothing more to do.
    Done,
    /// The peer said that it will send no more, and everything it asked for was answered.
    Eof,
    /// The server is stopping.
    Stopping,
    /// A deadline passed, of [`Limits`](crate::Limits) or of a protocol.
    Timeout(Timeout),
    /// The peer broke the rules of the protocol.
    Malformed {
        /// The protocol's own number for it (an HTTP status, a WebSocket close code), 0 if it
        /// has none.
        code: u16,
        /// What was wrong, for the log.
        why: &'static str,
    },
    /// The handler left more input unused than
    /// [`Limits::pending_input`](crate::Limits::pending_input) allows, or a packet was longer than
    /// 64 KiB.
    InputLimit,
    /// The peer reads too slowly: its output was above
    /// [`Limits::output_hard`](crate::Limits::output_hard) and more came.
    SlowConsumer,
    /// The handler wrote a packet that is longer than its socket takes at once (EMSGSIZE), which
    /// on Linux is what the send buffer holds: about 208 KiB (`net.core.wmem_default`, socket(7)).
    PacketTooLong {
        /// How long it was.
        bytes: usize,
    },
    /// The socket failed.
    Io(io::ErrorKind),
    /// The handler panicked.
    Panicked,
    /// The handler gave up; the text is its own and goes into the log.
    Failed(Box<str>),
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
    /// A message that is handed on in pieces came more slowly than its protocol allows: the body of
    /// an HTTP request, say (`HttpLimits::body_rate`).
    Rate,
}

impl Close {
    /// Whether nothing is wrong here when a connection ends like this, whatever may be wrong with
    /// its peer. Such ends are logged at level debug, others as warnings: what strangers send must
    /// not fill a log.
    #[must_use]
    pub fn is_expected(&self) -> bool {
        match self {
            Close::Done | Close::Eof | Close::Stopping | Close::Timeout(_) => true,
            Close::Malformed { .. } | Close::InputLimit => true,
            // Peers vanish all the time; nothing is wrong here when they do.
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

    /// The handler gave up for a reason of its own.
    pub fn failed(reason: impl fmt::Display) -> Close {
        Close::Failed(reason.to_string().into())
    }
}

impl From<io::Error> for Close {
    fn from(error: io::Error) -> Close {
        Close::Io(error.kind())
    }
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Close::Done => f.write_str("done"),
            Close::Eof => f.write_str("end of input"),
            Close::Stopping => f.write_str("server stopping"),
            Close::Timeout(which) => write!(f, "timeout: {which}"),
            Close::Malformed { code: 0, why } => write!(f, "malformed input: {why}"),
            Close::Malformed { code, why } => write!(f, "malformed input ({code}): {why}"),
            Close::InputLimit => f.write_str("too much pending input"),
            Close::SlowConsumer => f.write_str("slow consumer"),
            Close::PacketTooLong { bytes } => {
                write!(f, "a packet of {bytes} bytes is longer than its socket takes")
            }
            Close::Io(kind) => write!(f, "socket: {kind}"),
            Close::Panicked => f.write_str("handler panicked"),
            // The handler may have put a peer's bytes into it: one record stays one line.
            Close::Failed(reason) => write!(f, "handler failed: {}", reason.escape_debug()),
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
