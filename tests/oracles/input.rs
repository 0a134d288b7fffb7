//! The format of an input: bytes to send, and instructions for sending them. The bytes come first,
//! so that a file of the corpus can be written and read as text.

/// An input: the bytes to send, then up to 31 controls, then one byte. Its low five bits are the
/// number of controls, the others select one of eight variants of the oracle.
pub(crate) struct Input<'a> {
    pub(crate) sent: &'a [u8],
    pub(crate) controls: &'a [u8],
    pub(crate) flavour: u8,
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Input<'a> {
        let (last, rest) = bytes.split_last().unwrap_or((&0, &[]));
        let count = usize::from(last & 31).min(rest.len());
        let (sent, controls) = rest.split_at(rest.len() - count);
        Input { sent, controls, flavour: last >> 5 }
    }

    /// Returns the bytes to send, cut as the controls tell, over and over again; without controls,
    /// byte by byte.
    pub(crate) fn parts(&self) -> Vec<&'a [u8]> {
        let mut sizes = self.controls.iter().cycle();
        let mut parts = Vec::with_capacity(self.sent.len());
        let mut rest = self.sent;
        while !rest.is_empty() {
            let size = sizes.next().map_or(1, |control| usize::from(control % 128) + 1);
            let (part, after) = rest.split_at(size.min(rest.len()));
            parts.push(part);
            rest = after;
        }
        parts
    }
}
