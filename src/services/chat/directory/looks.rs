//! The skeletons of names in use. Must not know members or rooms.

use std::collections::HashMap;
use std::sync::Arc;

use crate::services::chat::name::Name;

/// The skeletons of the names in use. Names with the same key have a skeleton in common, so this
/// finds them as well.
#[derive(Default)]
pub(super) struct Looks(HashMap<Arc<str>, Name>);

impl Looks {
    /// Returns the names in use that are the same, or look alike.
    pub(super) fn like(&self, name: &Name) -> impl Iterator<Item = &Name> {
        name.looks().iter().filter_map(|look| self.0.get(look))
    }

    /// Returns true if a name in use has this skeleton.
    #[cfg(feature = "backplane")]
    pub(super) fn has(&self, look: &str) -> bool {
        self.0.contains_key(look)
    }

    pub(super) fn add(&mut self, name: &Name) {
        for look in name.looks() {
            self.0.insert(Arc::clone(look), name.clone());
        }
    }

    pub(super) fn remove(&mut self, name: &Name) {
        for look in name.looks() {
            self.0.remove(look);
        }
    }
}
