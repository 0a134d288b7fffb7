//! A pair of Unix sockets between a supervisor and a worker process: orders one way, and for each
//! side the end of the other one.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::Duration;

use mio::net::UnixStream;
use mio::{Events, Interest, Token};

use super::poller::Poller;
use super::remote::Wish;

/// The token of channels: the one to the supervisor, or those to the workers. Not one of those
/// that `poller` gives.
pub(super) const CHANNEL: Token = Token(u32::MAX as usize - 2);

/// One end of it.
pub(crate) struct Channel {
    stream: UnixStream,
}

/// What came from the other end since the last look.
pub(crate) struct Heard {
    /// The strongest order.
    pub(crate) wish: Wish,
    /// The other end is closed: its process has ended, however it did.
    pub(crate) ended: bool,
}

impl Channel {
    pub(crate) fn new(stream: StdUnixStream) -> io::Result<Channel> {
        stream.set_nonblocking(true)?;
        Ok(Channel { stream: UnixStream::from_std(stream) })
    }

    /// Gives the other end an order. An order is a byte, and there are two: the channel is never
    /// full.
    pub(crate) fn tell(&mut self, wish: Wish) {
        if let Err(error) = self.stream.write_all(&[wish as u8]) {
            log::debug!("a worker process has ended before it was told to: {error}");
        }
    }

    pub(crate) fn heard(&mut self) -> Heard {
        let mut heard = Heard { wish: Wish::Serve, ended: false };
        let mut bytes = [0; 64];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => heard.ended = true,
                Ok(n) => {
                    let orders = bytes[..n].iter().map(|byte| Wish::from_byte(*byte));
                    heard.wish = orders.fold(heard.wish, Wish::max);
                    continue;
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => continue,
                    io::ErrorKind::WouldBlock => {}
                    // ECONNRESET: it went without having read its orders (unix(7)).
                    _ => heard.ended = true,
                },
            }
            return heard;
        }
    }
}

impl Poller {
    /// From now on the supervisor's orders are obeyed, and its end is the order to drain.
    pub(crate) fn heed_supervisor(&mut self, mut channel: Channel) -> io::Result<()> {
        self.watch(&mut channel)?;
        self.supervisor = Some(channel);
        Ok(())
    }

    pub(super) fn obey(&mut self) {
        if let Some(Heard { wish, ended }) = self.supervisor.as_mut().map(Channel::heard) {
            self.remote.ask(if ended { wish.max(Wish::Drain) } else { wish });
        }
    }

    /// Has [`wait`](Poller::wait) return when something comes through the channel.
    pub(crate) fn watch(&self, channel: &mut Channel) -> io::Result<()> {
        self.poll.registry().register(&mut channel.stream, CHANNEL, Interest::READABLE)
    }

    /// Waits as a supervisor does, which has no connections: for signals, for other threads, and
    /// for the channels it watches.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let mut events = Events::with_capacity(64);
        match self.poll.poll(&mut events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            self.note(event.token());
        }
        // All that can have changed is the wish, at which the supervisor looks next.
        self.remote.bell().answer();
        Ok(())
    }

    /// What signals and other threads asked for.
    pub(crate) fn wish(&self) -> Wish {
        self.remote.wish()
    }

    /// Takes no commands for connections: there are none here.
    pub(crate) fn refuse_commands(&self) {
        self.remote.close();
    }
}
