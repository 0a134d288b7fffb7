//! The messages of a topic that several nodes share, with the positions of its engine. Knows no
//! engine, and not its readers.

use std::collections::VecDeque;
use std::sync::Arc;

use super::later::{Bounds, Gap, Later, MESSAGE};
use super::position::Position;

/// A part of the log of an engine, as this node has read it: messages, and marks where some may be
/// missing.
///
/// ```text
///   floor   12   13   mark   20   21 ..... end
/// ```
///
/// Everything between `floor` and `end` is here, except at marks.
///
/// The positions of an engine need not be contiguous, and there is one order for all of them: by
/// epoch, then by offset. Marks, and messages of this node alone, lie between two of the engine.
/// They have the position before them, and a number of their own in its upper bits: so a reader
/// may go on at another node from there.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    items: VecDeque<Item>,
    bytes: usize,
    floor: Place,
    end: Place,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The engine has not told where its log ends.
    #[default]
    Pending,
    Ready,
    /// Earlier messages arrive again, and are not known to follow the items.
    Refilled(Link),
}

/// The relation of the earlier messages to the items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Unknown,
    Follows,
    /// The log has other content.
    Broken,
}

#[derive(Debug)]
struct Item {
    place: Place,
    /// Nothing is missing from here to the place.
    after: Place,
    /// `None` for a mark.
    message: Option<Arc<[u8]>>,
}

/// A position in the order of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    epoch: u64,
    /// The offset of the engine.
    offset: u64,
    /// The number between this message of the engine and the next one.
    between: u64,
}

/// Offsets of an engine have fewer bits. After 16 million messages of this node alone between two
/// of the engine, readers get no further ones.
const OFFSET_BITS: u32 = 40;
const OFFSET_MAX: u64 = (1 << OFFSET_BITS) - 1;
const BETWEEN_MAX: u64 = u64::MAX >> OFFSET_BITS;

impl Mirror {
    pub(super) fn is_pending(&self) -> bool {
        self.state == State::Pending
    }

    pub(super) fn start(&self) -> Position {
        self.floor.into()
    }

    pub(super) fn end(&self) -> Position {
        self.end.into()
    }

    /// Returns the position of the next message of this node alone.
    pub(super) fn next_between(&self) -> Position {
        self.end.next_between().into()
    }

    /// Adds a message.
    pub(super) fn append(&mut self, at: Position, message: Arc<[u8]>, bounds: Bounds) {
        let place = Place::from(at);
        if self.is_pending() {
            (self.floor, self.end) = (place.before(), place.before());
        }
        self.state = State::Ready;
        if place > self.end {
            self.push(place, Some(message), bounds);
        }
    }

    /// Some messages may be missing after the last one.
    pub(super) fn mark(&mut self, bounds: Bounds) {
        if self.is_pending() {
            self.state = State::Ready;
        }
        if !self.ends_with_mark() {
            self.push(self.end.next_between(), None, bounds);
        }
    }

    /// A message from before the members of this node joined.
    pub(super) fn earlier(&mut self, at: Position, message: Arc<[u8]>, bounds: Bounds) {
        let place = Place::from(at);
        let link = match self.state {
            State::Refilled(link) => link,
            State::Pending | State::Ready => Link::Unknown,
        };
        let known = self.items.binary_search_by_key(&place, |item| item.place);
        let known = known.ok().and_then(|at| self.items.get(at)?.message.as_ref());
        let link = match known {
            Some(known) if *known == message => Link::Follows,
            Some(_) => {
                self.items.clear();
                self.bytes = 0;
                Link::Broken
            }
            None if place <= self.end && !self.items.is_empty() => link,
            None if self.end.is_followed_by(place) => Link::Follows,
            None => link,
        };
        if self.items.is_empty() {
            (self.floor, self.end) = (place.before(), place.before());
        }
        self.state = State::Refilled(link);
        if place <= self.end {
            return;
        }
        if link == Link::Unknown && !self.items.is_empty() {
            self.mark(bounds);
        }
        self.push(place, Some(message), bounds);
        if link == Link::Unknown {
            self.state = State::Refilled(Link::Follows);
        }
    }

    /// All messages up to this position were told as earlier ones, as far as they were wanted.
    pub(super) fn joined(&mut self, at: Position, bounds: Bounds) {
        let place = Place::from(at);
        let state = std::mem::replace(&mut self.state, State::Ready);
        if self.items.is_empty() {
            self.floor = self.floor.max(place);
        }
        match state {
            State::Refilled(Link::Broken) => self.mark(bounds),
            State::Pending | State::Refilled(_) => {}
            State::Ready if self.items.is_empty() || place <= self.end => {}
            State::Ready => self.mark(bounds),
        }
        self.reach(place, bounds);
    }

