//! Reads of a log that is a list of numbers.

use super::*;
use crate::testkit::Random;

/// A stream: for each number whether the message is of our topic, and was not removed.
struct Stream {
    ours: Vec<bool>,
    removed: usize,
    asked: usize,
}

fn entry(seq: u64) -> Entry {
    Entry { seq, record: seq.to_be_bytes().into() }
}

impl Stream {
    fn following(&self, from: u64) -> Option<u64> {
        let from = (from as usize).max(self.removed + 1);
        (from..=self.ours.len()).find(|seq| self.ours[seq - 1]).map(|seq| seq as u64)
    }

    fn answer(&mut self, question: Question<'_>) -> Answer {
        self.asked += 1;
        let newest = (self.removed + 1..=self.ours.len()).rev().find(|seq| self.ours[seq - 1]);
        let found = match question {
            Question::Get(seq) => self.following(seq).filter(|found| *found == seq),
            Question::Newest => newest.map(|seq| seq as u64),
            Question::Following(from) => self.following(from),
            Question::AppendFirst(_) if newest.is_some() => return Answer::NotFirst,
            Question::Append(_) | Question::AppendFirst(_) => {
                self.ours.push(true);
                return Answer::Appended(self.ours.len() as u64);
            }
        };
        found.map_or(Answer::Nothing, |seq| Answer::Entry(entry(seq)))
    }

    /// Runs a read, and `between` before each answer.
    fn read(&mut self, purpose: Purpose, mut between: impl FnMut(&mut Stream)) -> (Vec<u64>, Rest) {
        let mut read = Read::new(purpose);
        let mut answers = VecDeque::new();
        read.begin(&mut |number, question| answers.push_back((number, self.answer(question))));
        for _ in 0..100_000 {
            let (number, answer) = answers.pop_front().expect("a read has questions");
            between(self);
            let mut ask = |number, question: Question<'_>| {
                answers.push_back((number, self.answer(question)));
            };
            if let Some(found) = read.on(number, answer, &mut ask) {
                assert!(answers.is_empty());
                return (found.entries.iter().map(|entry| entry.seq).collect(), found.rest);
            }
        }
        panic!("the read does not end");
    }
}

fn stream(random: &mut Random) -> Stream {
    let (length, every) = (random.below(3_000), [1, 2, 7, 50, 400][random.below(5)]);
    let ours = (0..length).map(|_| random.one_in(every)).collect();
    Stream { ours, removed: 0, asked: 0 }
}

#[test]
fn all_after_the_first_are_found_in_order() {
    for seed in 0..2_000 {
        let mut random = Random::new(seed);
        let mut stream = stream(&mut random);
        stream.removed = random.below(stream.ours.len() / 2 + 1);
        let from = 1 + random.below(stream.ours.len() + 2) as u64;
        let mut expected = Vec::new();
        let mut next = stream.following(from);
        while let Some(seq) = next {
            expected.push(seq);
            next = stream.following(seq + 1);
        }
        let (found, rest) = stream.read(Purpose::Since(Some(from)), |_| {});
        assert_eq!(found, expected[..found.len()], "seed {seed}");
        assert_eq!(rest == Rest::More, found.len() < expected.len(), "seed {seed}");
        assert!(found.len() == expected.len() || found.len() >= PAGE);
    }
}

#[test]
fn a_hole_that_opens_during_a_read_is_seen() {
    for seed in 0..2_000 {
        let mut random = Random::new(seed);
        let mut stream = stream(&mut random);
        stream.ours.push(true);
        let from = 1 + random.below(stream.ours.len()) as u64;
        let before = stream.ours.clone();
        let (found, _) = stream.read(Purpose::Since(Some(from)), |stream| {
            if random.one_in(20) {
                let more = random.below(stream.ours.len() - stream.removed);
                stream.removed += more;
            }
            if random.one_in(20) {
                stream.ours.push(true);
            }
        });
        // Between two that follow each other there was none at any time.
        for pair in found.windows(2) {
            let between = pair[0] as usize..pair[1] as usize - 1;
            assert!(between.clone().all(|place| !stream.ours[place]), "seed {seed}: {pair:?}");
            assert!(before.get(between).is_none_or(|all| all.iter().all(|ours| !ours)));
        }
    }
}

#[test]
fn the_newest_and_those_before_it_are_found() {
    for seed in 0..2_000 {
        let mut random = Random::new(seed);
        let mut stream = stream(&mut random);
        let backlog = random.below(60);
        let all: Vec<u64> = (1..).zip(&stream.ours).filter(|it| *it.1).map(|it| it.0).collect();
        let mark = Box::from(*b"mark");
        let (found, _) = stream.read(Purpose::Newest { backlog, mark }, |_| {});
        if all.is_empty() {
            assert_eq!(found, [stream.ours.len() as u64], "the mark");
            continue;
        }
        let expected = &all[all.len().saturating_sub(backlog + 1)..];
        assert_eq!(found, expected, "seed {seed}");
        assert!(stream.asked < 60 * (backlog + 2), "{} for {backlog}", stream.asked);
    }
}

#[test]
fn several_are_asked_for_at_a_time() {
    let mut stream = Stream { ours: vec![true; 200], removed: 0, asked: 0 };
    let mut rounds = 0;
    let (found, _) = stream.read(Purpose::Since(Some(1)), |_| rounds += 1);
    assert_eq!(found.len(), 200);
    assert!(stream.asked < 230, "{}", stream.asked);
    // Most topics have missed nothing.
    stream.asked = 0;
    assert_eq!(stream.read(Purpose::Since(Some(200)), |_| {}).0, [200]);
    assert_eq!(stream.asked, 2);
}

#[test]
fn a_mark_is_the_newest_and_a_log_of_another_stream_has_none_before() {
    let mut stream = Stream { ours: vec![true, false, true], removed: 0, asked: 0 };
    assert_eq!(stream.read(Purpose::Mark(Box::from(*b"mark")), |_| {}).0, [4]);
    assert_eq!(stream.read(Purpose::Since(None), |_| {}).0, [1, 3, 4]);
    assert_eq!(stream.read(Purpose::Since(Some(9)), |_| {}).0, [0; 0], "it went back");
}
