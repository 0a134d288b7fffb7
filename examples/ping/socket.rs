//! The socket, and Ctrl-C: opens the kind of socket that the system permits, and waits for either.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use signal_hook::consts::signal::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use socket2::{Domain, Protocol, Socket, Type};

use super::common::exit::{Exit, failure};
use super::icmp::Kind;

/// The end of a wait.
pub(crate) enum Heard {
    /// A packet from this address, and its length.
    Packet(usize, IpAddr),
    /// An error about a request, which the system does not name.
    Error(io::Error),
    Nothing,
    /// The user wants to stop.
    Stop,
}

/// The socket and the signals.
pub(crate) struct Ears {
    pub(crate) kind: Kind,
    socket: UdpSocket,
    signals: UnixStream,
}

impl Ears {
    /// Opens a raw socket, or one that needs no privilege.
    pub(crate) fn open(target: SocketAddr) -> Result<Ears, Exit> {
        let (domain, protocol) = match target {
            SocketAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
            SocketAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
        };
        let open = |kind| Socket::new(domain, kind, Some(protocol));
        let (kind, socket) = match open(Type::RAW) {
            Ok(socket) => (Kind::Raw, socket),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                (Kind::Datagram, open(Type::DGRAM).map_err(|_| forbidden(&error))?)
            }
            Err(error) => return Err(other("cannot open a raw socket", &error)),
        };
        Ears::on(kind, socket, target).map_err(|error| other("cannot prepare the socket", &error))
    }

    fn on(kind: Kind, socket: Socket, target: SocketAddr) -> io::Result<Ears> {
        if kind == Kind::Datagram {
            // Only a connected socket gets errors.
            socket.connect(&target.into())?;
        }
        socket.set_nonblocking(true)?;
        let (signals, sender) = UnixStream::pair()?;
        pipe::register(SIGINT, sender.try_clone()?)?;
        pipe::register(SIGTERM, sender)?;
        // `UdpSocket` is only the type of datagram sockets in `std`: it needs no `unsafe`.
        Ok(Ears { kind, socket: socket.into(), signals })
    }

    pub(crate) fn send(&self, packet: &[u8], target: SocketAddr) -> io::Result<()> {
        match self.kind {
            Kind::Raw => self.socket.send_to(packet, target),
            Kind::Datagram => self.socket.send(packet),
        }
        .map(drop)
    }

    /// Waits for a packet of any kind. Without a time, it waits forever.
    pub(crate) fn wait(&self, buffer: &mut [u8], until: Option<Instant>) -> io::Result<Heard> {
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(Heard::Nothing);
            }
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            let mut ends = [
                PollFd::new(&self.signals, PollFlags::IN),
                PollFd::new(&self.socket, PollFlags::IN),
            ];
            match poll(&mut ends, left.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            if !ends[0].revents().is_empty() {
                return Ok(Heard::Stop);
            }
            match self.socket.recv_from(buffer) {
                Ok((len, from)) => return Ok(Heard::Packet(len, from.ip())),
                Err(error) if is_nothing(&error) => {}
                Err(error) if self.kind == Kind::Datagram => return Ok(Heard::Error(error)),
                Err(error) => return Err(error),
            }
        }
    }
}

fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn forbidden(error: &io::Error) -> Exit {
    let means = "run it as root, give it CAP_NET_RAW, or add its group to \
                 net.ipv4.ping_group_range";
    other(&format!("cannot open a raw socket: {means}"), error)
}

fn other(what: &str, error: &io::Error) -> Exit {
    failure(io::Error::other(format!("{what}: {error}")))
}
