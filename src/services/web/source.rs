//! A body of known length that is read while it is sent. Must not know where it is read from.

use std::io;

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
    /// A worker has to read the portion; the next request is for the one after it.
    Read(ReadPortion),
}

/// Reads a portion, off the loop.
pub(in crate::services) type ReadPortion = Box<dyn FnOnce() -> io::Result<Vec<u8>> + Send>;
