//! Bytes that wait for a socket. Must not know the socket.

use std::collections::VecDeque;
#[cfg(feature = "files")]
use std::fs::File;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;

/// Output that a socket did not accept yet: a queue of pieces.
///
/// Bytes that were written or sent are appended to the last piece. Published bytes are a slice
/// shared with all members that wait for the same bytes, and the only kind that may be dropped.
#[derive(Default)]
pub(in crate::hub) struct WriteQueue {
    pieces: VecDeque<Piece>,
    len: usize,
    /// The part of `len` written by the connection's own handler.
    own_len: usize,
}

/// The origin of queued bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Origin {
    /// Written by the connection's own handler: they pause its input.
    Handler,
    /// Sent or forwarded by other connections.
    Others,
}

struct Piece {
    bytes: Bytes,
    /// The unsent part of `bytes`; never empty.
    rest: Range<usize>,
    /// The cost beyond its bytes.
    cost: usize,
}

enum Bytes {
    Written(Vec<u8>, Origin),
    /// Whole published messages. If `fresh`, none of them has begun to be sent.
    Published {
        slice: Arc<[u8]>,
        fresh: bool,
    },
    /// Bytes of a file from this offset on, which take no memory here: see [`FILE_COST`].
    #[cfg(feature = "files")]
    File(Arc<File>, u64),
}

impl Piece {
    fn waiting(&self) -> &[u8] {
        let bytes = match &self.bytes {
            Bytes::Written(bytes, _) => bytes.as_slice(),
            Bytes::Published { slice, .. } => slice,
            #[cfg(feature = "files")]
            Bytes::File(..) => &[],
        };
        bytes.get(self.rest.clone()).unwrap_or_default()
    }

    /// Returns the part of the length of the queue that this piece is.
    fn weight(&self) -> usize {
        match self.file() {
            Some(_) => self.rest.len().min(FILE_COST),
            None => self.rest.len() + self.cost,
        }
    }

    fn is_own(&self) -> bool {
        matches!(self.bytes, Bytes::Written(_, Origin::Handler)) || self.file().is_some()
    }

    /// Returns the unsent part of a file: where it begins, and its length.
    #[cfg(feature = "files")]
    fn file(&self) -> Option<(&File, u64, usize)> {
        match &self.bytes {
            Bytes::File(file, offset) => {
                Some((file, offset + self.rest.start as u64, self.rest.len()))
            }
            _ => None,
        }
    }

    #[cfg(not(feature = "files"))]
    fn file(&self) -> Option<()> {
        None
    }
}

/// The cost of a queued packet besides its bytes. Small packets take memory and calls that their
/// bytes do not reflect; the kernel counts in the same way.
pub(in crate::hub) const PACKET_COST: usize = 512;

/// The most that a part of a file counts, of whatever length it is. It takes no memory, but the
/// handler must write no more before most of it is sent: it counts as much as a piece of a file
/// that a worker has read.
const FILE_COST: usize = 64 * 1024;

/// The most pieces that go into one vectored write.
pub(in crate::hub) const GATHERED: usize = 16;

impl WriteQueue {
    /// Returns the length of the queue: bytes, [`PACKET_COST`] for each packet, and at most
    /// [`FILE_COST`] for each part of a file.
    pub(in crate::hub) fn len(&self) -> usize {
        self.len
    }

    /// Returns the length of the part written by the connection's own handler.
    pub(in crate::hub) fn own_len(&self) -> usize {
        self.own_len
    }

