//! A body of known length that is read while it is sent. Must not know where it is read from.

#[cfg(feature = "files")]
use std::fs::File;
use std::io;
#[cfg(feature = "files")]
use std::ops::Range;
#[cfg(feature = "files")]
use std::sync::Arc;

/// A body of known length, in portions.
pub(in crate::services) trait Source: Send {
    /// Returns the number of bytes that are left.
    fn left(&self) -> u64;

    /// Appends the next portion to `out`, without blocking.
    ///
    /// # Errors
    ///
    /// The bytes cannot be had any more. The length was sent already, so the connection is reset.
    fn append(&mut self, out: &mut Vec<u8>) -> io::Result<Portion>;
}

/// The result of a request for a portion.
#[cfg_attr(not(feature = "files"), allow(dead_code, reason = "only files are sources"))]
pub(in crate::services) enum Portion {
    /// This number of bytes was appended.
    Appended(usize),
    /// The portion is this part of a file, which can be read without waiting.
    #[cfg(feature = "files")]
    File(Arc<File>, Range<u64>),
    /// A worker has to read the portion; the next request is for the one after it.
    Read(ReadPortion),
}

/// Reads a portion, off the loop.
pub(in crate::services) type ReadPortion = Box<dyn FnOnce() -> io::Result<Vec<u8>> + Send>;
