//! The output of a handler as a writer. Knows no connection.

use std::{fmt, io};

/// The output of a connection: bytes can be added to it, and none taken back. Made by
/// [`Context::output`](crate::Context::output).
///
/// Writing to it never fails and never blocks, and there is nothing to flush.
#[derive(Debug)]
pub struct Output<'a>(pub(super) &'a mut Vec<u8>);

impl Output<'_> {
    /// Returns the number of bytes that the connection has written in this turn and that were not
    /// sent yet: a handler that wraps another one measures the output of a call by it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes formatted text: the method that `write!` calls. It does not fail.
    pub fn write_fmt(&mut self, text: fmt::Arguments<'_>) {
        // A vector takes everything. A value whose `Display` fails has written a part of its text,
        // as in `format!`, which panics for it: here the part is all there is.
        let _ = io::Write::write_fmt(self.0, text);
    }
}

impl io::Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
