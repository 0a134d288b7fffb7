//! The log of a topic: what was published to it and has not reached every member, once, however
//! many members there are. Knows authors by their ids; neither members nor connections.

use std::ops::Range;
use std::sync::Arc;

use crate::id::Id;

/// The undelivered messages of a topic, one after the other, each with its author.
#[derive(Default)]
pub(in crate::hub) struct TopicLog {
    bytes: Vec<u8>,
    /// The offset of the first of `bytes`, counted since the topic began.
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

/// The part of the log that is being delivered, while more is appended after it.
#[derive(Default)]
struct Pass {
    end: u64,
    parts: usize,
    /// The authors in it, sorted, each with the index of its message: an author gets the others'.
    authors: Vec<(Id, usize)>,
    /// The bytes of the pass, shared by all members that must wait: made for the first one.
    shared: Option<Arc<[u8]>>,
    /// The same for single messages, by their index: for members whose handlers get them.
    messages: Vec<Option<Arc<[u8]>>>,
}

impl TopicLog {
    /// Returns what it holds, in bytes: small messages weigh more than they are long.
    pub(in crate::hub) fn weight(&self) -> usize {
        self.bytes.len() + self.parts.len() * size_of::<Part>()
    }

    pub(in crate::hub) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns the offset after the last message.
    pub(in crate::hub) fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    pub(in crate::hub) fn append(&mut self, author: Id, bytes: &[u8]) {
        let start = self.end();
        self.bytes.extend_from_slice(bytes);
        self.parts.push(Part { author, start, end: self.end() });
    }

    /// Begins to deliver what is in the log now, before anything that comes later.
    pub(in crate::hub) fn begin_pass(&mut self) {
        self.pass.end = self.end();
        self.pass.parts = self.parts.len();
        self.pass.shared = None;
        self.pass.messages.clear();
        self.pass.authors.clear();
        self.pass.authors.extend(self.parts.iter().enumerate().map(|(at, p)| (p.author, at)));
        self.pass.authors.sort_unstable();
    }

    /// Forgets what was delivered to every member.
    pub(in crate::hub) fn end_pass(&mut self) {
        let delivered = self.offset(self.pass.end);
        self.bytes.drain(..delivered);
        self.parts.drain(..self.pass.parts);
        self.base = self.pass.end;
        self.pass.shared = None;
        self.pass.messages = Vec::new();
        if self.bytes.is_empty() {
            self.pass.authors.clear();
            give_back(&mut self.bytes);
            give_back(&mut self.parts);
            give_back(&mut self.pass.authors);
        }
    }

    pub(in crate::hub) fn pass_end(&self) -> u64 {
        self.pass.end
    }

    fn offset(&self, offset: u64) -> usize {
        usize::try_from(offset.saturating_sub(self.base)).unwrap_or(usize::MAX)
    }

    fn range(&self, offsets: &Range<u64>) -> Range<usize> {
        self.offset(offsets.start)..self.offset(offsets.end)
    }

    /// Returns true if `id` published something in this pass.
    pub(in crate::hub) fn is_author(&self, id: Id) -> bool {
        let at = self.pass.authors.partition_point(|(author, _)| *author < id);
        self.pass.authors.get(at).is_some_and(|(author, _)| *author == id)
    }

    /// Returns what lies between two offsets of the pass, for a member that published none of it.
    pub(in crate::hub) fn slice(&mut self, offsets: &Range<u64>) -> Slice<'_> {
        let whole = self.offset(self.pass.end);
        let part = self.range(offsets);
        Slice::new(&self.bytes[..whole], part, &mut self.pass.shared)
    }

