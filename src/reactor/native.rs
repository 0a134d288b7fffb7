//! The system that servers run on: mio's poller, the system's sockets, and threads.

use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use mio::Events;
use mio::net::{TcpStream, UnixStream};
use socket2::{Domain, SockAddr, Socket as RawSocket, Type};

use super::bind::watch_peer;
use super::datagram_socket::DatagramSocket;
use super::descriptors::descriptors;
use super::handle::ServerHandle;
use super::listen::Listener;
use super::lookup::Lookup;
use super::poller::{Poller, token};
use super::socket::Socket;
use super::source::Source;
use super::system::System;
use crate::accept::{Descriptors, PeerPermit};
use crate::clock::Elapsed;
use crate::exec::{BlockingWorker, Worker};
use crate::handler::stream::StdSocket;
use crate::hub::Readiness;
use crate::net::address::Address;
use crate::net::to_destination::sealed::ConnectedSocket;
use crate::now::Now;

impl System for Poller {
    type Socket = Socket;
    type BlockingSocket = StdSocket;
    type Listener = Listener;
    type DatagramSocket = DatagramSocket;
    type Events = Events;

    fn events(capacity: usize) -> Events {
        Events::with_capacity(capacity)
    }

    #[inline]
    fn poll(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        let polled = self.poll.poll(events, timeout);
        if polled.is_err() {
            events.clear();
        }
        polled
    }

    #[inline]
    fn each(events: &Events) -> impl Iterator<Item = (Source, Readiness)> {
        events.iter().map(|event| {
            let readiness = Readiness {
                readable: event.is_readable(),
                writable: event.is_writable(),
                read_closed: event.is_read_closed(),
                error: event.is_error(),
                urgent: event.is_priority(),
            };
            (Source::decode(event.token().0), readiness)
        })
    }

    #[inline]
    fn now(&mut self) -> Now {
        self.clock.read()
    }

    fn elapsed(&self) -> Option<Elapsed> {
        Some(self.clock.elapsed())
    }

    #[inline(always)]
    fn handle(&self) -> &ServerHandle {
        &self.handle
    }

    fn heed(&mut self, source: Source) {
        self.obey(source);
    }

    fn register(&self, socket: &mut Socket, source: Source) -> io::Result<()> {
        socket.register(self.poll.registry(), token(source))
    }

    fn rename(&self, socket: &mut Socket, source: Source) -> io::Result<()> {
        socket.reregister(self.poll.registry(), token(source))
    }

    fn register_listener(&self, listener: &mut Listener, source: Source) -> io::Result<()> {
        listener.register(self.poll.registry(), token(source))
    }

    fn watch_again(&self, listener: &mut Listener, source: Source) -> io::Result<()> {
        listener.reregister(self.poll.registry(), token(source))
    }

    fn register_datagrams(&self, socket: &mut DatagramSocket, source: Source) -> io::Result<()> {
        socket.register(self.poll.registry(), token(source))
    }

    fn connect(&self, to: &Address, source: Source) -> io::Result<Socket> {
        let mut socket = begin_to_connect(to)?;
        self.register(&mut socket, source)?;
        Ok(socket)
    }

    fn adopt(&self, socket: ConnectedSocket, source: Source) -> io::Result<Socket> {
        let mut socket = match socket {
            ConnectedSocket::Tcp(stream) => {
                stream.set_nonblocking(true)?;
                Socket::Tcp(TcpStream::from_std(stream))
            }
            ConnectedSocket::Unix(stream) => {
                stream.set_nonblocking(true)?;
                Socket::Unix(UnixStream::from_std(stream))
            }
        };
        self.register(&mut socket, source)?;
        Ok(socket)
    }

    fn is_connected(socket: &Socket) -> io::Result<bool> {
        socket.is_connected()
    }

    fn local_address(socket: &Socket) -> Option<Address> {
        socket.local_address()
    }

    fn descriptors(&self) -> Option<Descriptors> {
        descriptors()
    }

    fn start_worker(&self, number: usize, worker: Worker) -> io::Result<()> {
        spawn(format!("worker-{number}"), move || worker.work())
    }

    fn start_blocking_worker(
        &self,
        number: usize,
        worker: BlockingWorker<StdSocket, Option<PeerPermit>>,
    ) -> io::Result<()> {
        let handle = self.handle.clone();
        // Counters are created in the thread, so that a thread that does not start leaves none.
        spawn(format!("requests-{number}"), move || worker.work(&handle.counters()))
    }

    fn start_lookup(&self, lookup: Lookup) -> io::Result<()> {
        spawn("resolver".to_owned(), move || lookup.run())
    }
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name).spawn(work).map(drop)
}

fn begin_to_connect(to: &Address) -> io::Result<Socket> {
    match to {
        Address::Tcp(address) => {
            let stream = TcpStream::connect(*address)?;
            stream.set_nodelay(true)?;
            watch_peer(&stream)?;
            Ok(Socket::Tcp(stream))
        }
        Address::Unix(path) => Ok(Socket::Unix(connect_unix(path, Type::STREAM)?)),
        Address::SeqPacket(path) => Ok(Socket::SeqPacket(connect_unix(path, Type::SEQPACKET)?)),
        address => {
            let what = format!("cannot connect to {address}: not a stream address");
            Err(io::Error::new(io::ErrorKind::InvalidInput, what))
        }
    }
}

/// Connects at once or fails, as all Unix sockets do.
fn connect_unix(path: &Path, ty: Type) -> io::Result<UnixStream> {
    let socket = RawSocket::new(Domain::UNIX, ty, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(UnixStream::from_std(socket.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::SockRef;
    use std::net::TcpListener;

    #[test]
    fn an_outgoing_connection_notices_that_its_peer_has_vanished() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let Socket::Tcp(stream) = begin_to_connect(&Address::Tcp(listener.local_addr()?))? else {
            panic!("not TCP")
        };
        assert!(SockRef::from(&stream).keepalive()?);
        Ok(())
    }
}
