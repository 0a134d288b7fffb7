//! The server's end of a simulated connection: a wire, and the account of its handler. It moves
//! like a real socket: from the listen queue to a loop, to another loop, or to a worker.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard};

use super::account::Account;
use crate::exec::BlockingSocket;
use crate::hub::Transport;
use crate::testkit::wire::{MemorySocket, Wire, lock};

/// The server's end of a connection.
pub(super) struct MemoryStream {
    socket: MemorySocket,
    pub(super) account: Arc<Mutex<Account>>,
}

impl MemoryStream {
    pub(super) fn new(wire: &Arc<Mutex<Wire>>, account: &Arc<Mutex<Account>>) -> MemoryStream {
        MemoryStream { socket: MemorySocket(Arc::clone(wire)), account: Arc::clone(account) }
    }

    pub(super) fn wire(&self) -> MutexGuard<'_, Wire> {
        lock(&self.socket.0)
    }
}

impl Read for MemoryStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.read(buffer)
    }
}

impl Write for MemoryStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.socket.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for MemoryStream {
    fn short_read_drains(&self) -> bool {
        self.socket.short_read_drains()
    }

    fn keeps_boundaries(&self) -> bool {
        self.socket.keeps_boundaries()
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.socket.shutdown_write()
    }

    fn reset_on_close(&mut self) {
        self.socket.reset_on_close();
    }
}

impl BlockingSocket for MemoryStream {
    /// Ends the input of a blocking handler; the world does the rest.
    fn shutdown(&self, _: Shutdown) {
        self.wire().interrupted = true;
    }

    fn cut(&self) {
        self.shutdown(Shutdown::Both);
    }

    /// The world has no writes that fail in a blocking handler.
    fn reset_on_close(&self) {}
}
