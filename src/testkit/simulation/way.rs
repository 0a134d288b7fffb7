//! The bytes or packets in flight from a client to the server.

use std::collections::VecDeque;

#[derive(Default)]
pub(super) struct Way {
    bytes: VecDeque<u8>,
    /// The lengths of the packets, if boundaries are kept.
    packets: Option<VecDeque<usize>>,
}

/// Bytes that arrive at the server.
pub(super) struct Arrival {
    pub(super) bytes: Vec<u8>,
    /// The lengths of its packets, if boundaries are kept.
    pub(super) packets: Vec<usize>,
}

impl Way {
    /// Keeps the boundaries of everything sent from now on.
    pub(super) fn keep_boundaries(&mut self) {
        self.packets = Some(VecDeque::new());
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Sends bytes of a stream, or one packet. There are no empty packets.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        if let Some(packets) = self.packets.as_mut().filter(|_| !bytes.is_empty()) {
            packets.push_back(bytes.len());
        }
    }

    /// Takes the first `len` bytes, or the packets that begin in them.
    pub(super) fn pop(&mut self, len: usize) -> Arrival {
        let mut packets = Vec::new();
        let len = match &mut self.packets {
            None => len,
            Some(waiting) => {
                let mut sum = 0;
                while sum < len {
                    let Some(packet) = waiting.pop_front() else { break };
                    sum += packet;
                    packets.push(packet);
                }
                sum
            }
        };
        Arrival { bytes: self.bytes.drain(..len).collect(), packets }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        if let Some(packets) = &mut self.packets {
            packets.clear();
        }
    }
}
