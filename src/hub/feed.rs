//! What was published to one topic and has not reached everybody: one copy, however many members
//! there are. Knows authors by their ids, and neither members nor connections.

use std::ops::Range;
use std::sync::Arc;

use crate::id::Id;

/// The undelivered messages of a topic, one behind the other, and who published which.
#[derive(Default)]
pub(super) struct Feed {
    bytes: Vec<u8>,
    /// The position of the first of `bytes`, counted since the topic began.
    base: u64,
    parts: Vec<Part>,
    pass: Pass,
}

/// One message.
struct Part {
    author: Id,
    start: u64,
    end: u64,
}

/// What is being delivered while more is published behind it.
#[derive(Default)]
struct Pass {
    end: u64,
    parts: usize,
    /// Who published in it, sorted, with the index of each part: an author gets the others'.
    authors: Vec<(Id, usize)>,
    /// The bytes of the pass, for those who must wait: made when the first one has to.
    shared: Option<Arc<[u8]>>,
}

impl Feed {
    /// What it holds, in bytes: small messages weigh more than they are long.
    pub(super) fn weight(&self) -> usize {
        self.bytes.len() + self.parts.len() * size_of::<Part>()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The position behind the last message.
    pub(super) fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    pub(super) fn append(&mut self, author: Id, bytes: &[u8]) {
        let start = self.end();
        self.bytes.extend_from_slice(bytes);
        self.parts.push(Part { author, start, end: self.end() });
    }

    /// What is here now is delivered to all before anything else is.
    pub(super) fn begin_pass(&mut self) {
        self.pass.end = self.end();
        self.pass.parts = self.parts.len();
        self.pass.shared = None;
        self.pass.authors.clear();
        self.pass.authors.extend(self.parts.iter().enumerate().map(|(at, p)| (p.author, at)));
        self.pass.authors.sort_unstable();
    }

    /// Forgets what was delivered to all.
    pub(super) fn end_pass(&mut self) {
        let delivered = self.offset(self.pass.end);
        self.bytes.drain(..delivered);
        self.parts.drain(..self.pass.parts);
        self.base = self.pass.end;
        self.pass.shared = None;
        if self.bytes.is_empty() {
            self.pass.authors.clear();
            give_back(&mut self.bytes);
            give_back(&mut self.parts);
            give_back(&mut self.pass.authors);
        }
    }

    pub(super) fn pass_end(&self) -> u64 {
        self.pass.end
    }

    fn offset(&self, position: u64) -> usize {
        usize::try_from(position.saturating_sub(self.base)).unwrap_or(usize::MAX)
    }

    fn range(&self, positions: &Range<u64>) -> Range<usize> {
        self.offset(positions.start)..self.offset(positions.end)
    }

    /// Whether `id` published something in this pass.
    pub(super) fn is_author(&self, id: Id) -> bool {
        let at = self.pass.authors.partition_point(|(author, _)| *author < id);
        self.pass.authors.get(at).is_some_and(|(author, _)| *author == id)
    }

    /// What lies between two positions of the pass, for who published none of it.
    pub(super) fn share(&mut self, positions: &Range<u64>) -> Share<'_> {
        let whole = self.offset(self.pass.end);
        let part = self.range(positions);
        Share::new(&self.bytes[..whole], part, &mut self.pass.shared)
    }

    /// The same for an author, who gets the others' messages only: gathered in `scratch`.
    pub(super) fn gather(&self, id: Id, positions: &Range<u64>, scratch: &mut Vec<u8>) {
        scratch.clear();
        let at = self.pass.authors.partition_point(|(author, _)| *author < id);
        let own = self.pass.authors.iter().skip(at).take_while(|(author, _)| *author == id);
        let mut from = positions.start;
        for part in own.filter_map(|(_, at)| self.parts.get(*at)) {
            if part.start >= from {
                scratch.extend_from_slice(&self.bytes[self.range(&(from..part.start))]);
                from = part.end;
            }
        }
        scratch.extend_from_slice(&self.bytes[self.range(&(from..positions.end))]);
    }

    /// The next of others' messages between two positions, which moves the first behind it.
    pub(super) fn next_message(&mut self, id: Id, left: &mut Range<u64>) -> Option<Share<'_>> {
        let at = self.parts.partition_point(|part| part.start < left.start);
        let part = self.parts.iter().skip(at).find(|part| part.author != id)?;
        let message = part.start..part.end;
        if message.end > left.end {
            return None;
        }
        left.start = message.end;
        Some(self.share(&message))
    }

    /// Others' messages between two positions, each for itself.
    pub(super) fn messages(&self, id: Id, positions: Range<u64>) -> Vec<Box<[u8]>> {
        let first = self.parts.partition_point(|part| part.start < positions.start);
        let parts = self.parts.iter().skip(first).take_while(|p| p.end <= positions.end);
        let others = parts.filter(|part| part.author != id);
        others.map(|part| self.bytes[self.range(&(part.start..part.end))].into()).collect()
    }
}

/// Capacity that an empty feed keeps, in bytes.
const KEPT: usize = 64 * 1024;

/// A flood of messages, however short, leaves no memory behind in each topic that had one.
fn give_back<E>(empty: &mut Vec<E>) {
    if empty.capacity() * size_of::<E>() > KEPT {
        *empty = Vec::new();
    }
}

/// A part of what was published, as somebody gets it.
pub(super) struct Share<'a> {
    pub(super) bytes: &'a [u8],
    shared: &'a mut Option<Arc<[u8]>>,
    /// Where `bytes` lies in what `shared` is made of.
    whole: &'a [u8],
    at: usize,
}

impl<'a> Share<'a> {
    pub(super) fn new(
        whole: &'a [u8],
        part: Range<usize>,
        shared: &'a mut Option<Arc<[u8]>>,
    ) -> Share<'a> {
        let at = part.start;
        Share { bytes: whole.get(part).unwrap_or_default(), shared, whole, at }
    }

    /// The slice that all who have to wait for it share, and which part of it this is, but for
    /// the first `sent` bytes. Who waits for a small part has a slice of its own: it must not
    /// keep so much more than is counted for it.
    pub(super) fn keep(&mut self, sent: usize) -> (Arc<[u8]>, Range<usize>) {
        if self.bytes.len() < self.whole.len() / 2 {
            return (self.bytes.into(), sent..self.bytes.len());
        }
        let shared = self.shared.get_or_insert_with(|| self.whole.into());
        (Arc::clone(shared), self.at + sent..self.at + self.bytes.len())
    }
}
