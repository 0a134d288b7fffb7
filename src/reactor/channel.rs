//! A pair of Unix sockets between a supervisor and a worker process. It carries stop requests one
//! way, and shows each side the end of the other.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream as StdUnixStream;

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};

use super::handle::StopRequest;

/// One end of a channel.
pub(crate) struct Channel {
    stream: UnixStream,
}

/// The state of the other end since the last call.
pub(crate) struct Heard {
    /// The highest stop request.
    pub(crate) request: StopRequest,
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

    /// Sends a stop request to the other end. A request is a byte, and there are three of them: the
    /// channel is never full.
    pub(crate) fn notify(&mut self, order: StopRequest) {
        if let Err(error) = self.stream.write_all(&[order as u8]) {
            log::debug!("a worker process ended before its stop request: {error}");
        }
    }

    pub(crate) fn heard(&mut self) -> Heard {
        let mut heard = Heard { request: StopRequest::None, ended: false };
        let mut bytes = [0; 64];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => heard.ended = true,
                Ok(n) => {
                    let orders = bytes[..n].iter().map(|byte| StopRequest::from_byte(*byte));
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
