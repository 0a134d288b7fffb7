//! SIGTERM and SIGINT as events of the loop, for servers that request it.

use std::io::{self, Read};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{SigId, flag, low_level};

/// The number of servers that handle signals. At zero, signals have their default effect: an
/// installed handler stays installed, so it must do that itself.
static SERVERS: AtomicUsize = AtomicUsize::new(0);
static BY_DEFAULT: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// A pipe that the signal handler writes to. No thread waits for signals, which saves a process
/// with one thread the cost of thread cancellation in every system call.
#[derive(Debug)]
pub(crate) struct Signals {
    pipe: UnixStream,
    handlers: Vec<SigId>,
    came: usize,
}

impl Signals {
    pub(crate) fn install(registry: &Registry, token: Token) -> io::Result<Signals> {
        let by_default = by_default()?;
        let (read, write) = StdUnixStream::pair()?;
        read.set_nonblocking(true)?;
        let mut pipe = UnixStream::from_std(read);
        registry.register(&mut pipe, token, Interest::READABLE)?;
        let mut signals = Signals { pipe, handlers: Vec::new(), came: 0 };
        SERVERS.fetch_add(1, Ordering::SeqCst);
        by_default.store(false, Ordering::SeqCst);
        for signal in [SIGTERM, SIGINT] {
            signals.handlers.push(low_level::pipe::register(signal, write.try_clone()?)?);
        }
        Ok(signals)
    }

    /// Returns the number of signals received so far.
    pub(crate) fn count(&mut self) -> usize {
        let mut bytes = [0; 64];
        while let Ok(n @ 1..) = self.pipe.read(&mut bytes) {
            self.came += n;
        }
        self.came
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for handler in self.handlers.drain(..) {
            low_level::unregister(handler);
        }
        if SERVERS.fetch_sub(1, Ordering::SeqCst) == 1 {
            if let Some(by_default) = BY_DEFAULT.get() {
                by_default.store(true, Ordering::SeqCst);
            }
        }
    }
}

/// Returns the switch between the default effect of signals and the servers' handling.
fn by_default() -> io::Result<&'static AtomicBool> {
    if let Some(by_default) = BY_DEFAULT.get() {
        return Ok(by_default);
    }
    let by_default = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        flag::register_conditional_default(signal, Arc::clone(&by_default))?;
    }
    // Another thread may have been first; this flag is then never set, and has no effect.
    Ok(BY_DEFAULT.get_or_init(|| by_default))
}
