//! The log of an engine, as nodes keep it and readers meet it.

use super::*;

const BOUNDS: Bounds = Bounds { messages: 100, bytes: 1000 };

fn at(epoch: u64, offset: u64) -> Position {
    Position::new(epoch, offset)
}

fn text(offset: u64) -> Arc<[u8]> {
    offset.to_string().as_bytes().into()
}

/// A node that has joined at this offset of epoch 7.
fn joined(offset: u64) -> Mirror {
    let mut mirror = Mirror::default();
    mirror.joined(at(7, offset), BOUNDS);
    mirror
}

fn append(mirror: &mut Mirror, offsets: impl IntoIterator<Item = u64>) {
    for offset in offsets {
        mirror.append(at(7, offset), text(offset), BOUNDS);
    }
}

fn earlier(mirror: &mut Mirror, offsets: impl IntoIterator<Item = u64>) {
    for offset in offsets {
        mirror.earlier(at(7, offset), text(offset), BOUNDS);
    }
}

/// Reads to the end, and returns messages and gaps, and the position after them.
fn read(mirror: &Mirror, from: Position) -> (String, Position) {
    let (mut heard, mut position) = (Vec::new(), from);
    for _ in 0..1000 {
        let later = mirror.since(position, 1);
        heard.extend(later.gap.map(|gap| format!("{gap:?}")));
        position = later.end();
        let texts = later.messages.iter().map(|(_, it)| String::from_utf8_lossy(it).into_owned());
        heard.extend(texts);
        if later.messages.is_empty() && later.gap.is_none() {
            return (heard.join(" "), position);
        }
    }
    panic!("a reader that gets no further: {heard:?}");
}

#[test]
fn positions_increase_and_need_not_be_contiguous() {
    let mut mirror = joined(5);
    append(&mut mirror, [9, 12, 13]);
    assert_eq!(read(&mirror, at(7, 5)).0, "9 12 13");
    assert_eq!(read(&mirror, at(7, 9)), ("12 13".to_owned(), at(7, 13)));
    // The place of an entry of another kind, as another node may have told it.
    assert_eq!(read(&mirror, at(7, 10)).0, "12 13");
    assert_eq!(read(&mirror, at(7, 13)).0, "");
    append(&mut mirror, [12, 13]);
    assert_eq!(read(&mirror, mirror.start()).0, "9 12 13", "none is taken twice");
}

#[test]
fn a_mark_is_told_to_readers_before_it_and_to_no_others() {
    let mut mirror = joined(5);
    append(&mut mirror, [6, 7]);
    mirror.mark(BOUNDS);
    mirror.mark(BOUNDS);
    let (heard, told) = read(&mirror, at(7, 6));
    assert_eq!(heard, "7 Unknown");
    append(&mut mirror, [20, 21]);
    assert_eq!(read(&mirror, at(7, 7)).0, "Unknown 20 21");
    assert_eq!(read(&mirror, told).0, "20 21");
    assert_eq!(read(&mirror, at(7, 20)).0, "21");
    // Other nodes have messages that this one lacks.
    assert_eq!(read(&mirror, at(7, 15)).0, "Unknown 20 21");
    assert_eq!(read(&mirror, at(7, 19)).0, "20 21", "nothing can be between 19 and 20");
}

#[test]
fn a_mark_is_told_once_when_the_log_begins_anew() {
    let mut mirror = joined(5);
    append(&mut mirror, [6]);
    mirror.mark(BOUNDS);
    let (_, told) = read(&mirror, at(7, 6));
    mirror.recovered(at(8, 1), BOUNDS);
    assert_eq!(read(&mirror, told).0, "");
    mirror.append(at(8, 2), text(82), BOUNDS);
    assert_eq!(read(&mirror, told).0, "82");
    assert_eq!(read(&mirror, at(7, 6)).0, "Unknown 82");
}

#[test]
fn a_mark_is_told_once_over_nodes() {
    let (mut one, mut other) = (joined(5), joined(5));
    append(&mut one, [6]);
    one.mark(BOUNDS);
    one.recovered(at(8, 0), BOUNDS);
    let (heard, told) = read(&one, at(7, 5));
    assert_eq!((&*heard, told), ("6 Unknown", at(8, 0)));
    append(&mut other, [6]);
    other.mark(BOUNDS);
    other.append(at(8, 1), text(81), BOUNDS);
    assert_eq!(read(&other, told).0, "81");
    assert_eq!(read(&other, at(7, 6)).0, "Unknown 81");
    assert_eq!(read(&other, at(7, 60)).0, "Unknown 81", "one that has seen what was lost");
}

