//! Access to the log. One logger serves all tests of the crate, so a test must recognize its
//! records by their content.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{LazyLock, Mutex};

use log::{LevelFilter, Log, Metadata, Record};

static LISTENERS: LazyLock<Mutex<Vec<Sender<String>>>> = LazyLock::new(|| {
    log::set_logger(&Ears).unwrap();
    log::set_max_level(LevelFilter::Trace);
    Mutex::default()
});

struct Ears;

impl Log for Ears {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let mut listeners = LISTENERS.lock().unwrap();
        let line = format!("{} {}", record.level(), record.args());
        listeners.retain(|listener| listener.send(line.clone()).is_ok());
    }

    fn flush(&self) {}
}

/// Returns the records of all threads from now on.
pub(crate) fn listen() -> Receiver<String> {
    let (sender, receiver) = channel();
    LISTENERS.lock().unwrap().push(sender);
    receiver
}

/// The records with `mark` in them.
pub(crate) fn records(log: &Receiver<String>, mark: &str) -> Vec<String> {
    log.try_iter().filter(|line| line.contains(mark)).collect()
}
