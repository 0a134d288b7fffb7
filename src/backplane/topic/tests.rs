//! One topic, event by event.

use super::*;
use crate::backplane::record::Message;

#[derive(Default)]
struct Seen(Vec<String>);

impl Members for Seen {
    fn deliver(&mut self, _: &str, at: Position, message: &Message<'_>) {
        self.0.push(format!("{} at {}", message.seq, at.offset()));
    }

    fn mark(&mut self, _: &str, why: Mark) {
        self.0.push(format!("{why:?}"));
    }

    fn earlier(&mut self, _: &str, at: Position, message: &Message<'_>) {
        self.0.push(format!("earlier {} at {}", message.seq, at.offset()));
    }

    fn joined(&mut self, _: &str, at: Position) {
        self.0.push(format!("joined at {}", at.offset()));
    }

    fn recovered(&mut self, _: &str, _: Position, recovery: Recovery) {
        self.0.push(format!("recovered {recovery:?}"));
    }

    fn unshared(&mut self, _: &str, _: u64, _: &[u8]) {}

    fn deliver_here(&mut self, _: &str, _: u64, _: &[u8]) {}
}

/// A message of node 1, encoded.
fn record(seq: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let message = Message { node: 1, attempt: 0, seq, step: 0, author: 0, bytes: b"x" };
    Record::Message(message).append_to(&mut out);
    out
}

struct Case {
    topic: Topic,
    seen: Seen,
}

impl Case {
    /// A topic in step at 7-5, which is message 5.
    fn in_step() -> Case {
        let mut case = Case { topic: Topic::new(), seen: Seen::default() };
        case.topic.ready();
        assert_eq!(case.topic.join(2), None, "the members join with the first read");
        assert_eq!(case.on(Event::Turn), Some(Request::Open(2)));
        assert_eq!(case.past(7, 5, 5), None);
        assert_eq!(case.on(Event::PastEnd(Rest::Nothing)), None);
        assert_eq!(case.seen(), ["earlier 5 at 5", "joined at 5"]);
        assert_eq!(case.topic.join(9), None, "it has members");
        case
    }

    /// The same after a break, when the log was asked for.
    fn behind() -> Case {
        let mut case = Case::in_step();
        case.topic.cut();
        assert!(!case.topic.takes_messages());
        case.topic.ready();
        assert_eq!(case.on(Event::Turn), Some(Request::Resume(Position::new(7, 5))));
        case
    }

    fn on(&mut self, event: Event<'_>) -> Option<Request> {
        self.topic.on(event, "t", &mut self.seen)
    }

    fn past(&mut self, epoch: u64, offset: u64, seq: u64) -> Option<Request> {
        let after = (offset > 1).then(|| Position::new(epoch, offset - 1));
        self.on(Event::Past { at: Position::new(epoch, offset), after, record: &record(seq) })
    }

    fn live(&mut self, epoch: u64, offset: u64, seq: u64) -> Option<Request> {
        let after = (offset > 1).then(|| Position::new(epoch, offset - 1));
        self.on(Event::Live { at: Position::new(epoch, offset), after, record: &record(seq) })
    }

    fn end(&mut self) -> Option<Request> {
        self.on(Event::PastEnd(Rest::Nothing))
    }

    fn seen(&mut self) -> Vec<String> {
        std::mem::take(&mut self.seen.0)
    }
}

#[test]
fn messages_that_follow_are_handed_on_and_old_ones_are_not() {
    let mut case = Case::in_step();
    assert_eq!(case.live(7, 6, 6), None);
    assert_eq!(case.live(7, 6, 6), None, "again");
    assert_eq!(case.live(7, 4, 4), None, "an old one");
    assert_eq!(case.live(7, 7, 9), None);
    assert_eq!(case.seen(), ["6 at 6", "9 at 7"]);
    assert_eq!(case.topic.in_step(), Some(Position::new(7, 7)));
}

