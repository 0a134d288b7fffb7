//! Several nodes of a backplane, each a hub, and their broker, simulated from a seed. Knows no
//! service.

mod earlier;
mod faults;
mod feed;
mod name_rules;
mod names;
mod node;
mod oracle;
mod recorder;
#[cfg(test)]
mod tests;
mod world;

use std::collections::BTreeSet;

use self::faults::Faults;
use self::node::Node;
use self::oracle::{Judge, Until};
use self::recorder::{Number, Seen, Session};
use self::world::{TOPICS, World};

/// The counts of a run of [`cluster`], which has an example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterRun {
    /// Messages that the engine accepted.
    pub accepted: u64,
    /// Messages that members of a node got, for each node.
    pub deliveries: u64,
    /// Marks of messages that may be missing.
    pub marks: u64,
    /// Breaks after which everything was delivered.
    pub recovered: u64,
    /// Messages whose publisher was told that they may not arrive.
    pub unshared: u64,
    /// Claims of names that were granted.
    pub claims: u64,
    /// Names that another node took while their node was away, or after a loss of the engine.
    pub lost_names: u64,
    /// Faults of the network, the broker and the nodes.
    pub faults: u64,
}

/// Runs three nodes and a [`Broker`](super::Broker) from a seed, with cut, stalled and late
/// connections, killed nodes, and all faults of the broker. At the end all faults stop.
///
/// Half of the runs have only faults that lose nothing, or none.
///
/// # Panics
///
/// If a rule is broken:
///
/// * Members get the messages of each publisher and topic in order and once, and a message is
///   missing only behind a mark.
/// * A message that members get is in the log, once.
/// * Before they join, they get the last earlier messages: a run of the log, in order and once.
/// * There is no mark in a run without a fault that loses messages.
/// * All members of a node get the same, from the time at which they joined.
/// * A name belongs to one node, unless the broker lost it; then the node that loses it is told. In
///   the end, the broker and the nodes agree about all names and members.
/// * In the end, all messages are accepted, and all topics in step.
///
/// ```
/// use socketserver::testkit::cluster;
///
/// let run = cluster(7);
/// assert!(run.deliveries > 0 && run.accepted > 0);
/// assert_eq!(cluster(7), run);
/// ```
pub fn cluster(seed: u64) -> ClusterRun {
    let mut world = World::new(seed);
    for _ in 0..900 {
        world.step();
    }
    assert!(world.calm(), "the nodes are not in step after the faults: {}", world.describe());
    judge(&world);
    world.outlive_leases();
    name_rules::judge(&world.nodes, &world.broker);
    for room in names::ROOMS {
        world.ask_members(room);
        assert!(world.calm(), "the members are not told: {}", world.describe());
        name_rules::judge_members(&world.nodes, room);
    }
    world.say_last_words();
    assert!(world.calm(), "the last messages do not arrive: {}", world.describe());
    judge(&world)
}

/// Returns the sessions of a topic, and how long each lasts.
fn sessions(world: &World, topic: &str) -> Vec<(Session, Until)> {
    let alive = world.nodes.iter().map(|node| (node, node.is_in_step(topic)));
    let all = alive.chain(world.dead.iter().map(|node| (node, false)));
    let sessions = all.flat_map(|(node, is_in_step)| {
        let sessions = node.recorder().sessions.get(topic).cloned().unwrap_or_default();
        let last = sessions.len();
        let until =
            move |index| if is_in_step && index + 1 == last { Until::End } else { Until::Earlier };
        sessions.into_iter().enumerate().map(move |(index, session)| (session, until(index)))
    });
    sessions.collect()
}

fn messages(session: &Session) -> impl Iterator<Item = Number> {
    session.seen.iter().filter_map(|seen| match seen {
        Seen::Message(number) => Some(*number),
        Seen::Here(_) | Seen::Mark => None,
    })
}

fn judge(world: &World) -> ClusterRun {
    let nodes = || world.nodes.iter().chain(&world.dead);
    let unshared: BTreeSet<(String, Number)> =
        nodes().flat_map(|node| node.recorder().unshared.clone()).collect();
    let (faults, told) = (world.fault_count, unshared.len() as u64);
    let claims = nodes().map(|node| node.names().claims).sum();
    let lost_names = nodes().map(|node| node.names().lost).sum();
    let mut run =
        ClusterRun { faults, unshared: told, claims, lost_names, ..ClusterRun::default() };
    for topic in TOPICS {
        let accepted = world.truth.accepted(topic, &world.broker);
        let is_trimmed = world.faults == Faults::All;
        let sessions = sessions(world, topic);
        let lasting = sessions.iter().filter(|(_, until)| !is_trimmed && *until == Until::End);
        let witnessed = lasting.flat_map(|(session, _)| messages(session)).collect();
        let judge = Judge {
            topic,
            truth: &world.truth,
            accepted: &accepted,
            broker: &world.broker,
            unshared: &unshared,
            witnessed: &witnessed,
        };
        run.accepted += accepted.len() as u64;
        for (session, until) in &sessions {
            judge.judge(session, *until);
            earlier::judge(session, topic, world);
            let marks = session.seen.iter().filter(|seen| matches!(seen, Seen::Mark)).count();
            run.marks += marks as u64;
            run.deliveries += messages(session).count() as u64;
            run.recovered += session.recovered;
        }
    }
    world.nodes.iter().for_each(Node::check_members);
    assert!(run.marks == 0 || world.faults >= Faults::Losses, "a mark, and nothing was lost");
    run
}
