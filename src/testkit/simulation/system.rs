//! The system of a simulated loop: in memory, with a simulated clock, and without threads.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::account::Account;
use super::datagrams::MemoryDatagrams;
use super::kernel::{self, Blocking, PendingDial, Shared};
use super::listener::{self, MemoryListener};
use super::socket::MemoryStream;
use crate::accept::Descriptors;
use crate::clock::Elapsed;
use crate::exec::Worker;
use crate::hub::Readiness;
use crate::mailbox::Doorbell;
use crate::net::address::Address;
use crate::net::destination::Destination;
use crate::net::to_destination::sealed::ConnectedSocket;
use crate::now::Now;
use crate::reactor::{Lookup, ServerHandle, Source, System};
use crate::testkit::wire::{self, Connecting, Wire};

/// The wall clock at the start of a simulation.
const UNIX_START: u64 = 784_111_777;

/// The system of one loop.
pub(super) struct MemorySystem {
    kernel: Shared,
    /// The index of the loop.
    index: usize,
    handle: ServerHandle,
}

/// The events of a turn.
pub(super) struct Events {
    capacity: usize,
    events: VecDeque<(Source, Readiness)>,
}

impl MemorySystem {
    /// Creates the system of the loop at `index`; `first` is the handle of the first loop, for the
    /// other loops.
    pub(super) fn new(kernel: &Shared, index: usize, first: Option<&ServerHandle>) -> MemorySystem {
        let waker = Arc::clone(&kernel::lock(kernel).loops[index].waker);
        let bell = Doorbell::new(move || waker.store(true, Ordering::Release));
        let handle = match first {
            Some(first) => first.sibling(bell),
            None => ServerHandle::new(bell),
        };
        MemorySystem { kernel: Arc::clone(kernel), index, handle }
    }
}

impl System for MemorySystem {
    type Socket = MemoryStream;
    type BlockingSocket = MemoryStream;
    type Listener = MemoryListener;
    type DatagramSocket = MemoryDatagrams;
    type Events = Events;

    fn events(capacity: usize) -> Events {
        Events { capacity, events: VecDeque::new() }
    }

    fn poll(&mut self, events: &mut Events, _: Option<Duration>) -> io::Result<()> {
        events.events.clear();
        let state = &mut kernel::lock(&self.kernel).loops[self.index];
        if std::mem::take(&mut state.is_interrupted) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let count = state.events.len().min(events.capacity);
        events.events.extend(state.events.drain(..count));
        Ok(())
    }

    fn each(events: &Events) -> impl Iterator<Item = (Source, Readiness)> {
        events.events.iter().copied()
    }

    fn now(&mut self) -> Now {
        let nanos = kernel::lock(&self.kernel).nanos;
        Now::from_nanos(nanos, UNIX_START + nanos / 1_000_000_000)
    }

    fn elapsed(&self) -> Option<Elapsed> {
        None
    }

    fn handle(&self) -> &ServerHandle {
        &self.handle
    }

    fn heed(&mut self, _: Source) {}

    fn register(&self, socket: &mut MemoryStream, source: Source) -> io::Result<()> {
        let mut kernel = kernel::lock(&self.kernel);
        kernel.faults.watch()?;
        if let Source::Connection(id) = source {
            kernel.accounts.insert(id, Arc::clone(&socket.account));
        }
        let mut wire = socket.wire();
        wire.watched = Some((self.index, source));
        // A condition that already holds is reported.
        wire.edge = true;
        Ok(())
    }

    fn rename(&self, socket: &mut MemoryStream, source: Source) -> io::Result<()> {
        self.register(socket, source)
    }

    fn register_listener(&self, listener: &mut MemoryListener, _: Source) -> io::Result<()> {
        listener::lock(&listener.0).edge = true;
        Ok(())
    }

    fn watch_again(&self, listener: &mut MemoryListener, _: Source) -> io::Result<()> {
        let mut queue = listener::lock(&listener.0);
        queue.edge |= !queue.waiting.is_empty();
        Ok(())
    }

    fn register_datagrams(&self, socket: &mut MemoryDatagrams, _: Source) -> io::Result<()> {
        socket.queue().edge = true;
        Ok(())
    }

    fn connect(&self, to: &Address, source: Source) -> io::Result<MemoryStream> {
        let mut kernel = kernel::lock(&self.kernel);
        if let Some(kind) = kernel.faults.connect.pop_front() {
            return Err(kind.into());
        }
        let name = match to {
            Address::Tcp(address) => kernel.names.get(address).cloned(),
            _ => None,
        };
        let to = name.unwrap_or_else(|| Destination::Address(to.clone()));
        let (wire, account) = (Wire::new(), Arc::<Mutex<Account>>::default());
        let stream = MemoryStream::new(&wire, &account);
        let mut shared = wire::lock(&wire);
        shared.connecting = Connecting::Pending;
        shared.watched = Some((self.index, source));
        shared.edge = false;
        drop(shared);
        kernel.dials.push(PendingDial { to, wire, account, is_silent: false });
        Ok(stream)
    }

    fn adopt(&self, _: ConnectedSocket, _: Source) -> io::Result<MemoryStream> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "a simulation has no sockets of the system"))
    }

    fn is_connected(socket: &MemoryStream) -> io::Result<bool> {
        match socket.wire().connecting {
            Connecting::Pending => Ok(false),
            Connecting::Made => Ok(true),
            Connecting::Failed(kind) => Err(kind.into()),
        }
    }

    fn local_address(_: &MemoryStream) -> Option<Address> {
        Some(Address::from(SocketAddr::from(([192, 0, 2, 200], 1024))))
    }

    fn descriptors(&self) -> Option<Descriptors> {
        None
    }

    fn start_worker(&self, _: usize, worker: Worker) -> io::Result<()> {
        let mut kernel = kernel::lock(&self.kernel);
        kernel.faults.thread()?;
        kernel.loops[self.index].workers.push(worker);
        Ok(())
    }

    fn start_blocking_worker(&self, _: usize, worker: Blocking) -> io::Result<()> {
        let counters = self.handle.counters();
        kernel::lock(&self.kernel).loops[self.index].blocking_workers.push((worker, counters));
        Ok(())
    }

    fn start_lookup(&self, lookup: Lookup) -> io::Result<()> {
        let mut kernel = kernel::lock(&self.kernel);
        kernel.faults.thread()?;
        kernel.loops[self.index].lookups.push(lookup);
        Ok(())
    }
}

impl Drop for MemorySystem {
    fn drop(&mut self) {
        self.handle.close();
    }
}
