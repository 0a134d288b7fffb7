//! The file of a Unix socket: it goes with its server, and makes room for the next.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket as RawSocket, Type};

/// The file of a Unix socket, removed with this; but not what others have put in its place.
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode, `None` if it was gone at once, or is not ours.
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    /// The file at `path`, which was made just now.
    pub(super) fn of(path: &Path) -> SocketFile {
        SocketFile { path: path.to_owned(), identity: identity(path) }
    }

    /// The file at `path`, which the program or another process made and removes.
    pub(super) fn of_another(path: &Path) -> SocketFile {
        SocketFile { path: path.to_owned(), identity: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the socket file of a server that died. One that answers, and a file that is no
    /// socket, stay: `bind` then says that the address is in use.
    pub(super) fn remove_stale(path: &Path) -> io::Result<()> {
        let is_socket =
            std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
        if !is_socket {
            return Ok(());
        }
        // Connecting to a server whose queue is full would block for as long as it is. A live
        // socket of another type is no peer for this one (EPROTOTYPE); a dead one refuses it,
        // whatever its type was.
        let probe = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
        probe.set_nonblocking(true)?;
        match probe.connect(&SockAddr::unix(path)?) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path)
            }
            _ => Ok(()),
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            // Nothing can be done about a file that cannot be removed.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}
