//! The facts about a file that validators are made of. Must not know requests.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, UNIX_EPOCH};

/// The facts about a file, as of one `fstat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Facts {
    pub(super) kind: FileKind,
    pub(super) size: u64,
    pub(super) device: u64,
    pub(super) inode: u64,
    /// Seconds since 1970, and nanoseconds.
    pub(super) modified: (i64, i64),
    /// The time of the last change of content or metadata, which no program can set.
    pub(super) changed: (i64, i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum FileKind {
    File,
    Directory,
    /// A device, a FIFO or a socket, which is not served.
    Other,
}

impl Facts {
    pub(super) fn of(file: &File) -> io::Result<Facts> {
        file.metadata().map(|metadata| Facts::new(&metadata))
    }

    fn new(metadata: &Metadata) -> Facts {
        let kind = match metadata {
            it if it.is_file() => FileKind::File,
            it if it.is_dir() => FileKind::Directory,
            _ => FileKind::Other,
        };
        Facts {
            kind,
            size: metadata.size(),
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Returns the strong entity tag (RFC 9110, section 8.8.3) of these bytes in this coding. It
    /// changes with the size, the time of modification and the inode, which a file that replaces
    /// another one by `rename` has of its own.
    pub(super) fn tag(&self, coding: &str) -> String {
        let (seconds, nanos) = self.modified;
        let time = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        let dash = if coding.is_empty() { "" } else { "-" };
        format!("\"{:x}-{time:x}-{:x}{dash}{coding}\"", self.size, self.inode)
    }

    /// Returns the second of the modification; that of the answer, `now`, if it is later (RFC 9110,
    /// section 8.8.2.1).
    pub(super) fn last_modified(&self, now: u64) -> u64 {
        self.modified_second().min(now)
    }

    /// Returns the second of the modification, not before 1970.
    pub(super) fn modified_second(&self) -> u64 {
        u64::try_from(self.modified.0).unwrap_or(0)
    }

    /// Returns true if a later change has another time of change for certain: file systems note
    /// times in ticks of the kernel, or in whole or even two seconds.
    pub(super) fn is_settled(&self, now: u64) -> bool {
        let last = self.changed.0.max(self.modified.0);
        u64::try_from(last).is_ok_and(|last| last.saturating_add(3) <= now)
    }
}

/// Returns the date in the form of HTTP (RFC 9110, section 5.6.7).
pub(super) fn http_date(unix_seconds: u64) -> String {
    // The formatter panics for years after 9999.
    let clamped = unix_seconds.min(253_402_300_799);
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(clamped))
}

/// Reads a date in one of the three forms of HTTP. Returns `None` if it is malformed.
pub(super) fn parse_http_date(text: &str) -> Option<u64> {
    let time = httpdate::parse_http_date(text).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}
