//! The poller of a server, its clock, its handle, and the requests of signals and of a supervisor.

use std::io;
#[cfg(feature = "processes")]
use std::time::Duration;

#[cfg(feature = "processes")]
use mio::Events;
use mio::{Poll, Token, Waker};

#[cfg(feature = "processes")]
use super::channel::{Channel, Heard, Order};
use super::handle::ServerHandle;
#[cfg(any(feature = "processes", feature = "signals"))]
use super::handle::StopRequest;
#[cfg(feature = "signals")]
use super::signals::Signals;
use super::source::Source;
use crate::clock::Clock;
#[cfg(feature = "signals")]
use crate::handler::effect::Stopping;
use crate::mailbox::Doorbell;

pub(crate) struct Poller {
    pub(super) poll: Poll,
    pub(super) clock: Clock,
    pub(super) handle: ServerHandle,
    #[cfg(feature = "signals")]
    signals: Option<(Signals, Stopping)>,
    /// Set in a worker process.
    #[cfg(feature = "processes")]
    supervisor: Option<Channel>,
}

/// Returns the token of a source.
pub(super) fn token(source: Source) -> Token {
    Token(source.encode())
}

impl Poller {
    pub(crate) fn new() -> io::Result<Poller> {
        Poller::make(ServerHandle::new)
    }

    /// Creates the poller of another reactor of the same server.
    pub(super) fn sibling(&self) -> io::Result<Poller> {
        Poller::make(|bell| self.handle.sibling(bell))
    }

    fn make(handle: impl FnOnce(Doorbell) -> ServerHandle) -> io::Result<Poller> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), token(Source::Waker))?;
        let handle = handle(Doorbell::new(move || {
            if let Err(error) = waker.wake() {
                // The poller is gone, and the server with it.
                log::debug!("cannot wake a server: {error}");
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

    /// Makes signals stop the server, in this way.
    #[cfg(feature = "signals")]
    pub(crate) fn heed_signals(&mut self, stopping: Stopping) -> io::Result<()> {
        let signals = Signals::install(self.poll.registry(), token(Source::Signals))?;
        self.signals = Some((signals, stopping));
        Ok(())
    }

    /// Reads a source of stop requests after its event. Requests from other sources do not count as
    /// the first signal, because one signal may reach both a supervisor and its workers, which
    /// would then see it twice.
    pub(super) fn obey(&mut self, source: Source) {
        match source {
            #[cfg(feature = "signals")]
            Source::Signals => {
                if let Some((signals, stopping)) = &mut self.signals {
                    let heard = signals.heard();
                    if *stopping == Stopping::Restart && heard != StopRequest::None {
                        self.handle.note_restart();
                    }
                    self.handle.ask(heard);
                }
            }
            #[cfg(feature = "processes")]
            Source::Supervisor => {
                if let Some(heard) = self.supervisor.as_mut().map(Channel::heard) {
                    let Heard { request, restarts, ended } = heard;
                    if restarts {
                        self.handle.note_restart();
                    }
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
    /// Obeys the supervisor's requests from now on. The end of the supervisor is a request to
    /// drain.
    pub(crate) fn heed_supervisor(&mut self, mut channel: Channel) -> io::Result<()> {
        self.watch(&mut channel)?;
        self.supervisor = Some(channel);
        Ok(())
    }

    /// Makes [`wait`](Poller::wait) return when the channel has an event.
    pub(crate) fn watch(&self, channel: &mut Channel) -> io::Result<()> {
        channel.register(self.poll.registry(), token(Source::Supervisor))
    }

    /// Waits without connections, as a supervisor does: for signals, for other threads, and for its
    /// channels.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let mut events = Events::with_capacity(64);
        match self.poll.poll(&mut events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            self.obey(Source::decode(event.token().0));
        }
        // Only the stop request can have changed, which the supervisor checks next.
        self.handle.bell().answer();
        Ok(())
    }

    /// Returns the order that passes a stop request on to a worker process.
    pub(crate) fn order(&self, request: StopRequest) -> Order {
        Order { request, stopping: self.handle.stopping() }
    }

    /// Returns the stop request of signals and other threads.
    pub(crate) fn stop_request(&self) -> StopRequest {
        self.handle.stop_request()
    }

    /// Refuses commands for connections, because there are none here.
    pub(crate) fn refuse_commands(&self) {
        self.handle.close();
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.handle.close();
    }
}
