//! SIGTERM, SIGINT and SIGHUP as events of the loop, for servers that request it.

use std::io::{self, IsTerminal, Read};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{SigId, flag, low_level};

use super::handle::StopRequest;
use crate::now::Now;

/// A signal that comes sooner after the first one belongs to the same request: `timeout` and
/// terminals send one to the process and to its group.
const SAME_MS: u64 = 1_000;

/// The same for a second SIGINT: those of one request are milliseconds apart, and typing takes
/// longer.
const SAME_INTERRUPT_MS: u64 = 20;

/// The effect of signals on this process.
struct Effect {
    /// The number of servers that handle signals.
    servers: usize,
    /// True while there is none: signals then have their default effect. An installed handler stays
    /// installed, so it must do that itself. `None` until the first server.
    by_default: Option<Arc<AtomicBool>>,
}

static EFFECT: Mutex<Effect> = Mutex::new(Effect { servers: 0, by_default: None });

/// Pipes that the signal handlers write to. No thread waits for signals, which saves a process with
/// one thread the cost of thread cancellation in every system call.
#[derive(Debug)]
pub(crate) struct Signals {
    /// SIGTERM, and SIGHUP from a terminal.
    terminations: Pipe,
    interrupts: Pipe,
    /// The time of the first signal, and whether it was a SIGINT.
    first: Option<(u64, bool)>,
}

impl Signals {
    pub(crate) fn install(registry: &Registry, token: Token) -> io::Result<Signals> {
        let mut effect = effect();
        // Read it before the first handler changes it. A signal that was ignored at the start stays
        // ignored: nohup(1), and a shell that starts a job in the background, rely on it.
        let ignored = ignored();
        let is_ignored = |signal: i32| ignored & (1 << (signal - 1)) != 0;
        let by_default = effect.by_default(is_ignored)?;
        let mut terminations = Pipe::new(registry, token)?;
        let mut interrupts = Pipe::new(registry, token)?;
        terminations.add(SIGTERM)?;
        if !is_ignored(SIGINT) {
            interrupts.add(SIGINT)?;
        }
        // Without a terminal, SIGHUP has no effect: it is reserved for reloading.
        if !is_ignored(SIGHUP) && io::stdin().is_terminal() {
            terminations.add(SIGHUP)?;
        }
        // Only now: until the pipes have their handlers, a signal has its default effect.
        by_default.store(false, Ordering::SeqCst);
        effect.servers += 1;
        Ok(Signals { terminations, interrupts, first: None })
    }

    /// Reads the signals that have come. The first one stops. A later one aborts if it comes a second
    /// after the first, or is a SIGINT that does not belong to the first.
    pub(crate) fn heard(&mut self, now: Now) -> StopRequest {
        let terminations = self.terminations.count();
        let interrupts = self.interrupts.count();
        if terminations + interrupts == 0 {
            return StopRequest::None;
        }
        let Some((first_ms, was_interrupt)) = self.first else {
            self.first = Some((now.millis(), interrupts > 0));
            return StopRequest::Stop;
        };
        let same_ms = match (interrupts > 0, was_interrupt) {
            (false, _) => SAME_MS,
            (true, true) => SAME_INTERRUPT_MS,
            // Another signal than the first: another request.
            (true, false) => 0,
        };
        match now.millis().saturating_sub(first_ms) >= same_ms {
            true => StopRequest::Abort,
            false => StopRequest::None,
        }
    }
}

impl Drop for Signals {
    /// The pipes are dropped afterwards: a signal always has one of the two effects.
    fn drop(&mut self) {
        let mut effect = effect();
        effect.servers -= 1;
        if effect.servers == 0
            && let Some(by_default) = &effect.by_default
        {
            by_default.store(true, Ordering::SeqCst);
        }
    }
}

/// The signals that a handler writes to one pipe.
#[derive(Debug)]
struct Pipe {
    read: UnixStream,
    write: StdUnixStream,
    handlers: Vec<SigId>,
}

impl Pipe {
    fn new(registry: &Registry, token: Token) -> io::Result<Pipe> {
        let (read, write) = StdUnixStream::pair()?;
        read.set_nonblocking(true)?;
        let mut read = UnixStream::from_std(read);
        registry.register(&mut read, token, Interest::READABLE)?;
        Ok(Pipe { read, write, handlers: Vec::new() })
    }

    fn add(&mut self, signal: i32) -> io::Result<()> {
        self.handlers.push(low_level::pipe::register(signal, self.write.try_clone()?)?);
        Ok(())
    }

    /// Returns the number of signals since the last call.
    fn count(&mut self) -> usize {
        let mut bytes = [0; 64];
        let mut count = 0;
        while let Ok(n @ 1..) = self.read.read(&mut bytes) {
            count += n;
        }
        count
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        for handler in self.handlers.drain(..) {
            low_level::unregister(handler);
        }
    }
}

fn effect() -> MutexGuard<'static, Effect> {
    EFFECT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Effect {
    /// Returns the switch between the default effect of signals and the handling by servers. It is
    /// on if it was just installed.
    fn by_default(&mut self, is_ignored: impl Fn(i32) -> bool) -> io::Result<Arc<AtomicBool>> {
        if let Some(by_default) = &self.by_default {
            return Ok(Arc::clone(by_default));
        }
        let by_default = Arc::new(AtomicBool::new(true));
        flag::register_conditional_default(SIGTERM, Arc::clone(&by_default))?;
        for signal in [SIGINT, SIGHUP].into_iter().filter(|signal| !is_ignored(*signal)) {
            flag::register_conditional_default(signal, Arc::clone(&by_default))?;
        }
        self.by_default = Some(Arc::clone(&by_default));
        Ok(by_default)
    }
}

/// Returns the set of ignored signals: bit 0 is signal 1. Linux reports it (proc_pid_status(5));
/// elsewhere it takes `unsafe` code to ask for it, and the set is empty.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0)
}
