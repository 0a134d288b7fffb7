//! The file of a Unix socket: removed with its server, and replaced if its server died.

#[cfg(target_os = "linux")]
use std::ffi::{OsStr, OsString};
use std::io;
#[cfg(target_os = "linux")]
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket as RawSocket, Type};

use super::claim::Claim;

/// The file of a Unix socket, removed on drop unless another process has replaced it.
///
/// It must be dropped before its socket. Until the socket is closed, its inode is in use, so that
/// no other file has it; and no other server takes the file for that of a dead one, and replaces
/// it after the look and before the removal.
pub(crate) struct SocketFile {
    path: PathBuf,
    maker: Maker,
}

/// The maker of a file removes it.
#[derive(PartialEq, Eq)]
enum Maker {
    /// This server. Device and inode are `None` for an abstract name, which has no file.
    Server(Option<(u64, u64)>),
    /// The program or another process.
    Another,
}

impl SocketFile {
    /// The file at `path`, which was just created.
    pub(super) fn of(path: &Path) -> SocketFile {
        SocketFile { path: path.to_owned(), maker: Maker::Server(identity(path)) }
    }

    /// The file at `path`, which the program or another process made and removes.
    pub(super) fn of_another(path: &Path) -> SocketFile {
        SocketFile { path: path.to_owned(), maker: Maker::Another }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns true if this server has made the file.
    pub(super) fn is_own(&self) -> bool {
        self.maker != Maker::Another
    }

    /// Removes the file, if it is still that of this server.
    pub(super) fn remove(&self) {
        if let Maker::Server(made @ Some(_)) = self.maker
            && identity(&self.path) == made
        {
            // A file that cannot be removed stays.
            let _ = std::fs::remove_file(&self.path);
        }
    }

    /// Removes the socket file of a dead server. A live socket, or a file that is not a socket,
    /// stays: `bind` then reports that the address is in use.
    ///
    /// So does, on Linux, a socket that another program has bound and on which it does not listen
    /// yet.
    ///
    /// Under the claim no other server removes or binds the file between the two steps.
    pub(super) fn remove_stale(path: &Path, _: &Claim) -> io::Result<()> {
        let is_socket =
            std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
        if !is_socket {
            return Ok(());
        }
        // A blocking connect would block while the server's queue is full. A live socket of another
        // type returns EPROTOTYPE; a dead one refuses the connection, whatever its type.
        let probe = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
        probe.set_nonblocking(true)?;
        match probe.connect(&SockAddr::unix(path)?) {
            Err(error)
                if error.kind() == io::ErrorKind::ConnectionRefused
                    && !is_about_to_listen(path) =>
            {
                std::fs::remove_file(path)
            }
            _ => Ok(()),
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Returns true if a socket of another program is bound to `path`, and does not listen yet. It
/// refuses connections like a dead one, but the system lists it.
#[cfg(target_os = "linux")]
fn is_about_to_listen(path: &Path) -> bool {
    let is_it = |name: &Path| {
        name == path || name.file_name() == path.file_name() && identity(name) == identity(path)
    };
    let sockets = std::fs::read("/proc/net/unix").unwrap_or_default();
    sockets.split(|byte| *byte == b'\n').filter_map(bound_and_silent).any(is_it)
}

/// Elsewhere such a socket is not told from a dead one.
#[cfg(not(target_os = "linux"))]
fn is_about_to_listen(_: &Path) -> bool {
    false
}

/// Returns the path of a stream socket that neither listens nor is connected, from its line in
/// `/proc/net/unix`: number, references, protocol, flags, type, state, inode, path (proc(5)).
/// Connections that a server has accepted have its path as well, and so has a listener that
/// refuses newcomers before its end.
#[cfg(target_os = "linux")]
fn bound_and_silent(line: &[u8]) -> Option<&Path> {
    let mut rest = line;
    let mut fields = [&line[..0]; 7];
    for field in &mut fields {
        rest = rest.trim_ascii_start();
        let end = rest.iter().position(|byte| *byte == b' ')?;
        (*field, rest) = rest.split_at(end);
    }
    let [_, _, _, flags, kind, state, _] = fields;
    let path = rest.strip_prefix(b" ").filter(|path| !path.is_empty())?;
    let is_silent = flags == b"00000000" && kind == b"0001" && state == b"01";
    is_silent.then(|| Path::new(OsStr::from_bytes(path)))
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// Returns the path that a Unix socket is bound to. That of an abstract name begins with a zero
/// byte, as `SockAddr::unix` takes it.
pub(super) fn unix_path(address: &SockAddr) -> Option<PathBuf> {
    #[cfg(target_os = "linux")]
    if let Some(name) = address.as_abstract_namespace() {
        return Some(OsString::from_vec([b"\0", name].concat()).into());
    }
    address.as_pathname().map(Path::to_owned)
}