    /// The same for an author, which gets the others' messages only: gathered in `scratch`.
    pub(in crate::hub) fn gather(&self, id: Id, offsets: &Range<u64>, scratch: &mut Vec<u8>) {
        scratch.clear();
        let at = self.pass.authors.partition_point(|(author, _)| *author < id);
        let own = self.pass.authors.iter().skip(at).take_while(|(author, _)| *author == id);
        let mut from = offsets.start;
        for part in own.filter_map(|(_, at)| self.parts.get(*at)) {
            if part.start >= from {
                scratch.extend_from_slice(&self.bytes[self.range(&(from..part.start))]);
                from = part.end;
            }
        }
        scratch.extend_from_slice(&self.bytes[self.range(&(from..offsets.end))]);
    }

    /// Returns the next of the others' messages between two offsets, and moves the first one past
    /// it.
    pub(in crate::hub) fn next_message(
        &mut self,
        id: Id,
        left: &mut Range<u64>,
    ) -> Option<Slice<'_>> {
        let (_, message) = self.advance(id, left)?;
        Some(self.slice(&message))
    }

    /// The same, as an allocation that all members share.
    pub(in crate::hub) fn next_shared(
        &mut self,
        id: Id,
        left: &mut Range<u64>,
    ) -> Option<Arc<[u8]>> {
        let (at, message) = self.advance(id, left)?;
        if self.pass.messages.len() <= at {
            self.pass.messages.resize(at + 1, None);
        }
        let range = self.range(&message);
        let shared = self.pass.messages.get_mut(at)?;
        Some(Arc::clone(shared.get_or_insert_with(|| self.bytes[range].into())))
    }

    fn advance(&self, id: Id, left: &mut Range<u64>) -> Option<(usize, Range<u64>)> {
        let first = self.parts.partition_point(|part| part.start < left.start);
        let mut rest = self.parts.iter().enumerate().skip(first);
        let (at, part) = rest.find(|(_, part)| part.author != id)?;
        if part.end > left.end {
            return None;
        }
        left.start = part.end;
        Some((at, part.start..part.end))
    }

    /// Returns the others' messages between two offsets, one by one.
    pub(in crate::hub) fn messages(&self, id: Id, offsets: Range<u64>) -> Vec<Box<[u8]>> {
        let first = self.parts.partition_point(|part| part.start < offsets.start);
        let parts = self.parts.iter().skip(first).take_while(|p| p.end <= offsets.end);
        let others = parts.filter(|part| part.author != id);
        others.map(|part| self.bytes[self.range(&(part.start..part.end))].into()).collect()
    }
}

/// Capacity that an empty log keeps, in bytes.
const KEPT: usize = 64 * 1024;

/// A flood of messages, however short, leaves no memory behind in each topic that had one.
fn give_back<E>(empty: &mut Vec<E>) {
    if empty.capacity() * size_of::<E>() > KEPT {
        *empty = Vec::new();
    }
}

/// A part of the log, as one member gets it.
pub(in crate::hub) struct Slice<'a> {
    bytes: &'a [u8],
    shared: &'a mut Option<Arc<[u8]>>,
    /// Where `bytes` lies in what `shared` is made of.
    whole: &'a [u8],
    at: usize,
}

impl<'a> Slice<'a> {
    pub(in crate::hub) fn new(
        whole: &'a [u8],
        part: Range<usize>,
        shared: &'a mut Option<Arc<[u8]>>,
    ) -> Slice<'a> {
        let at = part.start;
        Slice { bytes: whole.get(part).unwrap_or_default(), shared, whole, at }
    }

    pub(in crate::hub) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns the allocation that all members share that have to wait for it, and which part of it
    /// this is, without the first `sent` bytes. A member that waits for a small part has an
    /// allocation of its own: it must not keep so much more than is counted for it.
    pub(in crate::hub) fn share(&mut self, sent: usize) -> (Arc<[u8]>, Range<usize>) {
        if self.bytes.len() < self.whole.len() / 2 {
            return (self.bytes.into(), sent..self.bytes.len());
        }
        let shared = self.shared.get_or_insert_with(|| self.whole.into());
        (Arc::clone(shared), self.at + sent..self.at + self.bytes.len())
    }
}
