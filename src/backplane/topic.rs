//! One topic at one node: its last seen entry, and its next read. Knows no engine.

mod events;

pub(crate) use self::events::{Event, Request};
use super::chains::{Chains, Link, each_once};
use super::engine::Rest;
use super::feed::{Mark, Recovery};
use super::members::Members;
use super::record::{Record, Tag};
use crate::history::Position;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is no connection.
    Away,
    /// There is one, and other topics ask first.
    Queued,
    /// The newest entry was asked for, and this number before it for members; `None` without.
    Opening(Option<u32>),
    Live,
    /// The log was asked for, from the last seen entry on.
    Behind(Next),
    /// The log went back: a mark was asked for, so that all nodes learn of it. Some may find their
    /// last entry still there.
    Marking,
    /// Another program spoilt the log.
    Unusable,
}

/// The result of the last read, which a cut does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Log {
    Usable,
    Unusable,
}

/// The entry that must come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The anchor: the last seen one, with the same content.
    Anchor,
    /// The one after the last.
    Following,
    /// None: the anchor has other content, so the rest is of no use.
    Useless,
}

/// An entry that a read must meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Missed {
    at: Position,
    tag: Tag,
    since: Since,
}

/// When an entry was missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    /// During the current read, which may have come too early for it.
    ThisRead,
    Earlier,
}

/// The members of a topic, which hear of nothing before they have joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Audience {
    /// There is none: this node publishes only, or had members a short time ago.
    None,
    /// They wait for this number of earlier messages.
    Waits(u32),
    /// The same, and they get messages of this node behind a mark.
    Apart(u32),
    Joined,
}

/// One topic that has members, or had some a short time ago, or to which this node publishes.
#[derive(Debug)]
pub(crate) struct Topic {
    state: State,
    log: Log,
    audience: Audience,
    /// The entries of a read for members, until it ends: one that is cut begins anew.
    found: Vec<(Position, Box<[u8]>)>,
    /// The last seen entry.
    last: Option<(Position, Tag)>,
    /// The greatest epoch seen.
    epoch: u64,
    /// The last entry that arrived during a read, and was not handed on: the log must have it.
    missed: Option<Missed>,
    /// `None` without a break.
    recovery: Option<Recovery>,
    chains: Chains,
}

impl Topic {
    pub(crate) fn new() -> Topic {
        Topic {
            state: State::Away,
            log: Log::Usable,
            audience: Audience::None,
            found: Vec::new(),
            last: None,
            epoch: 0,
            missed: None,
            recovery: None,
            chains: Chains::default(),
        }
    }

    /// Returns the position, if messages arrive as they are published.
    #[cfg(any(test, feature = "testkit"))]
    pub(crate) fn in_step(&self) -> Option<Position> {
        self.last.filter(|_| self.state == State::Live).map(|(at, _)| at)
    }

    /// Returns the position up to which the members have everything, if they are in step.
    #[cfg(any(test, feature = "testkit"))]
    pub(crate) fn joined(&self) -> Option<Position> {
        self.in_step().filter(|_| self.audience == Audience::Joined)
    }

    /// Returns true if a message may be published: a node that finds the log rolled back must write
    /// its mark first.
    pub(crate) fn takes_messages(&self) -> bool {
        matches!(self.state, State::Live | State::Unusable)
    }

    /// Returns true if its log was read, and is not a key of another program.
    pub(crate) fn has_log(&self) -> bool {
        self.state == State::Live
    }

    /// The last member has left.
    pub(crate) fn leave(&mut self) {
        self.audience = Audience::None;
    }

    /// Returns true if the topic may be forgotten: nothing is due, and nothing is known that must
    /// be compared with the log.
    pub(crate) fn can_end(&self) -> bool {
        match self.state {
            State::Live | State::Unusable => true,
            State::Away | State::Queued => self.last.is_none(),
            State::Opening(_) | State::Behind(_) | State::Marking => false,
        }
    }

