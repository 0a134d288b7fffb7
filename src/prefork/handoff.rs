//! Sockets handed from process to process through a Unix socket (`SCM_RIGHTS`, unix(7)), one in a
//! message. Knows nothing of their use.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::cmsg_space;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

const SPACE: usize = cmsg_space!(ScmRights(1));
/// A message must have at least one byte to carry a socket.
const BYTE: u8 = b's';

/// Sends a copy of `socket`, which stays open until it is received or the channel is closed at
/// both ends.
///
/// # Errors
///
/// Returns the system's error; `WouldBlock` if the channel is full.
pub(super) fn send(channel: &UnixStream, socket: BorrowedFd<'_>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let sockets = [socket];
    control.push(SendAncillaryMessage::ScmRights(&sockets));
    sendmsg(channel, &[IoSlice::new(&[BYTE])], &mut control, SendFlags::DONTWAIT)?;
    Ok(())
}

/// Takes the next socket that was sent. Reads one byte: a read across the borders of messages
/// would lose sockets.
///
/// # Errors
///
/// Returns the system's error, or `InvalidData` if the message carries no socket.
pub(super) fn receive(channel: &UnixStream) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(channel, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::DONTWAIT)?;
    let socket = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
        _ => None,
    });
    let socket = socket.ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "the message carries no socket")
    })?;
    // Programs that a handler starts must not inherit it: a listener they hold open would go on
    // queueing connections that no process accepts. (Not every system can set the flag when
    // receiving.)
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    Ok(socket)
}
