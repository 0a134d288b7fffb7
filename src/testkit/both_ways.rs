//! The hub's two ways through a turn, held against each other: the traces of a seed, with the
//! ordinary path and without it. Of this thread, because tests run in several.

use std::cell::RefCell;

use super::simulation::Trace;

thread_local! {
    static RUN: RefCell<Option<Run>> = const { RefCell::new(None) };
}

/// What the simulations of a seed leave.
struct Run {
    takes_ordinary_path: bool,
    traces: Vec<Trace>,
}

/// Returns true if the hubs that are made now take the ordinary path.
pub(super) fn takes_ordinary_path() -> bool {
    RUN.with_borrow(|run| run.as_ref().is_none_or(|run| run.takes_ordinary_path))
}

/// Keeps what has happened in a simulation, if it is to be held against another run.
pub(super) fn record(trace: &Trace) {
    RUN.with_borrow_mut(|run| {
        if let Some(run) = run {
            run.traces.push(trace.clone());
        }
    });
}

/// Runs `test` with the ordinary path, and once more without it if it has simulated anything.
///
/// # Panics
///
/// If `test` does, or the traces of the two runs differ.
pub(super) fn run(test: impl Fn()) {
    let with = traces(true, &test);
    if with.is_empty() {
        return;
    }
    let without = traces(false, &test);
    let pairs = with.iter().zip(&without);
    let difference = pairs.filter_map(|(with, without)| with.difference(without)).next();
    assert_eq!(difference, None, "with the hub's ordinary path, and without it");
    assert_eq!(with.len(), without.len(), "simulations with the hub's ordinary path, and without");
}

fn traces(takes_ordinary_path: bool, test: impl Fn()) -> Vec<Trace> {
    RUN.set(Some(Run { takes_ordinary_path, traces: Vec::new() }));
    test();
    RUN.take().map(|run| run.traces).unwrap_or_default()
}