#[test]
fn the_first_member_of_a_topic_that_this_node_publishes_to_gets_the_messages_before() {
    let mut case = Case { topic: Topic::new(), seen: Seen::default() };
    case.topic.ready();
    assert_eq!(case.on(Event::Turn), Some(Request::Open(0)));
    assert_eq!((case.past(7, 5, 5), case.end(), case.live(7, 6, 6)), (None, None, None));
    assert!(case.seen().is_empty() && case.topic.in_step().is_some());
    assert_eq!(case.topic.join(2), Some(Request::Newest(2)));
    assert!(!case.topic.takes_messages());
    // One arrives during the read, which is cut: the members have got nothing of it.
    assert_eq!((case.past(7, 5, 5), case.live(7, 7, 7)), (None, None));
    case.topic.cut();
    case.topic.ready();
    assert_eq!(case.on(Event::Turn), Some(Request::Resume(Position::new(7, 6))));
    assert_eq!((case.past(7, 6, 6), case.past(7, 7, 7)), (None, None));
    assert_eq!(case.end(), Some(Request::Newest(2)));
    (6..=8).for_each(|seq| assert_eq!(case.past(7, seq, seq), None));
    assert_eq!((case.live(7, 9, 9), case.seen()), (None, Vec::new()));
    assert_eq!(case.end(), Some(Request::Since(Position::new(7, 8))));
    assert_eq!(case.seen(), ["earlier 7 at 7", "earlier 8 at 8", "joined at 8"]);
    assert_eq!((case.past(7, 8, 8), case.past(7, 9, 9), case.end()), (None, None, None));
    assert_eq!(case.seen(), ["9 at 9", "recovered All"]);
}

#[test]
fn members_that_come_back_join_again_and_none_hear_of_the_time_between() {
    let mut case = Case::in_step();
    case.topic.leave();
    assert_eq!((case.live(7, 6, 6), case.topic.joined()), (None, None));
    assert_eq!(case.topic.join(1), Some(Request::Newest(1)));
    case.topic.leave();
    (5..=6).for_each(|seq| assert_eq!(case.past(7, seq, seq), None));
    assert_eq!((case.end(), case.seen()), (None, Vec::new()), "they left during the read");
    assert_eq!(case.topic.join(1), Some(Request::Newest(1)));
    (5..=6).for_each(|seq| assert_eq!(case.past(7, seq, seq), None));
    assert_eq!((case.end(), case.live(7, 7, 7)), (None, None));
    assert_eq!(case.seen(), ["earlier 6 at 6", "joined at 6", "7 at 7"]);
}

#[test]
fn a_log_that_went_back_before_the_first_member_gets_a_mark_too() {
    let mut case = Case { topic: Topic::new(), seen: Seen::default() };
    case.topic.ready();
    assert_eq!(case.on(Event::Turn), Some(Request::Open(0)));
    assert_eq!((case.past(7, 5, 5), case.end()), (None, None));
    assert_eq!(case.topic.join(2), Some(Request::Newest(2)));
    assert_eq!((case.past(7, 4, 4), case.end()), (None, Some(Request::Mark)));
    assert_eq!((case.past(9, 1, 50), case.end()), (None, Some(Request::Newest(2))));
    assert_eq!((case.past(7, 4, 4), case.past(9, 1, 50), case.end()), (None, None, None));
    assert_eq!(case.seen(), ["earlier 4 at 4", "earlier 50 at 1", "joined at 1"]);
}

#[test]
fn everything_is_there_behind_the_same_anchor() {
    let mut case = Case::behind();
    assert_eq!((case.past(7, 5, 5), case.past(7, 6, 6), case.end()), (None, None, None));
    assert_eq!(case.seen(), ["6 at 6", "recovered All"]);
    assert!(case.topic.takes_messages());
}

#[test]
fn a_page_is_followed_by_the_next() {
    let mut case = Case::behind();
    assert_eq!((case.past(7, 5, 5), case.past(7, 6, 6)), (None, None));
    let more = case.on(Event::PastEnd(Rest::More));
    assert_eq!(more, Some(Request::Since(Position::new(7, 6))));
    assert_eq!((case.past(7, 6, 6), case.end()), (None, None));
    assert_eq!(case.seen(), ["6 at 6", "recovered All"]);
}

#[test]
fn a_trimmed_anchor_and_a_new_epoch_are_marks() {
    let mut case = Case::behind();
    assert_eq!((case.past(7, 9, 9), case.past(7, 10, 10), case.end()), (None, None, None));
    assert_eq!(case.seen(), ["Missing", "9 at 9", "10 at 10", "recovered Marked"]);
    let mut case = Case::behind();
    assert_eq!((case.past(7, 5, 5), case.past(8, 1, 6), case.end()), (None, None, None));
    assert_eq!(case.seen(), ["Missing", "6 at 1", "recovered Marked"]);
}

#[test]
fn a_log_that_went_back_gets_a_mark() {
    // It ends before the anchor, or has another entry there.
    let mut empty = Case::behind();
    assert_eq!(empty.end(), Some(Request::Mark));
    let mut other = Case::behind();
    assert_eq!((other.past(7, 5, 40), other.past(7, 6, 41)), (None, None));
    assert_eq!(other.end(), Some(Request::Mark));
    for mut case in [empty, other] {
        assert_eq!(case.seen(), ["Missing"]);
        assert!(!case.topic.takes_messages());
        assert_eq!((case.past(9, 1, 50), case.end()), (None, None));
        assert_eq!(case.seen(), ["recovered Marked"]);
        assert_eq!(case.topic.in_step(), Some(Position::new(9, 1)));
    }
}

