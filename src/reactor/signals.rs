//! SIGTERM and SIGINT as events of the loop, for servers that ask for it.

use std::io::{self, Read};
use std::os::unix::net::UnixStream as StdUnixStream;

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{SigId, low_level};

/// A pipe that the signal handler writes to. No thread waits for the signals: a process with
/// one thread only is spared the price of thread cancellation in every system call.
#[derive(Debug)]
pub(crate) struct Signals {
    pipe: UnixStream,
    handlers: Vec<SigId>,
}

impl Signals {
    pub(crate) fn install(registry: &Registry, token: Token) -> io::Result<Signals> {
        let (read, write) = StdUnixStream::pair()?;
        read.set_nonblocking(true)?;
        let mut pipe = UnixStream::from_std(read);
        registry.register(&mut pipe, token, Interest::READABLE)?;
        let mut signals = Signals { pipe, handlers: Vec::new() };
        for signal in [SIGTERM, SIGINT] {
            signals.handlers.push(low_level::pipe::register(signal, write.try_clone()?)?);
        }
        Ok(signals)
    }

    /// How many came since the last look.
    pub(crate) fn take(&mut self) -> usize {
        let mut bytes = [0; 64];
        let mut came = 0;
        while let Ok(n @ 1..) = self.pipe.read(&mut bytes) {
            came += n;
        }
        came
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for handler in self.handlers.drain(..) {
            low_level::unregister(handler);
        }
    }
}
