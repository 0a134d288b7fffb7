//! The poller of a loop, as far as other threads wake it: an `eventfd` in an `epoll`.

use loom::sync::{Arc, Condvar, Mutex};

use crate::mailbox::Doorbell;

#[derive(Clone)]
pub(crate) struct Poller {
    shared: Arc<(Mutex<bool>, Condvar)>,
}

impl Poller {
    pub(crate) fn new() -> Poller {
        Poller { shared: Arc::new((Mutex::new(false), Condvar::new())) }
    }

    /// Returns a doorbell that wakes the poller.
    pub(crate) fn bell(&self) -> Doorbell {
        let poller = self.clone();
        Doorbell::new(move || {
            let (is_woken, changed) = &*poller.shared;
            *is_woken.lock().unwrap() = true;
            changed.notify_one();
        })
    }

    /// Waits until woken.
    pub(crate) fn wait(&self) {
        let (is_woken, changed) = &*self.shared;
        let mut is_woken = is_woken.lock().unwrap();
        while !*is_woken {
            is_woken = changed.wait(is_woken).unwrap();
        }
        *is_woken = false;
    }
}
