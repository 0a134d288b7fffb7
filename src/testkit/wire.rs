//! A connection in memory with the semantics of an edge-triggered poller.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::hub::{Readiness, Transport};
use crate::reactor::Source;

/// The state shared by both ends of a connection, in place of the kernel's.
pub(super) struct Wire {
    pub(super) to_server: VecDeque<u8>,
    pub(super) to_client: VecDeque<u8>,
    /// The most bytes that may be in flight to the client.
    pub(super) window: usize,
    /// The most bytes that one read or write moves; `None` for no limit, as with TCP.
    pub(super) grain: Option<usize>,
    /// The lengths of the packets in flight, if boundaries are kept.
    pub(super) packets: Option<Packets>,
    /// Set by a change since the last event: an edge.
    pub(super) edge: bool,
    /// A write of the server found too little room: an event is due once there is room.
    pub(super) starved: bool,
    pub(super) client_shut: bool,
    pub(super) client_reset: bool,
    /// The client has closed its socket: the server's writes fail.
    pub(super) client_closed: bool,
    pub(super) server_shut: bool,
    pub(super) server_gone: bool,
    /// The server requested a reset on close.
    pub(super) reset_on_close: bool,
    /// The server closed with a reset, or with unread input: the client sees a reset.
    pub(super) reset_by_server: bool,
    pub(super) reads: usize,
    pub(super) writes: usize,
    /// The number of bytes that the server has read and written.
    pub(super) bytes_read: usize,
    pub(super) bytes_written: usize,
    /// An error for the next read. All but `Interrupted` come with an event.
    pub(super) read_error: Option<io::ErrorKind>,
    /// An error for the next write, without an event.
    pub(super) write_error: Option<io::ErrorKind>,
    /// Such an error was returned: the connection is unusable.
    pub(super) broken: bool,
    /// A read has returned such an error.
    pub(super) read_failed: bool,
    /// The first write that has returned such an error.
    pub(super) failed_write: Option<FailedWrite>,
    /// The number of bytes of `to_server` before the urgent mark, where a read stops.
    pub(super) mark: Option<usize>,
    /// The state of a connection attempt by the server.
    pub(super) connecting: Connecting,
    /// `shutdown` was called to interrupt the thread that blocks on the socket.
    pub(super) interrupted: bool,
    /// The loop whose poller watches it, and its source there.
    pub(super) watched: Option<(usize, Source)>,
}

/// The state of a connection attempt by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connecting {
    Pending,
    Made,
    Failed(io::ErrorKind),
}

/// The input at the time of a failed write, in bytes.
#[derive(Clone, Copy)]
pub(super) struct FailedWrite {
    pub(super) read: usize,
    /// Read and unread bytes together.
    pub(super) arrived: usize,
}

/// The lengths of the packets in both directions.
pub(super) struct Packets {
    /// The longest packet that the server may send.
    pub(super) largest: usize,
    pub(super) to_server: VecDeque<usize>,
    pub(super) to_client: VecDeque<usize>,
}

impl Packets {
    /// Packets of at most `largest` bytes.
    pub(super) fn up_to(largest: usize) -> Packets {
        Packets { largest, to_server: VecDeque::new(), to_client: VecDeque::new() }
    }
}

impl Wire {
    /// An established connection with an unlimited window.
    pub(super) fn new() -> Arc<Mutex<Wire>> {
        Arc::new(Mutex::new(Wire {
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            window: usize::MAX,
            grain: None,
            packets: None,
            edge: true,
            starved: false,
            client_shut: false,
            client_reset: false,
            client_closed: false,
            server_shut: false,
            server_gone: false,
            reset_on_close: false,
            reset_by_server: false,
            reads: 0,
            writes: 0,
            bytes_read: 0,
            bytes_written: 0,
            read_error: None,
            write_error: None,
            broken: false,
            read_failed: false,
            failed_write: None,
            mark: None,
            connecting: Connecting::Made,
            interrupted: false,
            watched: None,
        }))
    }

    /// Returns true if a read would return bytes, the end or an error now.
    pub(super) fn is_readable(&self) -> bool {
        !self.is_empty() || self.client_shut || self.has_error()
    }

    /// Returns true if a write would succeed now.
    pub(super) fn is_writable(&self) -> bool {
        self.to_client.len() < self.window
    }

    /// Returns true if a write would succeed now and no event for that is pending.
    #[cfg(debug_assertions)]
    pub(super) fn is_writable_and_told(&self) -> bool {
        self.is_writable() && !self.starved
    }

    pub(super) fn has_error(&self) -> bool {
        self.client_reset || self.read_error.is_some_and(|kind| kind != io::ErrorKind::Interrupted)
    }

    /// Returns the error, if there is one. `Interrupted` leaves the connection usable.
    fn fail(&mut self, error: Option<io::ErrorKind>) -> io::Result<()> {
        match error {
            Some(kind) => {
                self.broken |= kind != io::ErrorKind::Interrupted;
                Err(kind.into())
            }
            None => Ok(()),
        }
    }

    fn note_failed_write(&mut self) {
        let read = self.bytes_read;
        let arrived = read + self.to_server.len();
        self.failed_write.get_or_insert(FailedWrite { read, arrived });
    }

