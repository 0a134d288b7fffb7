//! No cycle of files: an item of one file never needs, directly or through other files, the file
//! that uses it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::source::enforce;
use super::tree::{Edge, Tree, planted};

/// The one cycle that may be: a handler is given a context, whose effects may contain a handler.
const EXCEPTION: (&[&str], &str) = (
    &["src/handler/context/actions.rs", "src/handler/context/mod.rs", "src/handler/effect.rs"],
    "src/handler/mod.rs",
);

/// The files, and for each the uses of others.
pub(super) struct Graph(BTreeMap<String, BTreeMap<String, Edge>>);

impl Graph {
    pub(super) fn new(tree: &Tree) -> Graph {
        let mut graph: BTreeMap<String, BTreeMap<String, Edge>> = BTreeMap::new();
        for edge in tree.edges() {
            if !EXCEPTION.0.contains(&&*edge.from) || edge.to != EXCEPTION.1 {
                let used = graph.entry(edge.from.clone()).or_default();
                // The first mention is the one that a complaint names.
                used.entry(edge.to.clone()).or_insert(edge);
            }
        }
        Graph(graph)
    }

    fn uses_of<'a>(&'a self, file: &str) -> impl Iterator<Item = &'a Edge> {
        self.0.get(file).into_iter().flat_map(BTreeMap::values)
    }

    /// The shortest cycle through `file`, edge by edge.
    pub(super) fn cycle(&self, file: &str) -> Option<Vec<&Edge>> {
        let mut came_by: BTreeMap<&str, &Edge> = BTreeMap::new();
        let mut queue: VecDeque<&Edge> = self.uses_of(file).collect();
        while let Some(edge) = queue.pop_front() {
            if came_by.contains_key(&*edge.to) {
                continue;
            }
            came_by.insert(&edge.to, edge);
            if edge.to == file {
                let mut cycle = vec![edge];
                while cycle[cycle.len() - 1].from != file {
                    cycle.push(came_by[&*cycle[cycle.len() - 1].from]);
                }
                cycle.reverse();
                return Some(cycle);
            }
            queue.extend(self.uses_of(&edge.to));
        }
        None
    }

    fn reached(&self, file: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut queue: Vec<&Edge> = self.uses_of(file).collect();
        while let Some(edge) = queue.pop() {
            if reached.insert(&*edge.to) {
                queue.extend(self.uses_of(&edge.to));
            }
        }
        reached
    }

    /// Returns the sets of files that all need each other.
    pub(super) fn knots(&self) -> Vec<Vec<&str>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            self.0.keys().map(|file| (&**file, self.reached(file))).collect();
        let needs = |a: &str, b: &str| reached.get(a).is_some_and(|reached| reached.contains(b));
        let knot = |file: &&str| -> Vec<&str> {
            let files = reached.keys().filter(|other| needs(file, other) && needs(other, file));
            files.copied().collect()
        };
        let knots: BTreeSet<Vec<&str>> = reached.keys().map(knot).collect();
        knots.into_iter().filter(|knot| !knot.is_empty()).collect()
    }

    /// Returns the edges between files of a knot.
    pub(super) fn edges_within(&self, knot: &[&str]) -> Vec<&Edge> {
        let edges = knot.iter().flat_map(|file| self.uses_of(file));
        edges.filter(|edge| knot.contains(&&*edge.to)).collect()
    }
}

fn in_cycles(tree: &Tree) -> Vec<String> {
    let graph = Graph::new(tree);
    let breach = |file: &str| {
        let cycle = graph.cycle(file)?;
        let step = |edge: &&Edge| format!("{}:{}: `{}`", edge.from, edge.line, edge.path);
        let steps: Vec<String> = cycle.iter().map(step).collect();
        Some(format!(
            "{}\n    closes a cycle of files: move what both sides need into a file of its own, or \
             hand it in",
            steps.join("\n    -> ")
        ))
    };
    graph.knots().into_iter().flatten().filter_map(breach).collect()
}

#[test]
fn files_form_no_cycle() {
    let tree = Tree::of_crate();
    enforce(&in_cycles(&tree));
    let is_it = |edge: &Edge| EXCEPTION.0.contains(&&*edge.from) && edge.to == EXCEPTION.1;
    assert!(tree.edges().iter().any(is_it), "the exception is needed no more: delete it");
}

#[test]
fn a_cycle_is_found_and_told_with_its_lines() {
    let files = |c: &str| {
        let tree = planted(&[
            ("src/lib.rs", "mod a;\nmod b;\nmod c;\npub use a::A;"),
            ("src/a.rs", "pub struct A;\nfn f() { crate::b::B }"),
            ("src/b.rs", "use crate::c;\npub struct B(c::C);"),
            ("src/c.rs", c),
        ]);
        in_cycles(&tree)
    };
    assert_eq!(files("pub struct C;"), [""; 0]);
    let found = files("pub struct C;\nuse crate::A;");
    assert_eq!(found.len(), 3);
    assert!(
        found[0].starts_with(
            "src/a.rs:2: `crate::b::B`\n    -> src/b.rs:2: `c::C`\n    -> src/c.rs:2: `crate::A`\n"
        ),
        "{}",
        found[0]
    );
}
