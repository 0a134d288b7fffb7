//! The parts of files that were found in the page cache a moment ago, in bounded memory. Must not
//! know how they are found.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a part counts as found. The system may evict a page at any time, but takes those first
/// that were not used for longer. In the queue of a client that reads 10 MiB/s a part waits as
/// long, and is not looked at again there, either.
const MOMENT: Duration = Duration::from_millis(100);

/// The number of parts remembered.
const PLACES: usize = 64;

/// A part of a file: the device and the inode of the file, and a range of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FilePart {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) range: Range<u64>,
}

/// A part that was found, and when.
type Found = (FilePart, Duration);

/// Remembers parts that were found. Each has one place, where a newer one replaces it.
#[derive(Clone, Default)]
pub(super) struct Warmth {
    // All loops share it. It is held for a look at one place, without a call of the system.
    places: Arc<Mutex<Vec<Option<Found>>>>,
}

impl Warmth {
    /// Returns true if the part was found a moment before `now`.
    pub(super) fn has(&self, part: &FilePart, now: Duration) -> bool {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Some((found, at))) = places.get(place_of(part)) else { return false };
        // A time in the future is that of another server.
        found == part && now.checked_sub(*at).is_some_and(|age| age < MOMENT)
    }

    /// Notes that the part was found at this time.
    pub(super) fn note(&self, part: FilePart, now: Duration) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        // The memory is taken with the first large file.
        places.resize(PLACES, None);
        if let Some(place) = places.get_mut(place_of(&part)) {
            *place = Some((part, now));
        }
    }
}

/// Returns the place of a part: neighbours in a file, and neighbours of an inode, have others.
fn place_of(part: &FilePart) -> usize {
    let number = part.inode.wrapping_mul(31).wrapping_add(part.range.end >> 20);
    (number % PLACES as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Duration = Duration::from_secs(7);

    fn part(inode: u64, range: Range<u64>) -> FilePart {
        FilePart { device: 1, inode, range }
    }

    #[test]
    fn a_part_is_known_for_a_moment() {
        let warmth = Warmth::default();
        assert!(!warmth.has(&part(1, 0..9), AT));
        warmth.note(part(1, 0..9), AT);
        assert!(warmth.has(&part(1, 0..9), AT));
        assert!(warmth.has(&part(1, 0..9), AT + MOMENT - Duration::from_nanos(1)));
        assert!(!warmth.has(&part(1, 0..9), AT + MOMENT));
        assert!(!warmth.has(&part(1, 0..9), AT - Duration::from_nanos(1)));
    }

    #[test]
    fn only_the_same_bytes_of_the_same_file_are_known() {
        let warmth = Warmth::default();
        warmth.note(part(1, 0..9), AT);
        assert!(!warmth.has(&part(2, 0..9), AT));
        assert!(!warmth.has(&part(1, 0..10), AT));
        assert!(!warmth.has(&FilePart { device: 2, ..part(1, 0..9) }, AT));
    }

    #[test]
    fn any_number_of_parts_takes_the_same_memory() {
        let warmth = Warmth::default();
        for inode in 0..10_000 {
            warmth.note(part(inode, 0..9), AT);
            assert!(warmth.has(&part(inode, 0..9), AT));
        }
        assert!(warmth.places.lock().unwrap().len() == PLACES);
        assert!(!warmth.has(&part(1, 0..9), AT));
    }
}
