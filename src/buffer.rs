//! Bytes that wait for a socket to take them. Knows no socket.

/// Output that a socket did not take yet: a queue of bytes, appended behind and taken in front.
///
/// ```text
///   bytes:  | sent already | waiting ............ |
///           0              start                  bytes.len()
/// ```
#[derive(Default)]
pub(crate) struct Backlog {
    bytes: Vec<u8>,
    start: usize,
}

impl Backlog {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    pub(crate) fn push(&mut self, more: &[u8]) {
        // Sent bytes are dropped only once they are the larger half, so that each byte is
        // moved at most once more than it is appended.
        if self.start > self.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(more);
    }

    pub(crate) fn waiting(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    pub(crate) fn consume(&mut self, n: usize) {
        self.start += n;
        debug_assert!(self.start <= self.bytes.len());
        if self.is_empty() {
            // The memory goes too: a connection with nothing to send owns none.
            *self = Backlog::default();
        }
    }
}