#[test]
fn trimmed_messages_are_a_gap() {
    let mut mirror = joined(0);
    append(&mut mirror, 1..=150);
    assert_eq!(mirror.start(), at(7, 50));
    assert!(read(&mirror, at(7, 49)).0.starts_with("Unknown 51 52"));
    assert!(read(&mirror, at(7, 50)).0.starts_with("51 52"));
    let large: Arc<[u8]> = vec![0; 2000].into();
    mirror.append(at(7, 151), large, BOUNDS);
    assert_eq!(read(&mirror, at(7, 150)), ("Unknown".to_owned(), at(7, 151)));
    assert_eq!(read(&mirror, at(7, 151)).0, "");
}

#[test]
fn readers_wait_until_the_end_of_the_log_is_known() {
    let mut mirror = Mirror::default();
    assert_eq!(read(&mirror, at(7, 3)), (String::new(), at(7, 3)));
    earlier(&mut mirror, 2..=5);
    mirror.joined(at(7, 5), BOUNDS);
    assert_eq!(read(&mirror, at(7, 3)).0, "4 5");
    assert_eq!(read(&mirror, at(7, 0)).0, "Unknown 2 3 4 5");
    assert_eq!(read(&mirror, at(7, 1)).0, "2 3 4 5");
    assert_eq!(read(&mirror, mirror.start()).0, "2 3 4 5");
    assert_eq!(read(&mirror, Position::NOWHERE).0, "Unknown 2 3 4 5");
    assert_eq!(read(&mirror, at(1 << 63 | 5, 3)).0, "Epoch 2 3 4 5", "of a process without nodes");
}

#[test]
fn a_reader_may_be_ahead_of_its_node() {
    let mut mirror = joined(5);
    append(&mut mirror, [6]);
    assert_eq!(read(&mirror, at(7, 8)), (String::new(), at(7, 8)));
    append(&mut mirror, [7, 8, 9]);
    assert_eq!(read(&mirror, at(7, 8)).0, "9");
    // A later epoch: it cannot be known what is missing.
    let (heard, told) = read(&mirror, at(9, 4));
    assert_eq!((&*heard, told), ("Epoch", at(7, 9)));
    append(&mut mirror, [10]);
    assert_eq!(read(&mirror, told).0, "10");
}

#[test]
fn a_topic_that_is_watched_again_goes_on_where_it_was() {
    let mut mirror = joined(5);
    append(&mut mirror, [6, 9]);
    earlier(&mut mirror, [9, 12, 14]);
    mirror.joined(at(7, 15), BOUNDS);
    append(&mut mirror, [16]);
    assert_eq!(read(&mirror, at(7, 6)).0, "9 12 14 16");
    assert_eq!(read(&mirror, at(7, 15)).0, "16");
}

#[test]
fn a_topic_that_is_watched_again_may_have_lost_messages() {
    let mut mirror = joined(5);
    append(&mut mirror, [6]);
    earlier(&mut mirror, [20, 21]);
    mirror.joined(at(7, 21), BOUNDS);
    assert_eq!(read(&mirror, at(7, 5)).0, "6 Unknown 20 21");
    assert_eq!(read(&mirror, at(7, 20)).0, "21");
    // Without earlier messages.
    mirror.joined(at(7, 30), BOUNDS);
    append(&mut mirror, [31]);
    assert_eq!(read(&mirror, at(7, 20)).0, "21 Unknown 31");
    // The log went back meanwhile, and has other messages at the same positions.
    mirror.earlier(at(7, 31), text(99), BOUNDS);
    mirror.joined(at(7, 31), BOUNDS);
    assert_eq!(read(&mirror, at(7, 31)).0, "Unknown");
    assert_eq!(read(&mirror, at(7, 30)).0, "99 Unknown");
}

#[test]
fn messages_of_one_node_lie_between_those_of_the_engine() {
    let mut mirror = joined(5);
    append(&mut mirror, [6]);
    mirror.mark(BOUNDS);
    for local in ["a", "b"] {
        mirror.append(mirror.next_between(), local.as_bytes().into(), BOUNDS);
    }
    let (heard, last) = read(&mirror, at(7, 6));
    assert_eq!(heard, "Unknown a b");
    append(&mut mirror, [7]);
    assert_eq!(read(&mirror, last).0, "7");
    assert_eq!(read(&mirror, at(7, 6)).0, "Unknown a b 7");
    // A reader goes on elsewhere with the messages that all nodes have.
    let mut other = joined(5);
    append(&mut other, [6, 7, 8]);
    assert_eq!(read(&other, last).0, "7 8");
}
