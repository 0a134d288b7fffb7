//! Several nodes and a simulated broker: the rules of the backplane, for many seeds.

use socketserver::testkit::{cluster, seeds};

#[test]
fn members_get_all_in_order_once_or_behind_a_mark() {
    seeds(0..100, |seed| {
        cluster(seed);
    });
}

/// The runs have the events that they are for.
#[test]
fn the_runs_have_losses_marks_and_recoveries() {
    let runs: Vec<_> = (100..180).map(cluster).collect();
    let sum =
        |of: fn(&socketserver::testkit::ClusterRun) -> u64| -> u64 { runs.iter().map(of).sum() };
    assert!(sum(|run| run.accepted) > 2_000);
    assert!(sum(|run| run.deliveries) > 8_000);
    assert!(sum(|run| run.marks) > 40);
    assert!(sum(|run| run.recovered) > 40);
    assert!(sum(|run| run.unshared) > 40);
    assert!(sum(|run| run.faults) > 200);
}
