//! The messages of one call of the script. Knows no connection.

use crate::protocol::resp::{append_bytes, append_header};

/// Messages with consecutive `seq`, encoded.
#[derive(Debug, Default)]
pub(super) struct Batch {
    first: u64,
    lowest: u64,
    count: usize,
    keys: Vec<u8>,
    arguments: Vec<u8>,
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Returns the `seq` of the first message; 0 without messages.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn lowest(&self) -> u64 {
        self.lowest
    }

    /// Returns true if a message with this `seq` may follow.
    pub(super) fn takes(&self, seq: u64) -> bool {
        self.count == 0 || self.first + self.count as u64 == seq
    }

    pub(super) fn push(&mut self, seq: u64, lowest: u64, key: &[u8], epoch: u64, record: &[u8]) {
        if self.count == 0 {
            (self.first, self.lowest) = (seq, lowest);
        }
        self.count += 1;
        append_bytes(&mut self.keys, key);
        append_bytes(&mut self.arguments, format!("{epoch}-*").as_bytes());
        append_bytes(&mut self.arguments, record);
    }

    /// Appends the call, and forgets the messages.
    pub(super) fn write(
        &mut self,
        out: &mut Vec<u8>,
        script: &[u8],
        node: &[u8],
        numbers: impl ExactSizeIterator<Item = String>,
        probe: &[u8],
    ) {
        append_header(out, b'*', 3 + 1 + self.count + numbers.len() + 1 + 2 * self.count);
        append_bytes(out, b"EVALSHA");
        append_bytes(out, script);
        append_bytes(out, (self.count + 1).to_string().as_bytes());
        append_bytes(out, node);
        out.append(&mut self.keys);
        numbers.for_each(|number| append_bytes(out, number.as_bytes()));
        append_bytes(out, probe);
        out.append(&mut self.arguments);
        (self.first, self.lowest, self.count) = (0, 0, 0);
    }
}
