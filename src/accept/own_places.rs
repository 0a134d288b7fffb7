//! The places that only the connections of one service take. Pure: it counts, and must not know
//! sockets.

use crate::sync::{Arc, AtomicUsize, Ordering};

/// The places of one service, on all of its listeners.
#[derive(Clone)]
pub(super) struct OwnPlaces {
    max: usize,
    taken: Arc<AtomicUsize>,
}

/// One of these places, until it is dropped. It moves with the connection to the loop that serves
/// it.
pub(crate) struct OwnPlace(Arc<AtomicUsize>);

impl OwnPlaces {
    pub(super) fn new(max: usize) -> OwnPlaces {
        OwnPlaces { max, taken: Arc::default() }
    }

    pub(super) fn has_free(&self) -> bool {
        self.taken.load(Ordering::Acquire) < self.max
    }

    /// Takes a free place. One loop alone accepts, so nothing else takes it in between.
    pub(super) fn take(&self) -> Option<OwnPlace> {
        self.has_free().then(|| {
            self.taken.fetch_add(1, Ordering::AcqRel);
            OwnPlace(Arc::clone(&self.taken))
        })
    }
}

impl Drop for OwnPlace {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        let places = OwnPlaces::new(2);
        let taken = [places.take(), places.clone().take()];
        assert!(taken.iter().all(Option::is_some) && !places.has_free());
        assert!(places.take().is_none());
        drop(taken);
        assert!(places.has_free());
        assert!(OwnPlaces::new(0).take().is_none());
    }
}
