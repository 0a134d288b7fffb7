//! The log of a topic: messages that have not reached every member, stored once for all members.
//! Knows authors by their ids; must not know members or connections.

use std::ops::Range;
use std::sync::Arc;

use crate::id::Id;

/// The undelivered messages of a topic in order, each with its author.
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
    /// The authors in it, sorted, with the index of each message: an author receives only others'.
    authors: Vec<(Id, usize)>,
    /// The bytes of the pass, shared by all members that wait: created for the first one.
    shared: Option<Arc<[u8]>>,
    /// The same for single messages, by index, for members that receive them in their handlers.
    messages: Vec<Option<Arc<[u8]>>>,
}

impl TopicLog {
    /// Returns its size in bytes, including the cost of each message.
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

    /// Starts a pass over the current contents of the log.
    pub(in crate::hub) fn begin_pass(&mut self) {
        self.pass.end = self.end();
        self.pass.parts = self.parts.len();
        self.pass.shared = None;
        self.pass.messages.clear();
        self.pass.authors.clear();
        self.pass.authors.extend(self.parts.iter().enumerate().map(|(at, p)| (p.author, at)));
        self.pass.authors.sort_unstable();
    }

    /// Removes the messages of the pass, which every member has received.
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

    /// Returns a log of the same messages, for their packed form: later ones are appended to both
    /// logs, so each message has the same place in both.
    pub(in crate::hub) fn fork(&self) -> TopicLog {
        let parts = self.parts.iter().map(|part| Part { ..*part }).collect();
        let Pass { end, parts: count, ref authors, .. } = self.pass;
        let pass = Pass { end, parts: count, authors: authors.clone(), ..Pass::default() };
        TopicLog { bytes: self.bytes.clone(), base: self.base, parts, pass }
    }

    /// Returns the offset of a cursor of this log in its [fork](TopicLog::fork), or the reverse.
    pub(in crate::hub) fn offset_in(&self, other: &TopicLog, cursor: u64) -> u64 {
        let at = self.parts.partition_point(|part| part.start < cursor);
        other.parts.get(at).map_or(other.end(), |part| part.start)
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

    /// Returns the bytes between two offsets of the pass, for a member that is not among its
    /// authors.
    pub(in crate::hub) fn slice(&mut self, offsets: &Range<u64>) -> Slice<'_> {
        let whole = self.offset(self.pass.end);
        let part = self.range(offsets);
        Slice::new(&self.bytes[..whole], part, &mut self.pass.shared)
    }

    /// Returns the same for an author: only messages of others, gathered in `scratch`.
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

    /// Returns the next message of others between two offsets, and advances the first offset past
    /// it.
    pub(in crate::hub) fn next_message(
        &mut self,
        id: Id,
        left: &mut Range<u64>,
    ) -> Option<Slice<'_>> {
        let (_, message) = self.advance(id, left)?;
        Some(self.slice(&message))
    }

    /// Returns the same as an allocation shared by all members.
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

    /// Returns the messages of others between two offsets, one by one.
    pub(in crate::hub) fn messages(&self, id: Id, offsets: Range<u64>) -> Vec<Box<[u8]>> {
        let first = self.parts.partition_point(|part| part.start < offsets.start);
        let parts = self.parts.iter().skip(first).take_while(|p| p.end <= offsets.end);
        let others = parts.filter(|part| part.author != id);
        others.map(|part| self.bytes[self.range(&(part.start..part.end))].into()).collect()
    }
}

/// The capacity that an empty log keeps, in bytes.
const KEPT: usize = 64 * 1024;

/// Frees the memory of many or large messages.
fn give_back<E>(empty: &mut Vec<E>) {
    if empty.capacity() * size_of::<E>() > KEPT {
        *empty = Vec::new();
    }
}

/// A part of the log, as received by one member.
pub(in crate::hub) struct Slice<'a> {
    bytes: &'a [u8],
    shared: &'a mut Option<Arc<[u8]>>,
    /// The bytes that `shared` is made of.
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

    /// Returns the allocation shared by all waiting members, and the range of this part in it
    /// without its first `sent` bytes. For a small part it is a separate allocation: a member must
    /// not hold much more memory than is counted for it.
    pub(in crate::hub) fn share(&mut self, sent: usize) -> (Arc<[u8]>, Range<usize>) {
        if self.bytes.len() < self.whole.len() / 2 {
            return (self.bytes.into(), sent..self.bytes.len());
        }
        let shared = self.shared.get_or_insert_with(|| self.whole.into());
        (Arc::clone(shared), self.at + sent..self.at + self.bytes.len())
    }
}
