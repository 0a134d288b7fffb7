//! Bytes that wait for a socket to take them. Knows no socket.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;

/// Output that a socket did not take yet: a queue of pieces, taken in front and added behind.
///
/// What a connection wrote itself is its own and grows in place. What was published is a slice
/// that it shares with all who wait for the same, and the only thing that may be dropped again.
#[derive(Default)]
pub(crate) struct Backlog {
    pieces: VecDeque<Piece>,
    len: usize,
}

struct Piece {
    bytes: Bytes,
    /// What of `bytes` is still to be sent; never empty.
    rest: Range<usize>,
    /// What it counts beyond its bytes.
    cost: usize,
}

enum Bytes {
    Own(Vec<u8>),
    /// Whole messages that were published, none of which has begun to be sent if `fresh`.
    Published {
        slice: Arc<[u8]>,
        fresh: bool,
    },
}

impl Piece {
    fn waiting(&self) -> &[u8] {
        let bytes = match &self.bytes {
            Bytes::Own(bytes) => bytes.as_slice(),
            Bytes::Published { slice, .. } => slice,
        };
        bytes.get(self.rest.clone()).unwrap_or_default()
    }
}

/// What a packet that waits counts beyond its bytes. Many small ones take memory and calls that
/// their bytes do not tell of; the kernel counts alike.
pub(crate) const PACKET_COST: usize = 512;

/// The most pieces that go into one vectored write.
pub(crate) const GATHERED: usize = 16;

impl Backlog {
    /// How much waits: bytes, and [`PACKET_COST`] for each packet.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds bytes of the connection's own, in the last piece if that is its own too.
    pub(crate) fn push(&mut self, more: &[u8]) {
        let Some(Piece { bytes: Bytes::Own(bytes), rest, .. }) = self.pieces.back_mut() else {
            return self.add(Bytes::Own(more.to_vec()), 0..more.len(), 0);
        };
        // Sent bytes are dropped only once they are the larger half, so that each byte is
        // moved at most once more than it is appended.
        if rest.start > rest.len() {
            bytes.drain(..rest.start);
            *rest = 0..bytes.len();
        }
        bytes.extend_from_slice(more);
        rest.end = bytes.len();
        self.len += more.len();
    }

    /// Adds bytes of the connection's own as a piece for itself: a packet.
    pub(crate) fn push_apart(&mut self, bytes: &[u8]) {
        self.add(Bytes::Own(bytes.to_vec()), 0..bytes.len(), PACKET_COST);
    }

    /// Adds `part` of a slice that others wait for too: whole messages, unless the first of them
    /// has `begun` to be sent.
    pub(crate) fn push_published(&mut self, slice: Arc<[u8]>, part: Range<usize>, begun: bool) {
        self.add(Bytes::Published { slice, fresh: !begun }, part, 0);
    }

    /// Adds `part` of such a slice as a piece for itself: one message, a packet.
    pub(crate) fn push_published_apart(&mut self, slice: Arc<[u8]>, part: Range<usize>) {
        self.add(Bytes::Published { slice, fresh: true }, part, PACKET_COST);
    }

    fn add(&mut self, bytes: Bytes, rest: Range<usize>, cost: usize) {
        if !rest.is_empty() {
            self.len += rest.len() + cost;
            self.pieces.push_back(Piece { bytes, rest, cost });
        }
    }

    /// Whether what it says of its length is so, for the check after every turn.
    #[cfg(debug_assertions)]
    pub(crate) fn counts_right(&self) -> bool {
        self.len == self.pieces.iter().map(|piece| piece.rest.len() + piece.cost).sum::<usize>()
    }

    /// What is to be sent next.
    pub(crate) fn first(&self) -> &[u8] {
        self.pieces.front().map_or(&[], Piece::waiting)
    }

    /// The first pieces, for one vectored write. Empty if there is but one.
    pub(crate) fn gather<'a>(&'a self, slices: &mut [IoSlice<'a>; GATHERED]) -> usize {
        if self.pieces.len() < 2 {
            return 0;
        }
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece.waiting());
            count += 1;
        }
        count
    }

    /// The first `n` bytes have been sent.
    pub(crate) fn consume(&mut self, mut n: usize) {
        debug_assert!(n <= self.len);
        self.len -= n;
        while let Some(piece) = self.pieces.front_mut() {
            if n < piece.rest.len() {
                piece.rest.start += n;
                if let (Bytes::Published { fresh, .. }, 1..) = (&mut piece.bytes, n) {
                    *fresh = false;
                }
                return;
            }
            n -= piece.rest.len();
            self.len -= piece.cost;
            self.pieces.pop_front();
        }
        // The memory goes too: a connection with nothing to send owns none.
        *self = Backlog::default();
    }

    /// Drops what was published first and has not begun to be sent, until at most `target` bytes
    /// are left or there is no more of it. Returns how much went.
    pub(crate) fn drop_oldest(&mut self, target: usize) -> usize {
        let before = self.len;
        let mut len = self.len;
        self.pieces.retain(|piece| {
            let may_go = matches!(piece.bytes, Bytes::Published { fresh: true, .. });
            let goes = may_go && len > target;
            if goes {
                len -= piece.rest.len() + piece.cost;
            }
            !goes
        });
        self.len = len;
        before - len
    }
}