#[test]
fn the_mark_of_a_log_that_went_back_may_have_a_lower_number() {
    let mut case = Case::behind();
    assert_eq!(case.end(), Some(Request::Mark));
    assert_eq!((case.past(7, 2, 50), case.end()), (None, None));
    assert_eq!(case.seen(), ["Missing", "recovered Marked"]);
    assert_eq!(case.topic.in_step(), Some(Position::new(7, 2)));
    assert_eq!(case.live(7, 3, 51), None);
    assert_eq!(case.seen(), ["51 at 3"]);
}

#[test]
fn an_entry_that_was_seen_early_must_be_in_the_log() {
    let mut case = Case::in_step();
    let since = Some(Request::Since(Position::new(7, 5)));
    assert_eq!(case.live(8, 1, 6), since, "it does not follow");
    case.topic.cut();
    case.topic.ready();
    assert!(case.on(Event::Turn).is_some());
    assert_eq!(case.past(7, 5, 5), None, "the log of before is back");
    assert_eq!(case.end(), Some(Request::Mark));
    assert_eq!(case.seen(), ["Missing"]);
}

#[test]
fn a_topic_that_cannot_be_used_is_a_mark_and_is_tried_again() {
    let mut case = Case::behind();
    assert!(!case.topic.retry(), "it may be whole");
    assert_eq!((case.on(Event::Unusable), case.end()), (None, None));
    assert_eq!(case.seen(), ["Missing"]);
    assert!(case.topic.takes_messages() && case.topic.in_step().is_none());
    for _ in 0..3 {
        assert!(case.topic.retry() && !case.topic.takes_messages());
        assert_eq!(case.on(Event::Turn), Some(Request::Resume(Position::new(7, 5))));
        assert_eq!((case.on(Event::Unusable), case.end()), (None, None));
    }
    assert!(case.seen().is_empty(), "one mark is enough");
    assert!(case.topic.retry());
    assert!(case.on(Event::Turn).is_some());
    assert_eq!(case.end(), Some(Request::Mark), "the key was removed");
    assert_eq!((case.past(9, 1, 50), case.end()), (None, None));
    assert_eq!(case.seen(), ["Missing", "recovered Marked"]);
    assert_eq!(case.topic.in_step(), Some(Position::new(9, 1)));
}

#[test]
fn an_unknown_record_is_a_mark_only_if_it_is_in_the_log() {
    let mut case = Case::in_step();
    let since = Some(Request::Since(Position::new(7, 5)));
    let junk = |epoch, offset, before: Option<u64>| Event::Live {
        at: Position::new(epoch, offset),
        after: before.map(|offset| Position::new(epoch, offset)),
        record: b"hello",
    };
    for event in [junk(7, 6, Some(5)), junk(7, 9, Some(8)), junk(8, 1, None), junk(3, 1, None)] {
        assert_eq!(case.on(event), since);
        assert_eq!((case.on(event), case.past(7, 5, 5), case.end()), (None, None, None));
        assert_eq!(case.seen(), ["recovered All"]);
    }
    assert_eq!(case.on(junk(7, 4, Some(3))), None, "an old one");
    assert_eq!(case.on(junk(7, 6, Some(5))), since);
    assert_eq!(case.past(7, 5, 5), None);
    let (at, after) = (Position::new(7, 6), Some(Position::new(7, 5)));
    assert_eq!(case.on(Event::Past { at, after, record: b"hello" }), None);
    assert_eq!((case.past(7, 7, 7), case.end()), (None, None));
    assert_eq!(case.seen(), ["Missing", "7 at 7", "recovered Marked"]);
}

/// Another program wrote to a log that had gone back: the anchor does not look trimmed then.
#[test]
fn an_unknown_record_in_place_of_the_anchor_makes_the_others_hear_of_it() {
    let mut case = Case::behind();
    let at = Position::new(9, 1);
    assert_eq!(case.on(Event::Past { at, after: None, record: b"foreign" }), None);
    assert_eq!(case.end(), Some(Request::Mark));
    assert_eq!(case.seen(), ["Missing"]);
}

/// A member that joins while the engine is away is told before the first message of its node, also
/// of a topic that has lost nothing.
#[test]
fn messages_of_this_node_alone_come_behind_a_mark_for_each_audience() {
    let mut case = Case::in_step();
    case.topic.cut();
    assert!(case.topic.part(1, 6) && !case.topic.part(1, 6));
    case.topic.leave();
    assert_eq!(case.topic.join(2), None);
    assert!(case.topic.part(1, 6) && !case.topic.part(1, 6));
}
