//! Binds sockets of every kind, with their options. Must not know their use.

use std::fs::{File, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, SockAddr, SockRef, Socket as RawSocket, TcpKeepalive, Type};

use super::claim::Claim;
use super::socket_file::SocketFile;
use crate::net::listen::{KeepAlive, SocketOptions};

/// Returns a socket of type `ty`, bound to `address` with these options.
pub(super) fn bind_inet(
    options: &SocketOptions,
    address: SocketAddr,
    ty: Type,
) -> io::Result<RawSocket> {
    let socket = RawSocket::new(Domain::for_address(address), ty, None)?;
    let is_stream = ty == Type::STREAM;
    // A restarted server binds its port again, even if old connections are in TIME_WAIT. On a
    // socket of datagrams, the same option would allow another socket to take over the port.
    if options.reuse_address.unwrap_or(is_stream) {
        socket.set_reuse_address(true)?;
    }
    if options.reuse_port {
        named("reuse_port", reuse_port(&socket))?;
    }
    if address.is_ipv6() {
        // By default `[::]` and `0.0.0.0` are two addresses, on every system.
        named("dual_stack", socket.set_only_v6(!options.dual_stack))?;
    }
    #[cfg(target_os = "linux")]
    if let Some(device) = &options.device {
        named("device", socket.bind_device(Some(device.as_bytes())))?;
    }
    if is_stream {
        // Accepted sockets inherit it (Linux): no setsockopt for each of them.
        socket.set_tcp_nodelay(options.no_delay.unwrap_or(true))?;
    }
    if let Some(probes) = probes(&options.keep_alive) {
        named("keep_alive", socket.set_tcp_keepalive(&probes))?;
    }
    #[cfg(target_os = "linux")]
    if options.user_timeout.is_some() {
        named("user_timeout", socket.set_tcp_user_timeout(options.user_timeout))?;
    }
    set_buffers(&socket, options)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn probes(keep_alive: &KeepAlive) -> Option<TcpKeepalive> {
    let mut probes = TcpKeepalive::new().with_time(keep_alive.idle?);
    if let Some(interval) = keep_alive.interval {
        probes = probes.with_interval(interval);
    }
    if let Some(count) = keep_alive.count {
        probes = probes.with_retries(count);
    }
    Some(probes)
}

/// Detects that the peer of an outgoing connection has vanished, within two minutes. Connections of
/// other protocols than TCP end with the process of the peer.
pub(super) fn watch_peer(socket: &impl AsFd) -> io::Result<()> {
    let probes = TcpKeepalive::new()
        .with_time(Duration::from_secs(45))
        .with_interval(Duration::from_secs(15))
        .with_retries(4);
    SockRef::from(socket).set_tcp_keepalive(&probes)
}

/// Binds a Unix socket. Replaces the file of a dead server. The caller holds the claim until the
/// socket is in use: until then it looks like that of a dead server.
pub(super) fn bind_unix(
    options: &SocketOptions,
    path: &Path,
    ty: Type,
    claim: &Claim,
) -> io::Result<(RawSocket, SocketFile)> {
    SocketFile::remove_stale(path, claim)?;
    let socket = RawSocket::new(Domain::UNIX, ty, None)?;
    set_buffers(&socket, options)?;
    socket.set_nonblocking(true)?;
    if let Some(mode) = options.mode {
        narrow(&socket, mode);
    }
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile::of(path);
    if let Some(mode) = options.mode {
        // The umask has removed some of it. No peer can connect before `listen`.
        named("mode", std::fs::set_permissions(path, Permissions::from_mode(mode)))?;
    }
    Ok((socket, file))
}

/// Linux creates the file with the mode of the socket, less the umask (`unix_bind` in
/// net/unix/af_unix.c). A datagram socket is usable from `bind` on, so the mode must be set before.
/// Other systems refuse that, and offer no alternative.
fn narrow(socket: &RawSocket, mode: u32) {
    let refused = socket
        .try_clone()
        .map(OwnedFd::from)
        .and_then(|socket| File::from(socket).set_permissions(Permissions::from_mode(mode)));
    if let Err(error) = refused {
        log::debug!("cannot set the mode of a socket before bind: {error}");
    }
}

fn set_buffers(socket: &RawSocket, options: &SocketOptions) -> io::Result<()> {
    if let Some(bytes) = options.recv_buffer {
        named("recv_buffer", socket.set_recv_buffer_size(bytes))?;
    }
    if let Some(bytes) = options.send_buffer {
        named("send_buffer", socket.set_send_buffer_size(bytes))?;
    }
    Ok(())
}

#[cfg(not(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin")))]
fn reuse_port(socket: &RawSocket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

#[cfg(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin"))]
fn reuse_port(_: &RawSocket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Adds the name of the option to an error.
fn named<T>(option: &str, result: io::Result<T>) -> io::Result<T> {
    result.map_err(|error| io::Error::new(error.kind(), format!("{option}: {error}")))
}
