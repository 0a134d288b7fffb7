//! What a server has before it runs: the poller, the handle to stop it by, and the signals.

use std::io;

use mio::{Poll, Token, Waker};

#[cfg(feature = "processes")]
use super::channel::{CHANNEL, Channel};
use super::remote::Remote;
#[cfg(feature = "signals")]
use super::signals::Signals;
use crate::mailbox::Doorbell;

/// The token that other threads wake the reactor with. Generation 0 is not given to
/// connections: with it the lower half counts listeners, and these
/// (`CHANNEL` is another one).
const WAKER: Token = Token(u32::MAX as usize);

/// The token of the signals.
#[cfg(feature = "signals")]
const SIGNALS: Token = Token(u32::MAX as usize - 1);

pub(crate) struct Poller {
    pub(super) poll: Poll,
    pub(super) remote: Remote,
    #[cfg(feature = "signals")]
    signals: Option<Signals>,
    /// In a worker process.
    #[cfg(feature = "processes")]
    pub(super) supervisor: Option<Channel>,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Poller> {
        Poller::make(Remote::new)
    }

    /// That of another reactor of the same server.
    pub(super) fn sibling(&self) -> io::Result<Poller> {
        Poller::make(|bell| self.remote.sibling(bell))
    }

    fn make(remote: impl FnOnce(Doorbell) -> Remote) -> io::Result<Poller> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let remote = remote(Doorbell::new(move || {
            if let Err(error) = waker.wake() {
                // The poller is gone, and with it the server: then nothing is to be looked at.
                log::debug!("a server could not be woken: {error}");
            }
        }));
        Ok(Poller {
            poll,
            remote,
            #[cfg(feature = "signals")]
            signals: None,
            #[cfg(feature = "processes")]
            supervisor: None,
        })
    }

    pub(crate) fn remote(&self) -> Remote {
        self.remote.clone()
    }

    /// From now on SIGTERM and SIGINT stop the server.
    #[cfg(feature = "signals")]
    pub(crate) fn heed_signals(&mut self) -> io::Result<()> {
        self.signals = Some(Signals::install(self.poll.registry(), SIGNALS)?);
        Ok(())
    }

    /// An event that is neither a listener's nor a connection's. For what the waker was woken, the
    /// doorbell tells. The first signal drains, the next one ends everything: what
    /// others have asked for does not count, because one signal may go to a supervisor and its
    /// workers, who then hear it twice.
    #[cfg_attr(
        not(any(feature = "processes", feature = "signals")),
        allow(unused_variables, reason = "nothing to tell apart")
    )]
    pub(super) fn note(&mut self, token: Token) {
        #[cfg(feature = "signals")]
        if token == SIGNALS {
            match self.signals.as_mut().map_or(0, Signals::count) {
                0 => {}
                1 => self.remote.stop(),
                _ => self.remote.abort(),
            }
        }
        #[cfg(feature = "processes")]
        if token == CHANNEL {
            self.obey();
        }
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.remote.close();
    }
}
