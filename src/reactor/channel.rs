//! A pair of Unix sockets between a supervisor and a worker process. It carries stop requests one
//! way, and shows each side the end of the other.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream as StdUnixStream;

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};

use super::handle::StopRequest;
use crate::handler::effect::Stopping;

/// The byte before a request to stop for a restart.
const RESTART: u8 = b'r';

/// One end of a channel.
pub(crate) struct Channel {
    stream: UnixStream,
}

/// A request to stop, for a worker process.
#[derive(Clone, Copy)]
pub(crate) struct Order {
    pub(super) request: StopRequest,
    pub(super) stopping: Stopping,
}

/// The state of the other end since the last call.
pub(crate) struct Heard {
    /// The highest stop request.
    pub(crate) request: StopRequest,
    /// The stop is for a restart.
    pub(crate) restarts: bool,
    /// The other end is closed: its process has ended.
    pub(crate) ended: bool,
}

impl Channel {
    pub(crate) fn new(stream: StdUnixStream) -> io::Result<Channel> {
        stream.set_nonblocking(true)?;
        Ok(Channel { stream: UnixStream::from_std(stream) })
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.stream, token, Interest::READABLE)
    }

    /// Sends a stop request to the other end. It is a byte or two, and there are three requests:
    /// the channel is never full.
    pub(crate) fn notify(&mut self, order: Order) {
        let request = [RESTART, order.request as u8];
        let bytes = if order.stopping == Stopping::Restart { &request[..] } else { &request[1..] };
        if let Err(error) = self.stream.write_all(bytes) {
            log::debug!("a worker process ended before its stop request: {error}");
        }
    }

    pub(crate) fn heard(&mut self) -> Heard {
        let mut heard = Heard { request: StopRequest::None, restarts: false, ended: false };
        let mut bytes = [0; 64];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => heard.ended = true,
                Ok(n) => {
                    heard.restarts |= bytes[..n].contains(&RESTART);
                    let orders = bytes[..n].iter().filter(|byte| **byte != RESTART);
                    let orders = orders.map(|byte| StopRequest::from_byte(*byte));
                    heard.request = orders.fold(heard.request, StopRequest::max);
                    continue;
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => continue,
                    io::ErrorKind::WouldBlock => {}
                    // ECONNRESET: it ended with unread requests (unix(7)).
                    _ => heard.ended = true,
                },
            }
            return heard;
        }
    }
}
