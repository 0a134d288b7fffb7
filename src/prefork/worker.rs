//! One worker process, as its supervisor sees it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, ExitStatus};

use super::handoff;
use super::inheritance::VARIABLE;
use super::program::Program;
use crate::reactor::{Channel, Order, Poller};

/// A process and the channel to it.
pub(super) struct Worker {
    process: Child,
    channel: Channel,
    pub(super) started_ms: u64,
}

impl Worker {
    /// Starts `program` again, and hands it copies of `sockets`.
    ///
    /// # Errors
    ///
    /// Returns the system's error.
    pub(super) fn start<S: AsFd>(
        program: &Program,
        sockets: &[S],
        poller: &Poller,
        now_ms: u64,
    ) -> io::Result<Worker> {
        let (ours, theirs) = UnixStream::pair()?;
        // Send them before the process starts, so that it never waits for them.
        for socket in sockets {
            handoff::send(&ours, socket.as_fd())?;
        }
        let mut channel = Channel::new(ours)?;
        poller.watch(&mut channel)?;
        let mut command = program.again();
        command.env(VARIABLE, sockets.len().to_string()).stdin(OwnedFd::from(theirs));
        let process = command.spawn()?;
        Ok(Worker { process, channel, started_ms: now_ms })
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(super) fn notify(&mut self, order: Order) {
        self.channel.notify(order);
    }

    pub(super) fn kill(&mut self) {
        // An error means that it has already ended.
        let _ = self.process.kill();
    }

    /// Returns the exit status if the process has ended.
    pub(super) fn ended(&mut self) -> Option<io::Result<ExitStatus>> {
        if !self.channel.heard().ended {
            return None;
        }
        // A process closes its descriptors shortly before it ends. A worker that closed its channel
        // and keeps running cannot receive orders any more.
        self.kill();
        Some(self.process.wait())
    }
}
