//! One read of the log of a topic, message by message. Knows no bytes.
//!
//! A read asks for the next message of the subject again and again. The answer does not tell if a
//! message between the two was removed. So the read asks for its first message again at the end: if
//! it is still there, those after it are, too, because messages are removed from the front.

use std::collections::VecDeque;

use crate::backplane::engine::Rest;

/// The most messages of a read, and of their bytes.
const PAGE: usize = 256;
const PAGE_BYTES: usize = 256 * 1024;
/// The most requests of a topic at a time.
const WIDTH: u64 = 16;
/// After this number of reads of a log whose front was removed meanwhile, only its newest message
/// is taken.
const TRIES: u8 = 3;
/// Earlier messages are looked for among at most this number of messages of the stream, of all
/// topics.
const SPAN_MAX: u64 = 16_384;

/// A message of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) seq: u64,
    pub(super) record: Box<[u8]>,
}

/// The purpose of a read.
#[derive(Debug)]
pub(super) enum Purpose {
    /// All from this number on. `None` if the stream is another one.
    Since(Option<u64>),
    /// The newest, and `backlog` messages before it. A log without messages gets the mark.
    Newest { backlog: usize, mark: Box<[u8]> },
    /// The mark, which is appended.
    Mark(Box<[u8]>),
}

/// A question to the stream. Each has a number, which begins at 0 for each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question<'a> {
    Get(u64),
    Newest,
    /// The first of the topic with at least this number.
    Following(u64),
    /// Append a mark.
    Append(&'a [u8]),
    /// Append a mark if the topic has no messages.
    AppendFirst(&'a [u8]),
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Entry(Entry),
    /// There is none, or it is of another topic.
    Nothing,
    /// The mark was appended with this number.
    Appended(u64),
    /// The topic had messages, so the mark was not appended.
    NotFirst,
}

/// The step of a read. Each waits for all of its answers.
#[derive(Debug)]
enum Step {
    /// The first and the newest message. The first is known not to be there, if it was not asked
    /// for.
    Ends {
        first: Option<Entry>,
        newest: Option<Entry>,
    },
    Scan,
    /// The first message, once more.
    Check {
        is_there: bool,
    },
    Append {
        seq: Option<u64>,
    },
}

/// An answer of the stream: the first message with at least the number `from`.
#[derive(Debug)]
struct Sight {
    from: u64,
    entry: Option<Entry>,
}

#[derive(Debug)]
pub(super) struct Read {
    purpose: Purpose,
    step: Step,
    /// The answers that have not come.
    left: usize,
    sights: Vec<Sight>,
    found: VecDeque<Entry>,
    bytes: usize,
    /// The number of messages of the scan so far.
    seen: u64,
    /// All messages up to this number were found.
    cursor: u64,
    /// The number of the newest message.
    end: u64,
    /// Where the scan began.
    start: u64,
    /// The requests of the next round.
    width: u64,
    span: u64,
    tries: u8,
}

/// The end of a read: its messages, each following the one before.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) entries: VecDeque<Entry>,
    pub(super) rest: Rest,
}

