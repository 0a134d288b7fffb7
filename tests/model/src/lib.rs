//! Models of the wake-ups between threads: `loom` runs every interleaving that the memory model
//! allows. The files of the crate are included unchanged; `sync` provides the primitives of `loom`
//! under the names of std's.
//!
//! `cargo test` in this folder runs them. `loom` reports a lost wake-up as a deadlock, which fails
//! the test.
#![cfg(test)]

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    pub(crate) use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
    pub(crate) use std::sync::PoisonError;
}

#[path = "../../../src/reactor/load.rs"]
mod load;
#[path = "../../../src/mailbox.rs"]
#[allow(dead_code)]
mod mailbox;
#[path = "../../../src/exec/queue.rs"]
#[allow(dead_code)]
mod queue;

mod of_loads;
mod of_mailboxes;
mod of_work;
mod poller;

/// The most preemptions in one run. `loom` advises 2 or 3: nearly all faults show with 2, and
/// without a bound three threads take hours.
const PREEMPTIONS: usize = 3;

/// Runs `run` in every interleaving.
fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(run);
}
