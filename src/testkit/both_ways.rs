//! Runs the simulations of a seed with the hub's ordinary path and without it, and compares their
//! traces. The state is thread-local, because tests run in several threads.

use std::cell::RefCell;

use super::simulation::Trace;

thread_local! {
    static RUN: RefCell<Option<Run>> = const { RefCell::new(None) };
}

/// The simulations of one seed.
struct Run {
    takes_ordinary_path: bool,
    traces: Vec<Trace>,
}

/// Returns true if new hubs take the ordinary path.
pub(super) fn takes_ordinary_path() -> bool {
    RUN.with_borrow(|run| run.as_ref().is_none_or(|run| run.takes_ordinary_path))
}

/// Keeps the trace of a simulation if it is compared with that of another run.
pub(super) fn record(trace: &Trace) {
    RUN.with_borrow_mut(|run| {
        if let Some(run) = run {
            run.traces.push(trace.clone());
        }
    });
}

/// Runs `test` with the ordinary path, and again without it if `test` ran a simulation.
///
/// # Panics
///
/// If `test` panics, or the traces of the two runs differ.
pub(super) fn run(test: impl Fn()) {
    let with = traces(true, &test);
    if with.is_empty() {
        return;
    }
    let without = traces(false, &test);
    let pairs = with.iter().zip(&without);
    let difference = pairs.filter_map(|(with, without)| with.difference(without)).next();
    assert_eq!(difference, None, "the hub's ordinary path changes the run");
    assert_eq!(with.len(), without.len(), "simulations with and without the ordinary path");
}

fn traces(takes_ordinary_path: bool, test: impl Fn()) -> Vec<Trace> {
    RUN.set(Some(Run { takes_ordinary_path, traces: Vec::new() }));
    test();
    RUN.take().map(|run| run.traces).unwrap_or_default()
}
