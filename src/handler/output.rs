//! The output of a handler as a writer. Must not know connections.

use std::{fmt, io};

/// The output of a connection, for appending bytes. Returned by
/// [`Context::output`](crate::Context::output).
///
/// Writing to it never fails and never blocks, and no flush is needed.
///
/// ```
/// use socketserver::testkit::Network;
/// use socketserver::{Close, Context, Handler, Limits, Output};
///
/// fn write_bits(output: &mut Output<'_>, byte: u8) {
///     write!(output, "{byte:08b} ");
/// }
///
/// struct Bits;
///
/// impl Handler for Bits {
///     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
///         let mut output = cx.output();
///         input.iter().for_each(|byte| write_bits(&mut output, *byte));
///         assert_eq!(output.len(), 9 * input.len());
///         Ok(input.len())
///     }
/// }
///
/// let mut network = Network::new(Limits::default());
/// let client = network.connect(Bits);
/// network.send(client, b"AB");
/// network.settle();
/// assert_eq!(network.received(client), b"01000001 01000010 ");
/// ```
#[derive(Debug)]
pub struct Output<'a>(pub(super) &'a mut Vec<u8>);

impl Output<'_> {
    /// Returns the number of bytes that the connection has written in this turn and that were not
    /// sent yet. A handler that wraps another one can measure the output of a call with it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if [`len`](Output::len) is 0.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes formatted text. `write!` calls this method, as the example of
    /// [`Output`] shows. It does not fail.
    pub fn write_fmt(&mut self, text: fmt::Arguments<'_>) {
        // A vector accepts everything. A value whose `Display` fails has written a part of its
        // text: unlike `format!`, which panics, this keeps the part.
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
