//! The rules for names, judged with the store of the broker. Knows no event.

use std::collections::BTreeSet;

use super::names::{KEYS, ROOMS};
use super::node::Node;
use crate::backplane::presence::Presence;
use crate::testkit::broker::Broker;

impl Node {
    /// Returns the lease that the names of this node belong to, as the broker writes it.
    fn lease(&self) -> String {
        format!("{:016x}.{}", self.id, self.presence().map_or(0, Presence::lease))
    }
}

fn holds(broker: &Broker, lease: &str) -> bool {
    broker.value(format!("bp:alive:{lease}").as_bytes()).is_some()
}

/// # Panics
///
/// If a key was given to a node while another one has it, and has not lost its lease.
pub(super) fn judge_claims(nodes: &[Node], broker: &Broker, node: usize) {
    let Some(winner) = nodes.get(node) else { return };
    let mut fresh = std::mem::take(&mut winner.names().fresh);
    // One that was given back meanwhile may belong to another node.
    fresh.retain(|key| winner.names().held.contains(key));
    if !holds(broker, &winner.lease()) {
        return;
    }
    for other in nodes.iter().filter(|other| other.id != winner.id) {
        let is_sure =
            other.presence().is_some_and(Presence::is_settled) && holds(broker, &other.lease());
        let both = fresh.iter().find(|key| is_sure && other.names().held.contains(*key));
        assert!(both.is_none(), "{both:?} belongs to {} and {}", other.id, winner.id);
    }
}

/// # Panics
///
/// If the broker and the nodes do not agree about the names, when nothing is on its way and the
/// leases of dead nodes have ended.
pub(super) fn judge(nodes: &[Node], broker: &Broker) {
    for key in KEYS {
        let holders: Vec<&Node> =
            nodes.iter().filter(|node| node.names().held.contains(key)).collect();
        assert!(holders.len() < 2, "{key} belongs to {} nodes", holders.len());
        let entry = broker.value(format!("bp:name:{key}").as_bytes()).unwrap_or_default();
        let entry = String::from_utf8_lossy(&entry);
        let lease = entry.split(' ').next().filter(|lease| holds(broker, lease));
        let expected = holders.first().map(|node| node.lease());
        assert_eq!(lease, expected.as_deref(), "the lease of {key}");
    }
    for room in ROOMS {
        let found: BTreeSet<(String, String)> = broker
            .fields(format!("bp:who:{room}").as_bytes())
            .into_iter()
            .filter(|(_, lease)| holds(broker, lease))
            .collect();
        let expected = nodes.iter().flat_map(|node| {
            let entered = node.names().entered.clone().into_iter().filter(|(at, _)| **at == *room);
            entered.map(|(_, name)| (name.to_string(), node.lease()))
        });
        assert_eq!(found, expected.collect(), "the members of {room}");
    }
}

/// # Panics
///
/// If the last answer about a room differs from the names of the nodes.
pub(super) fn judge_members(nodes: &[Node], room: &str) {
    let all: BTreeSet<Box<str>> = nodes
        .iter()
        .flat_map(|node| node.names().entered.clone().into_iter())
        .filter(|(at, _)| **at == *room)
        .map(|(_, name)| name)
        .collect();
    for node in nodes {
        let expected = all.iter().take(5).cloned().collect();
        assert_eq!(node.names().members, Some((all.len() as u64, expected)), "{room}");
    }
}