    /// Nothing is missing up to this position, but at marks.
    pub(super) fn recovered(&mut self, at: Position, bounds: Bounds) {
        if !self.is_pending() {
            self.reach(at.into(), bounds);
        }
    }

    fn reach(&mut self, place: Place, bounds: Bounds) {
        if place.epoch != self.end.epoch && !self.items.is_empty() {
            self.mark(bounds);
        }
        self.end = self.end.max(place);
    }

    fn ends_with_mark(&self) -> bool {
        self.items.back().is_some_and(|item| item.message.is_none() && item.place == self.end)
    }

    fn push(&mut self, place: Place, message: Option<Arc<[u8]>>, bounds: Bounds) {
        let is_other_epoch = place.epoch != self.end.epoch && !self.items.is_empty();
        if is_other_epoch && !self.ends_with_mark() {
            self.push(self.end.next_between(), None, bounds);
        }
        let after = match self.ends_with_mark() {
            true => place.before(),
            false => self.end,
        };
        self.bytes += message.as_ref().map_or(0, |message| message.len());
        self.items.push_back(Item { place, after, message });
        self.end = place;
        while self.items.len() > bounds.messages || self.bytes > bounds.bytes {
            let Some(oldest) = self.items.pop_front() else { break };
            self.bytes -= oldest.message.as_ref().map_or(0, |message| message.len());
            self.floor = match (&oldest.message, self.items.front()) {
                (None, Some(next)) => next.after,
                _ => oldest.place,
            };
        }
    }

    pub(super) fn since(&self, position: Position, bytes: usize) -> Later {
        let from = Place::from(position);
        let nothing = |gap, start| Later { gap, start, messages: Vec::new() };
        if self.is_pending() {
            return nothing(None, position);
        }
        if !position.is_random() && from.epoch > self.end.epoch {
            // The engine has begun anew, and this node does not know so far.
            return nothing(Some(Gap::Epoch), self.end.into());
        }
        let (first, mut gap) = match position.is_random() {
            true => (0, Some(Gap::Epoch)),
            false => {
                let first = self.items.partition_point(|item| item.place <= from);
                (first, self.gap(from, first))
            }
        };
        let marks = self.items.iter().skip(first).take_while(|item| item.message.is_none()).count();
        if marks > 0 {
            gap = Some(gap.unwrap_or(Gap::Unknown));
        }
        let mut room = bytes;
        let mut messages = Vec::new();
        for item in self.items.iter().skip(first + marks) {
            let Some(message) = &item.message else { break };
            let size = message.len().saturating_add(MESSAGE);
            if size > room && !messages.is_empty() {
                break;
            }
            room = room.saturating_sub(size);
            messages.push((item.place.into(), Arc::clone(message)));
        }
        let start = match (gap, self.items.get(first + marks)) {
            (None, _) => position,
            (Some(_), Some(next)) => next.place.before().into(),
            (Some(_), None) => self.end.into(),
        };
        Later { gap, start, messages }
    }

    /// Returns the gap between a reader and the item that it gets first.
    fn gap(&self, from: Place, first: usize) -> Option<Gap> {
        let Some(next) = self.items.get(first) else {
            let is_at_last = self.items.back().is_some_and(|item| item.place == from);
            let is_known = from >= self.floor && from.epoch == self.end.epoch;
            return (!is_known && !is_at_last).then_some(Gap::Unknown);
        };
        let is_at_last = first.checked_sub(1).and_then(|at| self.items.get(at));
        let is_at_last = is_at_last.is_some_and(|item| item.place == from);
        let follows = is_at_last || from >= next.after || from.is_followed_by(next.place);
        (!follows).then_some(Gap::Unknown)
    }
}

impl Place {
    /// Returns true if nothing can be between the two.
    fn is_followed_by(self, next: Place) -> bool {
        next.epoch == self.epoch && next.between == 0 && next.offset == self.offset + 1
    }

    /// Returns the last place before this one.
    fn before(self) -> Place {
        if let Some(between) = self.between.checked_sub(1) {
            return Place { between, ..self };
        }
        match self.offset.checked_sub(1) {
            Some(offset) => Place { offset, between: BETWEEN_MAX, ..self },
            None => Place {
                epoch: self.epoch.saturating_sub(1),
                offset: OFFSET_MAX,
                between: BETWEEN_MAX,
            },
        }
    }

    fn next_between(self) -> Place {
        Place { between: (self.between + 1).min(BETWEEN_MAX), ..self }
    }
}

impl From<Position> for Place {
    fn from(position: Position) -> Place {
        let (epoch, offset) = (position.epoch(), position.offset());
        Place { epoch, offset: offset & OFFSET_MAX, between: offset >> OFFSET_BITS }
    }
}

impl From<Place> for Position {
    fn from(place: Place) -> Position {
        Position::new(place.epoch, place.offset | place.between << OFFSET_BITS)
    }
}

#[cfg(test)]
mod tests;
