//! The claim of a server that starts at a socket file: one at a time. Must not know sockets.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The only right to examine, remove and bind one socket file, until it is dropped.
///
/// It is a locked file beside the socket file, `web.sock.starting`. The system unlocks it when its
/// process ends. It is removed with the claim, so that no file stays; if its process was killed,
/// the next claim uses and removes it.
pub(super) struct Claim {
    /// `None` in a folder that takes no such file, and on file systems without locks: it is then
    /// as if no other server started at the same time.
    lock: Option<(File, PathBuf)>,
}

/// Each further try means that another server has started in between.
const TRIES: usize = 100;

impl Claim {
    /// Claims the socket file at `path`.
    ///
    /// # Errors
    ///
    /// `AddrInUse` if another server is starting there. Waiting for it would gain nothing: it binds
    /// the address, or reports why that is impossible.
    pub(super) fn on(path: &Path) -> io::Result<Claim> {
        let mut name = OsString::from(path);
        name.push(".starting");
        let name = PathBuf::from(name);
        for _ in 0..TRIES {
            let file = match open_or_create(&name) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                // If the folder takes no files, `bind` reports the reason.
                Err(_) => return Ok(Claim { lock: None }),
            };
            match file.try_lock() {
                Ok(()) if is_at(&file, &name) => return Ok(Claim { lock: Some((file, name)) }),
                // Another server has removed it since it was opened.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(error)) => {
                    log::debug!("{}: cannot lock it: {error}", name.display());
                    return Ok(Claim { lock: None });
                }
            }
        }
        Err(io::Error::from_raw_os_error(libc::EADDRINUSE))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some((file, name)) = self.lock.take() {
            // First remove, then unlock: a server that has opened the file meanwhile sees that it
            // is gone. One that cannot be removed stays.
            let _ = fs::remove_file(name);
            drop(file);
        }
    }
}

/// Opens the file, or creates it. It is opened without the flag to create first: Linux refuses that
/// for a file of another user in a shared folder (fs.protected_regular, proc_sys_fs(5)).
fn open_or_create(name: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // A pipe with this name must not block, and a link must not lead elsewhere.
    options.custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
    match options.read(true).open(name) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            options.write(true).create_new(true).mode(0o644).open(name)
        }
        opened => opened,
    }
}

fn is_at(file: &File, name: &Path) -> bool {
    let here = file.metadata().map(|meta| (meta.dev(), meta.ino()));
    let there = fs::symlink_metadata(name).map(|meta| (meta.dev(), meta.ino()));
    matches!((here, there), (Ok(here), Ok(there)) if here == there)
}
