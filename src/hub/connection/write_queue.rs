//! Bytes that wait for a socket to take them. Knows no socket.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;

/// Output that a socket did not take yet: a queue of pieces, taken in front and added behind.
///
/// Bytes that a handler wrote or was sent grow in place. Published bytes are a slice shared with
/// all members that wait for the same, and the only kind that may be dropped again.
#[derive(Default)]
pub(in crate::hub) struct WriteQueue {
    pieces: VecDeque<Piece>,
    len: usize,
    /// How much of `len` the connection's own handler wrote.
    own_len: usize,
}

/// Where queued bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Origin {
    /// The connection's own handler wrote them: they pause its input.
    Handler,
    /// Others sent or forwarded them.
    Others,
}

struct Piece {
    bytes: Bytes,
    /// The part of `bytes` that is still to be sent; never empty.
    rest: Range<usize>,
    /// The cost beyond its bytes.
    cost: usize,
}

enum Bytes {
    Written(Vec<u8>, Origin),
    /// Whole messages that were published, none of which has begun to be sent if `fresh`.
    Published {
        slice: Arc<[u8]>,
        fresh: bool,
    },
}

impl Piece {
    fn waiting(&self) -> &[u8] {
        let bytes = match &self.bytes {
            Bytes::Written(bytes, _) => bytes.as_slice(),
            Bytes::Published { slice, .. } => slice,
        };
        bytes.get(self.rest.clone()).unwrap_or_default()
    }

    fn is_own(&self) -> bool {
        matches!(self.bytes, Bytes::Written(_, Origin::Handler))
    }
}

/// The cost of a packet that waits, beyond its bytes. Many small ones take memory and calls that
/// their bytes do not show; the kernel counts alike.
pub(in crate::hub) const PACKET_COST: usize = 512;

/// The most pieces that go into one vectored write.
pub(in crate::hub) const GATHERED: usize = 16;

impl WriteQueue {
    /// Returns the length of the queue: bytes, and [`PACKET_COST`] for each packet.
    pub(in crate::hub) fn len(&self) -> usize {
        self.len
    }

    /// Returns the length of the part that the connection's own handler wrote.
    pub(in crate::hub) fn own_len(&self) -> usize {
        self.own_len
    }

    pub(in crate::hub) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds bytes, to the last piece if that has the same origin.
    pub(in crate::hub) fn push(&mut self, more: &[u8], origin: Origin) {
        let (bytes, rest) = match self.pieces.back_mut() {
            Some(Piece { bytes: Bytes::Written(bytes, of), rest, .. }) if *of == origin => {
                (bytes, rest)
            }
            _ => return self.add(Bytes::Written(more.to_vec(), origin), 0..more.len(), 0),
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
        if origin == Origin::Handler {
            self.own_len += more.len();
        }
    }

    /// Adds bytes as a piece of their own: a packet.
    pub(in crate::hub) fn push_apart(&mut self, bytes: &[u8], origin: Origin) {
        self.add(Bytes::Written(bytes.to_vec(), origin), 0..bytes.len(), PACKET_COST);
    }

    /// Adds `part` of a slice that other members wait for, too: whole messages, unless the first
    /// of them has `begun` to be sent.
    pub(in crate::hub) fn push_published(
        &mut self,
        slice: Arc<[u8]>,
        part: Range<usize>,
        begun: bool,
    ) {
        self.add(Bytes::Published { slice, fresh: !begun }, part, 0);
    }

    /// Adds `part` of such a slice as a piece for itself: one message, a packet.
    pub(in crate::hub) fn push_published_apart(&mut self, slice: Arc<[u8]>, part: Range<usize>) {
        self.add(Bytes::Published { slice, fresh: true }, part, PACKET_COST);
    }

    fn add(&mut self, bytes: Bytes, rest: Range<usize>, cost: usize) {
        if !rest.is_empty() {
            let piece = Piece { bytes, rest, cost };
            let len = piece.rest.len() + cost;
            self.len += len;
            if piece.is_own() {
                self.own_len += len;
            }
            self.pieces.push_back(piece);
        }
    }

    /// Drops everything.
    pub(in crate::hub) fn clear(&mut self) {
        *self = WriteQueue::default();
    }

    /// Returns true if the lengths are those of the pieces, for the check after every turn.
    #[cfg(debug_assertions)]
    pub(in crate::hub) fn counts_right(&self) -> bool {
        let len = |pieces: &mut dyn Iterator<Item = &Piece>| -> usize {
            pieces.map(|piece| piece.rest.len() + piece.cost).sum()
        };
        self.len == len(&mut self.pieces.iter())
            && self.own_len == len(&mut self.pieces.iter().filter(|piece| piece.is_own()))
    }

    /// Returns the bytes to be sent next.
    pub(in crate::hub) fn first(&self) -> &[u8] {
        self.pieces.front().map_or(&[], Piece::waiting)
    }

    /// Gathers the first pieces for one vectored write. Returns 0 if there is but one.
    pub(in crate::hub) fn gather<'a>(&'a self, slices: &mut [IoSlice<'a>; GATHERED]) -> usize {
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
    pub(in crate::hub) fn consume(&mut self, mut n: usize) {
        debug_assert!(n <= self.len);
        self.len -= n;
        while let Some(piece) = self.pieces.front_mut() {
            let is_own = piece.is_own();
            if n < piece.rest.len() {
                piece.rest.start += n;
                if is_own {
                    self.own_len -= n;
                }
                if let (Bytes::Published { fresh, .. }, 1..) = (&mut piece.bytes, n) {
                    *fresh = false;
                }
                return;
            }
            n -= piece.rest.len();
            self.len -= piece.cost;
            if is_own {
                self.own_len -= piece.rest.len() + piece.cost;
            }
            self.pieces.pop_front();
        }
        // The memory goes too: a connection with nothing to send owns none.
        *self = WriteQueue::default();
    }

    /// Drops the oldest published messages that have not begun to be sent, until at most `target`
    /// bytes are left or there are none. Returns how much was dropped.
    pub(in crate::hub) fn drop_oldest(&mut self, target: usize) -> usize {
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
