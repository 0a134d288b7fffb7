//! The two system calls of each request, without the C library where `rustix` is at hand. Knows no
//! kind of socket.
//!
//! The C library lets threads be cancelled in `recv` and `send`. As soon as the process has a
//! second thread, that costs nearly a tenth of a small answer.

#[cfg(any(feature = "http", feature = "processes"))]
pub(super) use rustix_calls::{receive, send};
#[cfg(not(any(feature = "http", feature = "processes")))]
pub(super) use std_calls::{receive, send};

#[cfg(any(feature = "http", feature = "processes"))]
mod rustix_calls {
    use std::io;
    use std::os::fd::AsFd;

    use rustix::net::{self, RecvFlags, SendFlags};

    /// A peer that has gone is an error, not a signal. Apple's sockets have an option for that,
    /// which `mio` sets.
    #[cfg(not(target_vendor = "apple"))]
    const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL;
    #[cfg(target_vendor = "apple")]
    const SEND_FLAGS: SendFlags = SendFlags::empty();

    #[inline(always)]
    pub(in super::super) fn receive(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(net::recv(socket, buffer, RecvFlags::empty())?.0)
    }

    #[inline(always)]
    pub(in super::super) fn send(socket: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
        Ok(net::send(socket, bytes, SEND_FLAGS)?)
    }
}

#[cfg(not(any(feature = "http", feature = "processes")))]
mod std_calls {
    use std::io::{self, Read, Write};

    pub(in super::super) fn receive(mut socket: impl Read, buffer: &mut [u8]) -> io::Result<usize> {
        socket.read(buffer)
    }

    pub(in super::super) fn send(mut socket: impl Write, bytes: &[u8]) -> io::Result<usize> {
        socket.write(bytes)
    }
}
