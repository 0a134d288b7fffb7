//! The history: positions, bounds, gaps and watchers.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use socketserver::{Gap, History, Later, Position};

fn texts(later: &Later) -> Vec<String> {
    later.messages.iter().map(|(_, text)| String::from_utf8_lossy(text).into_owned()).collect()
}

#[test]
fn positions_count_from_one_and_read_back_as_text() {
    let history = History::new(10, 1000);
    let start = history.start();
    assert_eq!((start.offset(), history.end()), (0, start));
    for n in 1..=20 {
        let position = history.append("x");
        assert_eq!((position.epoch(), position.offset()), (start.epoch(), n));
        assert_eq!(position.to_string().parse(), Ok(position));
        assert_eq!(history.end(), position);
    }
    assert_eq!(history.start().offset(), 10);
}

#[test]
fn malformed_positions_are_refused() {
    for text in [
        "",
        "-",
        "1-1",
        "0123456789abcdef",
        "0123456789abcdef-",
        "0123456789abcdef-+1",
        "0123456789abcdef--1",
        "+123456789abcdef-1",
        "0123456789abcdeg-1",
        "0123456789abcdef-1 ",
        "0123456789abcdef-18446744073709551616",
        "0123456789abcdef0-1",
        "0123456789abcdé-1",
    ] {
        assert!(text.parse::<Position>().is_err(), "{text}");
    }
    let longest = "ffffffffffffffff-18446744073709551615";
    assert_eq!(longest.parse::<Position>().unwrap().to_string(), longest);
}

#[test]
fn epochs_differ() {
    let epochs: HashSet<u64> = (0..1000).map(|_| History::new(1, 1).start().epoch()).collect();
    assert_eq!(epochs.len(), 1000);
    assert!(!epochs.contains(&Position::NOWHERE.epoch()));
}

#[test]
fn both_bounds_remove_the_oldest() {
    let history = History::new(3, 10);
    let start = history.start();
    for text in ["1", "2", "3", "4"] {
        history.append(text);
    }
    let later = history.since(start, usize::MAX);
    assert_eq!((later.gap, texts(&later).join(",")), (Some(Gap::Trimmed(1)), "2,3,4".to_owned()));
    history.append("12345678");
    let later = history.since(start, usize::MAX);
    assert_eq!(texts(&later), ["3", "4", "12345678"]);
    // Not kept at all.
    let end = history.append("12345678901");
    let later = history.since(start, usize::MAX);
    assert_eq!((later.gap, later.messages.len()), (Some(Gap::Trimmed(6)), 0));
    assert_eq!((later.start, later.end(), history.start()), (end, end, end));
    assert!(history.since(end, usize::MAX).gap.is_none());
    let none = History::new(0, 100);
    let start = none.start();
    none.append("x");
    assert_eq!(none.since(start, 1).gap, Some(Gap::Trimmed(1)));
}

#[test]
fn unknown_positions_get_everything_after_a_gap() {
    let history = History::new(10, 1000);
    history.append("1");
    history.append("2");
    let epoch = history.end().epoch();
    let forged = format!("{epoch:016x}-3").parse().unwrap();
    let other = History::new(10, 1000);
    for position in [Position::NOWHERE, other.end(), other.append("x"), forged] {
        let later = history.since(position, usize::MAX);
        assert_eq!((later.gap, texts(&later).join(",")), (Some(Gap::Epoch), "1,2".to_owned()));
        assert_eq!((later.start, later.end()), (history.start(), history.end()));
    }
}

#[test]
fn a_reader_takes_as_many_bytes_as_it_asks_for_and_at_least_one_message() {
    let history = History::new(100, 100_000);
    let mut position = history.start();
    for n in 0..100 {
        history.append(n.to_string().repeat(100));
    }
    for (room, count) in [(0, 1), (1, 1), (328, 2), (usize::MAX, 96)] {
        let later = history.since(position, room);
        assert_eq!((later.gap, later.messages.len()), (None, count), "{room}");
        assert_eq!(later.start, position);
        position = later.end();
    }
    assert_eq!(history.since(position, 1).end(), position);
}

/// Several writers, and readers that go on from their positions: each sees each message of each
/// writer in order, none twice; trimmed ones are counted exactly.
#[test]
fn readers_of_many_writers_miss_nothing_and_get_nothing_twice() {
    const MESSAGES: usize = 2_000;
    for limit in [10, 100_000] {
        let history = History::new(limit, usize::MAX);
        let start = history.start();
        thread::scope(|scope| {
            for writer in 0..3 {
                let history = &history;
                scope.spawn(move || {
                    for n in 0..MESSAGES {
                        history.append(format!("{writer} {n}"));
                    }
                });
            }
            for _ in 0..3 {
                scope.spawn(|| {
                    let (mut position, mut seen, mut missed) = (start, vec![None; 3], 0);
                    while position.offset() < 3 * MESSAGES as u64 {
                        let later = history.since(position, 1000);
                        match later.gap {
                            None => {}
                            Some(Gap::Trimmed(count)) => missed += count,
                            other => panic!("{other:?}"),
                        }
                        for (at, (position, _)) in later.messages.iter().enumerate() {
                            assert_eq!(position.offset(), later.start.offset() + 1 + at as u64);
                        }
                        assert_eq!(later.start.offset(), position.offset() + gap(&later));
                        for text in texts(&later) {
                            let (writer, n) = text.split_once(' ').unwrap();
                            let (writer, n): (usize, usize) =
                                (writer.parse().unwrap(), n.parse().unwrap());
                            assert!(seen[writer] < Some(n), "twice, or out of order");
                            seen[writer] = Some(n);
                        }
                        position = later.end();
                    }
                    assert!(limit == 10 || missed == 0);
                });
            }
        });
    }
}

fn gap(later: &Later) -> u64 {
    match later.gap {
        Some(Gap::Trimmed(count)) => count,
        _ => 0,
    }
}

#[test]
fn a_watcher_is_called_for_each_message_until_it_is_dropped() {
    let history = History::new(1, 1);
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let reader = history.clone();
    let watch = history.watch(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        // It may read the history.
        assert!(reader.end().offset() > 0);
    });
    history.append("a");
    history.append("b");
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    drop(watch);
    history.append("c");
    assert_eq!((calls.load(Ordering::Relaxed), Arc::strong_count(&calls)), (2, 1));
}
