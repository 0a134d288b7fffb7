//! Ranges of bytes, RFC 9110, section 14. Must not know files.

use std::ops::Range;

/// The part of a representation that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it: the field is missing, malformed, of another unit, or asks for too much.
    Whole,
    /// Each of these, in this order; at least one, and none is empty or overlaps another.
    Ranges(Vec<Range<u64>>),
    /// None of the ranges exists.
    Unsatisfiable,
}

/// A request with more ranges gets the whole file. No client that continues or seeks sends as many
/// (RFC 9110, section 14.2, leaves it to the server).
pub(super) const MAX_RANGES: usize = 16;

/// Ranges are joined if the gap between them costs less than another part (section 15.3.7.2).
const GAP: u64 = 128;

/// Returns the part of a representation of `size` bytes that the value of a `Range` field names.
pub(super) fn part_of(field: &str, size: u64) -> Part {
    let Some((unit, set)) = field.split_once('=') else { return Part::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Part::Whole;
    }
    let (mut ranges, mut count) = (Vec::new(), 0);
    for spec in set.split(',').map(|spec| spec.trim_matches([' ', '\t'])) {
        if spec.is_empty() {
            continue;
        }
        count += 1;
        let (true, Some(spec)) = (count <= MAX_RANGES, Spec::parse(spec)) else {
            return Part::Whole;
        };
        match spec.within(size) {
            Some(range) if range.is_empty() => return Part::Whole,
            Some(range) => join(&mut ranges, range),
            None => {}
        }
    }
    match (count, ranges.is_empty()) {
        (0, _) => Part::Whole,
        (_, true) => Part::Unsatisfiable,
        _ => Part::Ranges(ranges),
    }
}

/// One range as it was asked for.
enum Spec {
    /// The first byte, and the last.
    From(u64, Option<u64>),
    /// This number of bytes at the end.
    Last(u64),
}

impl Spec {
    fn parse(text: &str) -> Option<Spec> {
        let (first, last) = text.split_once('-')?;
        match (first, last) {
            ("", "") => None,
            ("", last) => number(last).map(Spec::Last),
            (first, "") => Some(Spec::From(number(first)?, None)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Spec::From(first, Some(last)))
            }
        }
    }

    /// Returns `None` if the range is not satisfiable, and an empty range for the end of nothing.
    fn within(self, size: u64) -> Option<Range<u64>> {
        match self {
            Spec::From(first, last) => {
                let end = last.map_or(size, |last| last.saturating_add(1)).min(size);
                (first < size).then_some(first..end)
            }
            Spec::Last(0) => None,
            Spec::Last(n) => Some(size.saturating_sub(n)..size),
        }
    }
}

/// Reads a number. One that does not fit is beyond every file.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// Adds a range. Those that it overlaps or nearly touches become one, at the place of the first.
fn join(ranges: &mut Vec<Range<u64>>, mut more: Range<u64>) {
    let is_near = |range: &Range<u64>, more: &Range<u64>| {
        range.start <= more.end.saturating_add(GAP) && more.start <= range.end.saturating_add(GAP)
    };
    let mut place = ranges.len();
    // The joined range may reach one that was too far away before.
    while let Some(at) = ranges.iter().position(|range| is_near(range, &more)) {
        let range = ranges.remove(at);
        more = range.start.min(more.start)..range.end.max(more.end);
        place = place.min(at);
    }
    ranges.insert(place, more);
}
