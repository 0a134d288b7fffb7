//! When to accept and when to wait: a listener's state between its events. Knows no poller.

use std::io;

use super::listen::Listener;
use super::socket::Socket;
use crate::Peer;

/// One listener's accepting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepting {
    /// Its queue was empty when last looked at: an event will come.
    Idle,
    /// Its queue may hold peers, and no event will say so again.
    Ready,
    /// The system had no descriptor or memory for another connection. No event will come, so
    /// try again at this time, or when one of ours closed.
    Paused { until_ms: u64 },
}

/// How long to wait when the system is out of descriptors or memory.
pub(super) const PAUSE_MS: u64 = 100;

/// What one look at a listener's queue gave.
pub(super) enum Look {
    /// Somebody.
    Came(Socket, Peer),
    /// Somebody who had left again; there may be more.
    Left,
    /// Nobody.
    Empty,
    /// The system said no.
    Refused(io::Error),
}

pub(super) fn look(listener: &Listener) -> Look {
    match listener.accept() {
        Ok((stream, peer)) => Look::Came(stream, peer),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Look::Empty,
        Err(error) if concerns_one_peer(&error) => Look::Left,
        // Out of descriptors or memory (EMFILE, ENFILE, ENOBUFS, ENOMEM), and whatever else
        // accept may invent: a pause is right for all of them, because an error that lasts
        // must not make the loop spin.
        Err(error) => Look::Refused(error),
    }
}

/// Errors that accept(2) reports for the connection it would have returned, and recv(2) for
/// datagrams that were sent before: the next one may be all right.
pub(super) fn concerns_one_peer(error: &io::Error) -> bool {
    const EPROTO: i32 = if cfg!(target_os = "linux") { 71 } else { 100 };
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::TimedOut
    ) || error.raw_os_error() == Some(EPROTO)
}
