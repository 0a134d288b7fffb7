//! What a server has before it runs: the poller, the clock, the handle to stop it by, and the
//! orders of signals and of a supervisor.

use std::io;
#[cfg(feature = "processes")]
use std::time::Duration;

#[cfg(feature = "processes")]
use mio::Events;
use mio::{Poll, Token, Waker};

#[cfg(feature = "processes")]
use super::channel::{Channel, Heard};
use super::handle::ServerHandle;
#[cfg(feature = "processes")]
use super::handle::StopRequest;
#[cfg(feature = "signals")]
use super::signals::Signals;
use super::source::Source;
use crate::clock::Clock;
use crate::mailbox::Doorbell;

pub(crate) struct Poller {
    pub(super) poll: Poll,
    pub(super) clock: Clock,
    pub(super) handle: ServerHandle,
    #[cfg(feature = "signals")]
    signals: Option<Signals>,
    /// In a worker process.
    #[cfg(feature = "processes")]
    supervisor: Option<Channel>,
}

/// The token by which the poller carries a source.
pub(super) fn token(source: Source) -> Token {
    Token(source.encode())
}

impl Poller {
    pub(crate) fn new() -> io::Result<Poller> {
        Poller::make(ServerHandle::new)
    }

    /// Returns that of another reactor of the same server.
    pub(super) fn sibling(&self) -> io::Result<Poller> {
        Poller::make(|bell| self.handle.sibling(bell))
    }

    fn make(handle: impl FnOnce(Doorbell) -> ServerHandle) -> io::Result<Poller> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), token(Source::Waker))?;
        let handle = handle(Doorbell::new(move || {
            if let Err(error) = waker.wake() {
                // The poller is gone, and with it the server: then nothing is to be looked at.
                log::debug!("a server could not be woken: {error}");
            }
        }));
        Ok(Poller {
            poll,
            clock: Clock::start(),
            handle,
            #[cfg(feature = "signals")]
            signals: None,
            #[cfg(feature = "processes")]
            supervisor: None,
        })
    }

    pub(crate) fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// From now on SIGTERM and SIGINT stop the server.
    #[cfg(feature = "signals")]
    pub(crate) fn heed_signals(&mut self) -> io::Result<()> {
        self.signals = Some(Signals::install(self.poll.registry(), token(Source::Signals))?);
        Ok(())
    }

    /// Looks at a source of orders that has an event. The first signal drains, the next one ends
    /// everything: what others have asked for does not count, because one signal may go to a
    /// supervisor and its workers, who then hear it twice.
    pub(super) fn obey(&mut self, source: Source) {
        match source {
            #[cfg(feature = "signals")]
            Source::Signals => match self.signals.as_mut().map_or(0, Signals::count) {
                0 => {}
                1 => self.handle.stop(),
                _ => self.handle.abort(),
            },
            #[cfg(feature = "processes")]
            Source::Supervisor => {
                if let Some(Heard { request, ended }) = self.supervisor.as_mut().map(Channel::heard)
                {
                    let at_least = if ended { StopRequest::Drain } else { StopRequest::None };
                    self.handle.ask(request.max(at_least));
                }
            }
            _ => {}
        }
    }
}

#[cfg(feature = "processes")]
impl Poller {
    /// From now on the supervisor's orders are obeyed, and its end is the order to drain.
    pub(crate) fn heed_supervisor(&mut self, mut channel: Channel) -> io::Result<()> {
        self.watch(&mut channel)?;
        self.supervisor = Some(channel);
        Ok(())
    }

    /// Has [`wait`](Poller::wait) return when something comes through the channel.
    pub(crate) fn watch(&self, channel: &mut Channel) -> io::Result<()> {
        channel.register(self.poll.registry(), token(Source::Supervisor))
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
            self.obey(Source::decode(event.token().0));
        }
        // All that can have changed is the request to stop, at which the supervisor looks next.
        self.handle.bell().answer();
        Ok(())
    }

    /// Returns what signals and other threads asked for.
    pub(crate) fn stop_request(&self) -> StopRequest {
        self.handle.stop_request()
    }

    /// Takes no commands for connections: there are none here.
    pub(crate) fn refuse_commands(&self) {
        self.handle.close();
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.handle.close();
    }
}