    /// The topic has its first member, and this number of earlier messages is wanted for it.
    pub(crate) fn join(&mut self, backlog: u32) -> Option<Request> {
        if self.audience != Audience::None {
            return None;
        }
        self.audience = Audience::Waits(backlog);
        // Else the members join with the next read.
        matches!(self.state, State::Live | State::Unusable).then(|| self.open_for(backlog))
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The members get messages of `node` from here on, without the engine; those up to `seq` were
    /// given up, and must not arrive later. Returns true if this is new to them.
    pub(crate) fn part(&mut self, node: u64, seq: u64) -> bool {
        let has_lost = self.chains.raise(node, seq);
        match self.audience {
            Audience::Waits(backlog) => {
                self.audience = Audience::Apart(backlog);
                true
            }
            Audience::None | Audience::Apart(_) | Audience::Joined => has_lost,
        }
    }

    /// The connection to the engine has ended.
    pub(crate) fn cut(&mut self) {
        self.enter(State::Away);
    }

    /// It works again. Returns true: the topic must be queued.
    pub(crate) fn ready(&mut self) -> bool {
        self.enter(State::Queued);
        true
    }

    /// The log may be whole again. Returns true if the topic must be queued for that.
    pub(crate) fn retry(&mut self) -> bool {
        self.state == State::Unusable && self.ready()
    }

    /// All transitions while there is a connection.
    pub(crate) fn on(
        &mut self,
        event: Event<'_>,
        name: &str,
        members: &mut dyn Members,
    ) -> Option<Request> {
        match (self.state, event) {
            (State::Queued, Event::Turn) => return Some(self.begin()),
            (State::Opening(_) | State::Marking, Event::Past { at, record, .. }) => {
                self.found.push((at, record.into()));
            }
            (State::Opening(_) | State::Marking, Event::PastEnd(_)) => {
                return self.opened(name, members);
            }
            (State::Behind(next), Event::Past { at, after, record }) => {
                self.past(next, (at, after), record, name, members);
            }
            (State::Behind(Next::Following), Event::PastEnd(rest)) => {
                return self.caught_up(rest, name, members);
            }
            (State::Behind(next), Event::PastEnd(_)) => {
                // An empty answer: the log ends before the anchor.
                if next == Next::Anchor {
                    self.mark(name, members);
                }
                return Some(self.went_back());
            }
            (State::Live, Event::Live { at, after, record }) => {
                return self.live(at, after, record, name, members);
            }
            (
                State::Opening(_) | State::Behind(_) | State::Marking,
                Event::Live { at, record, .. },
            ) => {
                self.miss(at, record);
            }
            (State::Opening(_) | State::Behind(_) | State::Marking, Event::Unusable) => {
                self.unusable(name, members);
            }
            _ => {}
        }
        None
    }

    /// Members and logs hear of it once, not with each attempt.
    fn unusable(&mut self, name: &str, members: &mut dyn Members) {
        if self.log == Log::Usable {
            self.log = Log::Unusable;
            self.mark(name, members);
            log::warn!(
                "backplane: the topic {name:?} cannot be used: another program spoilt its log: \
                 remove it (in Redis the key bp:{{{}}})",
                name.escape_debug()
            );
        }
        self.enter(State::Unusable);
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.found = Vec::new();
        if let Some(missed) = &mut self.missed {
            missed.since = Since::Earlier;
        }
    }

    fn begin(&mut self) -> Request {
        match self.last {
            None => {
                let wanted = self.wanted();
                self.enter(State::Opening(wanted));
                Request::Open(wanted.unwrap_or(0))
            }
            Some((at, _)) => {
                self.recovery = Some(Recovery::All);
                self.enter(State::Behind(Next::Anchor));
                Request::Resume(at)
            }
        }
    }

    fn read_again(&mut self, at: Position) -> Request {
        self.recovery.get_or_insert(Recovery::All);
        self.enter(State::Behind(Next::Anchor));
        Request::Since(at)
    }

    fn went_back(&mut self) -> Request {
        self.enter(State::Marking);
        Request::Mark
    }

    fn wanted(&self) -> Option<u32> {
        match self.audience {
            Audience::Waits(backlog) | Audience::Apart(backlog) => Some(backlog),
            Audience::None | Audience::Joined => None,
        }
    }

    fn open_for(&mut self, backlog: u32) -> Request {
        self.enter(State::Opening(Some(backlog)));
        Request::Newest(backlog)
    }

    /// The end of a read of the newest entries: those before are not owed.
    fn opened(&mut self, name: &str, members: &mut dyn Members) -> Option<Request> {
        let found = std::mem::take(&mut self.found);
        let newest = found.last().map(|(at, record)| (*at, Record::decode(record).tag()));
        // A mark that this node has appended may have a lower number, if the log went back and its
        // numbers go on from there.
        let is_after = |(at, tag)| {
            let is_later = |last: (Position, Tag)| last == (at, tag) || !is_at_or_after(last.0, at);
            self.state == State::Marking || self.last.is_none_or(is_later)
        };
        // Nothing, or less than this node has seen.
        let Some((at, tag)) = newest.filter(|newest| is_after(*newest)) else {
            return Some(self.went_back());
        };
        if let (State::Opening(Some(backlog)), Audience::Waits(_) | Audience::Apart(_)) =
            (self.state, self.audience)
        {
            hand_on(&found, backlog, name, members);
            self.audience = Audience::Joined;
            members.joined(name, at);
            // Messages before these were not read, so the chains begin with these.
            self.chains = Chains::default();
        }
        for (_, record) in &found {
            if let Record::Message(message) = Record::decode(record) {
                self.chains.raise(message.node, message.seq);
            }
        }
        self.saw(at, tag);
        self.caught_up(Rest::Nothing, name, members)
    }

    fn saw(&mut self, at: Position, tag: Tag) {
        self.missed = self.missed.filter(|missed| missed.at != at || missed.tag != tag);
        self.epoch = self.epoch.max(at.epoch());
        self.last = Some((at, tag));
    }

    /// The end of a read that found the log as expected.
    fn caught_up(&mut self, rest: Rest, name: &str, members: &mut dyn Members) -> Option<Request> {
        let (at, _) = self.last?;
        match self.missed {
            _ if rest == Rest::More => return Some(self.read_again(at)),
            // The read has passed it: it was trimmed.
            Some(missed) if is_at_or_after(at, missed.at) => self.missed = None,
            Some(Missed { since: Since::ThisRead, .. }) => return Some(self.read_again(at)),
            // The log ends before an entry that it had.
            Some(Missed { since: Since::Earlier, .. }) => {
                self.missed = None;
                self.mark(name, members);
                return Some(self.went_back());
            }
            None => {}
        }
        self.enter(State::Live);
        self.log = Log::Usable;
        if let (Some(recovery), Audience::Joined) = (self.recovery.take(), self.audience) {
            members.recovered(name, at, recovery);
        }
        self.wanted().map(|backlog| self.open_for(backlog))
    }

    fn past(
        &mut self,
        next: Next,
        (at, after): (Position, Option<Position>),
        record: &[u8],
        name: &str,
        members: &mut dyn Members,
    ) {
        let Some((last, tag)) = self.last else { return };
        match next {
            Next::Useless => {}
            _ if self
                .missed
                .is_some_and(|it| it.at == at && it.tag != Record::decode(record).tag()) =>
            {
                self.mark(name, members);
                self.missed = None;
                self.state = State::Behind(Next::Useless);
            }
            Next::Anchor if at == last => {
                self.state = State::Behind(Next::Following);
                // An id is given again after a rollback: only the content tells.
                if Record::decode(record).tag() != tag {
                    self.mark(name, members);
                    self.state = State::Behind(Next::Useless);
                }
            }
            // The log may have gone back before another program wrote this: the others must hear of
            // it.
            Next::Anchor if matches!(Record::decode(record), Record::Unknown(_)) => {
                self.mark(name, members);
                self.state = State::Behind(Next::Useless);
            }
            Next::Anchor | Next::Following => {
                self.state = State::Behind(Next::Following);
                let follows = next == Next::Following && follows(last, after);
                self.take(follows, at, record, name, members);
            }
        }
    }

    fn live(
        &mut self,
        at: Position,
        after: Option<Position>,
        record: &[u8],
        name: &str,
        members: &mut dyn Members,
    ) -> Option<Request> {
        let (last, tag) = self.last?;
        // Another program may have sent an unknown one to the subscribers alone: the log tells.
        let is_unknown = matches!(Record::decode(record), Record::Unknown(_));
        if !is_unknown && follows(last, after) {
            self.take(true, at, record, name, members);
            return None;
        }
        let is_old = at.epoch() == last.epoch() && at.offset() < last.offset();
        let is_last = at == last && Record::decode(record).tag() == tag;
        if is_old || is_last {
            return None;
        }
        let request = self.read_again(last);
        self.miss(at, record);
        Some(request)
    }

    fn miss(&mut self, at: Position, record: &[u8]) {
        let record = Record::decode(record);
        if !matches!(record, Record::Unknown(_)) {
            self.missed = Some(Missed { at, tag: record.tag(), since: Since::ThisRead });
        }
    }

    /// Hands on an entry, behind a mark if it does not follow the last one.
    fn take(
        &mut self,
        follows: bool,
        at: Position,
        record: &[u8],
        name: &str,
        members: &mut dyn Members,
    ) {
        let record = Record::decode(record);
        let link = match record {
            Record::Message(message) => self.chains.add(&message),
            Record::Mark { .. } | Record::Unknown(_) => Link::Broken,
        };
        if !follows || link == Link::Broken {
            self.mark(name, members);
        }
        if let (Record::Message(message), Link::Next | Link::Broken, Audience::Joined) =
            (record, link, self.audience)
        {
            members.deliver(name, at, &message);
        }
        self.saw(at, record.tag());
    }

    fn mark(&mut self, name: &str, members: &mut dyn Members) {
        self.recovery = Some(Recovery::Marked);
        if self.audience == Audience::Joined {
            members.mark(name, Mark::Missing);
        }
    }
}

/// Hands on the last messages of a read.
fn hand_on(found: &[(Position, Box<[u8]>)], backlog: u32, name: &str, members: &mut dyn Members) {
    let messages = each_once(found);
    let skip = messages.len().saturating_sub(backlog as usize);
    messages.iter().skip(skip).for_each(|(at, message)| members.earlier(name, *at, message));
}

fn is_at_or_after(at: Position, other: Position) -> bool {
    (at.epoch(), at.offset()) >= (other.epoch(), other.offset())
}

/// Returns true if nothing can be between the last entry and one after this position. The first one
/// of an epoch follows nothing.
fn follows(last: Position, after: Option<Position>) -> bool {
    after == Some(last)
}

#[cfg(test)]
mod tests;