/// Takes the questions of a read, with their numbers.
pub(super) type Ask<'a> = &'a mut dyn FnMut(usize, Question<'_>);

impl Read {
    pub(super) fn new(purpose: Purpose) -> Read {
        let span = match purpose {
            Purpose::Newest { backlog, .. } => 4 * (backlog as u64 + 1),
            _ => 0,
        };
        Read {
            purpose,
            step: Step::Scan,
            left: 0,
            sights: Vec::new(),
            found: VecDeque::new(),
            bytes: 0,
            seen: 0,
            cursor: 0,
            end: 0,
            start: 0,
            width: 1,
            span: span.min(SPAN_MAX),
            tries: 0,
        }
    }

    /// Asks the first questions.
    pub(super) fn begin(&mut self, ask: Ask<'_>) {
        (self.bytes, self.width, self.left) = (0, 1, 1);
        (self.seen, self.cursor, self.end) = (0, 0, 0);
        self.found.clear();
        match &self.purpose {
            Purpose::Mark(mark) => {
                self.step = Step::Append { seq: None };
                ask(0, Question::Append(mark));
            }
            purpose => {
                self.step = Step::Ends { first: None, newest: None };
                ask(0, Question::Newest);
                if let Purpose::Since(Some(from)) = purpose {
                    self.left = 2;
                    ask(1, Question::Get(*from));
                }
            }
        }
    }

    /// Takes an answer. Returns the messages if the read has ended.
    pub(super) fn on(&mut self, number: usize, answer: Answer, ask: Ask<'_>) -> Option<Found> {
        match (&mut self.step, answer) {
            (Step::Ends { newest, .. }, Answer::Entry(entry)) if number == 0 => {
                *newest = Some(entry);
            }
            (Step::Ends { first, .. }, Answer::Entry(entry)) => *first = Some(entry),
            (Step::Scan, Answer::Entry(entry)) => {
                if let Some(sight) = self.sights.get_mut(number) {
                    sight.entry = Some(entry);
                }
            }
            (Step::Check { is_there }, Answer::Entry(_)) => *is_there = true,
            (Step::Append { seq }, Answer::Appended(at)) => *seq = Some(at),
            _ => {}
        }
        self.left = self.left.saturating_sub(1);
        if self.left > 0 {
            return None;
        }
        match std::mem::replace(&mut self.step, Step::Scan) {
            Step::Ends { first, newest } => self.on_ends(first, newest, ask),
            Step::Scan => self.on_scan(ask),
            Step::Check { is_there: true } => self.on_checked(ask),
            Step::Check { is_there: false } => self.again(ask),
            Step::Append { seq } => self.on_appended(seq, ask),
        }
    }

    fn on_ends(
        &mut self,
        first: Option<Entry>,
        newest: Option<Entry>,
        ask: Ask<'_>,
    ) -> Option<Found> {
        let (newest, from) = match (newest, &self.purpose) {
            (None, Purpose::Newest { mark, .. }) => {
                (self.step, self.left) = (Step::Append { seq: None }, 1);
                ask(0, Question::AppendFirst(mark));
                return None;
            }
            (None, _) => return Some(self.finish()),
            (Some(newest), Purpose::Since(from)) => (newest, *from),
            (Some(newest), Purpose::Newest { backlog: 0, .. } | Purpose::Mark(_)) => {
                self.find(newest);
                return Some(self.finish());
            }
            (Some(newest), Purpose::Newest { .. }) => {
                let start = newest.seq.saturating_sub(self.span);
                (newest, Some(start).filter(|start| *start > 0))
            }
        };
        self.start = from.unwrap_or(0);
        (self.cursor, self.end) = (self.start, newest.seq);
        match (first, from) {
            // The log ends before the message that was seen: it has none of those after it.
            (_, Some(from)) if newest.seq < from => return Some(self.finish()),
            (_, Some(from)) if newest.seq == from => {
                self.find(newest);
                return Some(self.finish());
            }
            (Some(first), _) => self.find(first),
            (None, _) => {}
        }
        self.scan(ask);
        None
    }

    /// Asks for the messages behind the cursor: for one at first, then for several at a time, in
    /// distances below those of the messages so far.
    fn scan(&mut self, ask: Ask<'_>) {
        let distance = (self.cursor - self.start).checked_div(self.seen).unwrap_or(1);
        let stride = (distance / 4).max(1);
        let places = (0..self.width).map(|place| self.cursor + 1 + place * stride);
        let places = places.take_while(|place| *place <= self.end.max(self.cursor + 1));
        self.sights = places.map(|from| Sight { from, entry: None }).collect();
        self.width = (self.width * 4).min(WIDTH);
        (self.step, self.left) = (Step::Scan, self.sights.len());
        for (number, sight) in self.sights.iter().enumerate() {
            ask(number, Question::Following(sight.from));
        }
    }

    fn on_scan(&mut self, ask: Ask<'_>) -> Option<Found> {
        for sight in std::mem::take(&mut self.sights) {
            // There may be messages between this and the last one.
            if sight.from > self.cursor + 1 {
                break;
            }
            match sight.entry {
                Some(entry) if entry.seq > self.cursor => {
                    self.cursor = entry.seq;
                    self.seen += 1;
                    self.find(entry);
                }
                Some(_) => {}
                None => {
                    self.cursor = self.cursor.max(self.end);
                    break;
                }
            }
        }
        let is_full = self.found.len() >= PAGE || self.bytes >= PAGE_BYTES;
        let is_page = matches!(self.purpose, Purpose::Since(_)) && is_full;
        match self.found.front() {
            _ if self.cursor < self.end && !is_page => self.scan(ask),
            None => return Some(self.finish()),
            Some(first) => {
                (self.step, self.left) = (Step::Check { is_there: false }, 1);
                ask(0, Question::Get(first.seq));
            }
        }
        None
    }

    fn on_checked(&mut self, ask: Ask<'_>) -> Option<Found> {
        if let Purpose::Newest { backlog, .. } = self.purpose
            && self.found.len() <= backlog
            && self.start > 0
            && self.span < SPAN_MAX
        {
            self.span = (self.span * 4).min(SPAN_MAX);
            self.begin(ask);
            return None;
        }
        Some(self.finish())
    }

    /// The front of the log was removed during the read.
    fn again(&mut self, ask: Ask<'_>) -> Option<Found> {
        self.tries += 1;
        if self.tries < TRIES {
            self.begin(ask);
            return None;
        }
        let newest = self.found.pop_back();
        self.found.clear();
        self.found.extend(newest);
        Some(self.finish())
    }

    fn on_appended(&mut self, seq: Option<u64>, ask: Ask<'_>) -> Option<Found> {
        match (seq, &self.purpose) {
            (Some(seq), Purpose::Mark(mark) | Purpose::Newest { mark, .. }) => {
                let entry = Entry { seq, record: mark.clone() };
                self.find(entry);
                Some(self.finish())
            }
            // Another node was faster.
            _ => {
                self.begin(ask);
                None
            }
        }
    }

    fn find(&mut self, entry: Entry) {
        self.bytes += entry.record.len();
        self.found.push_back(entry);
        if let Purpose::Newest { backlog, .. } = self.purpose {
            while self.found.len() > 1 + backlog || self.found.len() > 1 && self.bytes > PAGE_BYTES
            {
                let oldest = self.found.pop_front();
                self.bytes -= oldest.map_or(0, |entry| entry.record.len());
            }
        }
    }

    fn finish(&mut self) -> Found {
        let rest = if self.cursor < self.end { Rest::More } else { Rest::Nothing };
        Found { entries: std::mem::take(&mut self.found), rest }
    }
}

#[cfg(test)]
mod tests;
