//! The state that a worker inherits from its supervisor: the sockets, and the channel that carries
//! them.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::{env, io};

use rustix::stdio::dup2_stdin;

use super::{handoff, program};

/// Tells a program that it is a worker, and the number of sockets handed down to it.
pub(super) const VARIABLE: &str = "SOCKETSERVER_WORKER";

/// One for the process, not for each server, because standard input is one, too.
static INHERITANCE: OnceLock<Option<Inheritance>> = OnceLock::new();

struct Inheritance {
    /// Open until the process ends: closing it tells the supervisor that the worker has ended.
    channel: UnixStream,
    /// Sockets that have not been taken.
    left: Mutex<usize>,
}

impl Inheritance {
    /// Reads standard input and the environment. Programs that a worker starts inherit the
    /// environment but not the channel.
    fn claim() -> Option<Inheritance> {
        let count = env::var(VARIABLE).ok()?.parse().ok()?;
        let channel = UnixStream::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
        // Fails for anything but a Unix socket.
        channel.local_addr().ok()?;
        if let Err(error) = File::open("/dev/null").and_then(|null| Ok(dup2_stdin(null)?)) {
            log::warn!("cannot open /dev/null: {error}; programs started here delay a stop");
        }
        program::name_process();
        Some(Inheritance { channel, left: Mutex::new(count) })
    }

    fn next_socket(&self) -> io::Result<OwnedFd> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let error = |text| io::Error::new(io::ErrorKind::InvalidInput, text);
        *left = left.checked_sub(1).ok_or_else(|| {
            error("the supervisor did not bind it: its workers must bind the same addresses")
        })?;
        handoff::receive(&self.channel)
    }
}

fn inheritance() -> Option<&'static Inheritance> {
    INHERITANCE.get_or_init(Inheritance::claim).as_ref()
}

/// Returns true if a supervisor started this process.
pub(crate) fn is_worker() -> bool {
    inheritance().is_some()
}

/// Returns, in a worker, the next socket in the order in which the supervisor bound them.
///
/// # Errors
///
/// Returns `InvalidInput` if none is left, or the system's error.
pub(crate) fn next_socket() -> io::Result<Option<OwnedFd>> {
    inheritance().map(Inheritance::next_socket).transpose()
}

/// Returns, in a worker, the channel for the orders of its supervisor. Closes sockets that were not
/// taken.
///
/// # Errors
///
/// Returns the system's error.
pub(crate) fn channel() -> io::Result<Option<UnixStream>> {
    let Some(inheritance) = inheritance() else { return Ok(None) };
    while inheritance.next_socket().is_ok() {}
    inheritance.channel.try_clone().map(Some)
}