    /// A packet is accepted whole if there is any room, as in the kernel.
    fn write_packet(&mut self, packet: &[u8]) -> io::Result<usize> {
        let room = self.is_writable();
        let Some(packets) = &mut self.packets else { return Ok(0) };
        if packet.len() > packets.largest {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if !room {
            self.starved = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        packets.to_client.push_back(packet.len());
        self.to_client.extend(packet);
        self.bytes_written += packet.len();
        Ok(packet.len())
    }

    /// Takes the next packet that the client has received.
    pub(super) fn pop_packet(&mut self) -> Option<Vec<u8>> {
        let len = self.packets.as_mut()?.to_client.pop_front()?;
        let packet = self.to_client.drain(..len).collect();
        self.note_taken();
        Some(packet)
    }

    /// Takes at most `len` received bytes in one piece, or the packets that begin in them.
    pub(super) fn take_output(&mut self, len: usize) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        if self.packets.is_some() {
            let mut left = len;
            while let Some(packet) = (left > 0).then(|| self.pop_packet()).flatten() {
                left = left.saturating_sub(packet.len());
                pieces.push(packet);
            }
        } else if len > 0 && !self.to_client.is_empty() {
            let len = len.min(self.to_client.len());
            pieces.push(self.to_client.drain(..len).collect());
        }
        // The window may have grown, too.
        self.note_taken();
        pieces
    }

    /// Drops the unread input of the server.
    pub(super) fn clear_input(&mut self) {
        self.to_server.clear();
        if let Some(packets) = &mut self.packets {
            packets.to_server.clear();
        }
    }

    /// Makes an event due if the server waits for room and there is some.
    pub(super) fn note_taken(&mut self) {
        self.edge |= self.starved && self.is_writable();
    }

    /// A read stops at the urgent mark; the next one starts there (tcp(7)).
    fn stop_at_mark(&mut self, len: usize) -> usize {
        match self.mark {
            Some(0) | None => {
                self.mark = None;
                len
            }
            Some(mark) => {
                let len = len.min(mark);
                self.mark = Some(mark - len);
                len
            }
        }
    }

    /// Returns true if it behaves like a Unix socket, and not like TCP.
    fn is_unix(&self) -> bool {
        self.grain.is_some() || self.packets.is_some()
    }

    fn is_empty(&self) -> bool {
        match &self.packets {
            // An empty packet is readable, too.
            Some(packets) => packets.to_server.is_empty(),
            None => self.to_server.is_empty(),
        }
    }

    /// The readiness that a poller reports after an edge.
    pub(super) fn readiness(&self) -> Readiness {
        Readiness {
            readable: self.is_readable(),
            writable: self.is_writable(),
            read_closed: self.client_shut || self.has_error(),
            error: self.has_error(),
            // Only a Unix socket tells; TCP answers the next write with a reset.
            hung_up: self.client_closed && self.is_unix(),
            urgent: self.mark.is_some(),
        }
    }
}

/// The server's end of a connection.
pub(super) struct MemorySocket(pub(super) Arc<Mutex<Wire>>);

impl MemorySocket {
    fn wire(&self) -> MutexGuard<'_, Wire> {
        lock(&self.0)
    }
}

/// A panic of a handler under the lock leaves the buffers consistent.
pub(super) fn lock(wire: &Mutex<Wire>) -> MutexGuard<'_, Wire> {
    wire.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Read for MemorySocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.wire();
        wire.reads += 1;
        let error = wire.read_error.take();
        wire.read_failed |= error.is_some_and(|kind| kind != io::ErrorKind::Interrupted);
        wire.fail(error)?;
        if wire.client_reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if wire.is_empty() {
            return if wire.client_shut { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let packet = wire.packets.as_mut().and_then(|packets| packets.to_server.pop_front());
        let n = packet.unwrap_or_else(|| {
            let len = buffer.len().min(wire.to_server.len()).min(wire.grain.unwrap_or(usize::MAX));
            wire.stop_at_mark(len)
        });
        // The rest of a packet that does not fit is lost.
        for (to, from) in buffer.iter_mut().zip(wire.to_server.drain(..n)) {
            *to = from;
        }
        wire.bytes_read += n;
        Ok(n.min(buffer.len()))
    }
}

impl Write for MemorySocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut wire = self.wire();
        wire.writes += 1;
        let error = wire.write_error.take();
        if error.is_some_and(|kind| kind != io::ErrorKind::Interrupted) {
            wire.note_failed_write();
        }
        wire.fail(error)?;
        if wire.client_closed {
            wire.note_failed_write();
            wire.fail(Some(io::ErrorKind::BrokenPipe))?;
        }
        if wire.client_reset || wire.server_shut {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if wire.packets.is_some() {
            return wire.write_packet(
                &slices.iter().flat_map(|slice| slice.to_vec()).collect::<Vec<u8>>(),
            );
        }
        let room = wire.window.saturating_sub(wire.to_client.len());
        let len = slices.iter().map(|slice| slice.len()).sum::<usize>();
        let n = len.min(room).min(wire.grain.unwrap_or(usize::MAX));
        wire.starved |= room < len;
        if n == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut left = n;
        for slice in slices {
            let taken = slice.len().min(left);
            wire.to_client.extend(slice.get(..taken).unwrap_or_default());
            left -= taken;
        }
        wire.bytes_written += n;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for MemorySocket {
    fn short_read_drains(&self) -> bool {
        let wire = self.wire();
        !wire.is_unix()
    }

    fn keeps_boundaries(&self) -> bool {
        self.wire().packets.is_some()
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        let mut wire = self.wire();
        if wire.client_reset {
            return Err(io::ErrorKind::NotConnected.into());
        }
        wire.server_shut = true;
        Ok(())
    }

    fn reset_on_close(&mut self) {
        self.wire().reset_on_close = true;
    }
}

impl Drop for MemorySocket {
    fn drop(&mut self) {
        let mut wire = self.wire();
        wire.server_gone = true;
        wire.reset_by_server = wire.reset_on_close || !wire.is_empty();
    }
}