    pub(in crate::hub) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends bytes, to the last piece if it has the same origin.
    pub(in crate::hub) fn push(&mut self, more: &[u8], origin: Origin) {
        let (bytes, rest) = match self.pieces.back_mut() {
            Some(Piece { bytes: Bytes::Written(bytes, of), rest, .. }) if *of == origin => {
                (bytes, rest)
            }
            _ => return self.add(Bytes::Written(more.to_vec(), origin), 0..more.len(), 0),
        };
        // Sent bytes are dropped only once they are the larger half, so that each byte is moved
        // at most once after it was appended.
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

    /// Appends bytes as a separate piece: a packet.
    pub(in crate::hub) fn push_apart(&mut self, bytes: &[u8], origin: Origin) {
        self.add(Bytes::Written(bytes.to_vec(), origin), 0..bytes.len(), PACKET_COST);
    }

    /// Appends `part` of a slice shared with other members: whole messages, unless the first of
    /// them has `begun` to be sent.
    pub(in crate::hub) fn push_published(
        &mut self,
        slice: Arc<[u8]>,
        part: Range<usize>,
        begun: bool,
    ) {
        self.add(Bytes::Published { slice, fresh: !begun }, part, 0);
    }

    /// Appends `part` of such a slice as a separate piece: one message, a packet.
    pub(in crate::hub) fn push_published_apart(&mut self, slice: Arc<[u8]>, part: Range<usize>) {
        self.add(Bytes::Published { slice, fresh: true }, part, PACKET_COST);
    }

    /// Appends a part of a file, written by the connection's own handler.
    #[cfg(feature = "files")]
    pub(in crate::hub) fn push_file(&mut self, file: Arc<File>, part: Range<u64>) {
        let len = part.end.saturating_sub(part.start) as usize;
        self.add(Bytes::File(file, part.start), 0..len, 0);
    }

    fn add(&mut self, bytes: Bytes, rest: Range<usize>, cost: usize) {
        if !rest.is_empty() {
            let piece = Piece { bytes, rest, cost };
            self.len += piece.weight();
            if piece.is_own() {
                self.own_len += piece.weight();
            }
            self.pieces.push_back(piece);
        }
    }

    /// Drops everything.
    pub(in crate::hub) fn clear(&mut self) {
        *self = WriteQueue::default();
    }

    /// Returns true if the lengths match the pieces, for the check after every turn.
    #[cfg(debug_assertions)]
    pub(in crate::hub) fn counts_right(&self) -> bool {
        let len =
            |pieces: &mut dyn Iterator<Item = &Piece>| -> usize { pieces.map(Piece::weight).sum() };
        self.len == len(&mut self.pieces.iter())
            && self.own_len == len(&mut self.pieces.iter().filter(|piece| piece.is_own()))
    }

    /// Returns the bytes to be sent next.
    pub(in crate::hub) fn first(&self) -> &[u8] {
        self.pieces.front().map_or(&[], Piece::waiting)
    }

    /// Returns the part of a file to be sent next, if it is one: where it begins, and its length.
    #[cfg(feature = "files")]
    pub(in crate::hub) fn first_file(&self) -> Option<(&File, u64, usize)> {
        self.pieces.front()?.file()
    }

    /// Returns true if a part of a file follows the first piece.
    #[cfg(feature = "files")]
    pub(in crate::hub) fn is_before_file(&self) -> bool {
        self.pieces.get(1).is_some_and(|piece| piece.file().is_some())
    }

    /// Gathers the first pieces for one vectored write, up to a file. Returns 0 if there is only
    /// one.
    pub(in crate::hub) fn gather<'a>(&'a self, slices: &mut [IoSlice<'a>; GATHERED]) -> usize {
        if self.pieces.len() < 2 {
            return 0;
        }
        let mut count = 0;
        let pieces = self.pieces.iter().take_while(|piece| piece.file().is_none());
        for (slice, piece) in slices.iter_mut().zip(pieces) {
            *slice = IoSlice::new(piece.waiting());
            count += 1;
        }
        if count < 2 { 0 } else { count }
    }

    /// Removes the first `n` bytes, which have been sent.
    pub(in crate::hub) fn consume(&mut self, mut n: usize) {
        while let Some(piece) = self.pieces.front_mut() {
            let sent = n.min(piece.rest.len());
            n -= sent;
            let before = piece.weight();
            piece.rest.start += sent;
            let is_left = !piece.rest.is_empty();
            let gone = if is_left { before - piece.weight() } else { before };
            self.len -= gone;
            if piece.is_own() {
                self.own_len -= gone;
            }
            if is_left {
                if let (Bytes::Published { fresh, .. }, 1..) = (&mut piece.bytes, sent) {
                    *fresh = false;
                }
                return;
            }
            self.pieces.pop_front();
        }
        debug_assert!(n == 0);
        // Free the memory, too: a connection without output has none.
        *self = WriteQueue::default();
    }

    /// Drops the oldest published messages that have not begun to be sent, until at most `target`
    /// bytes are left or no such message is. Returns the number of bytes dropped.
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
