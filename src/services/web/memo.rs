//! A list of texts that grows while earlier ones are borrowed.

use std::cell::OnceCell;

/// Keeps the values that were decoded for a request as long as the request.
#[derive(Default)]
pub(super) struct Memo {
    first: OnceCell<Box<Entry>>,
}

struct Entry {
    text: Box<str>,
    next: OnceCell<Box<Entry>>,
}

impl Memo {
    /// Keeps `text` and returns it.
    pub(super) fn keep(&self, text: String) -> &str {
        let mut place = &self.first;
        while let Some(entry) = place.get() {
            if *entry.text == *text {
                return &entry.text;
            }
            place = &entry.next;
        }
        let entry = || Box::new(Entry { text: text.into(), next: OnceCell::new() });
        &place.get_or_init(entry).text
    }
}

impl Drop for Memo {
    /// Drops one value after the other, because recursion needs a deep stack for a long list.
    fn drop(&mut self) {
        let mut rest = self.first.take();
        while let Some(mut entry) = rest {
            rest = entry.next.take();
        }
    }
}
