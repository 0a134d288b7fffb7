//! The state of the sources, for people who change their structure:
//! `cargo test --test it tidy::report -- --nocapture`. Judges nothing.

use std::collections::BTreeMap;

use super::cycles::Graph;
use super::methods::by_type;
use super::tree::Tree;

/// Types with fewer methods in a single file are not shown.
const METHODS_SHOWN: usize = 10;

#[test]
fn the_state_of_the_sources() {
    let tree = Tree::of_crate();
    println!("\nMethods by type (more than {METHODS_SHOWN}, or in several files):");
    let mut types: Vec<_> = by_type(&tree).into_iter().collect();
    types.sort_by_key(|(_, methods)| std::cmp::Reverse(methods.count));
    for ((file, name), methods) in types {
        if methods.count > METHODS_SHOWN || methods.files.len() > 1 {
            println!("  {:3} {name} ({file}), in {} files", methods.count, methods.files.len());
            for (file, count) in methods.files {
                println!("      {count:3} {file}");
            }
        }
    }
    let graph = Graph::new(&tree);
    let knots = graph.knots();
    println!("\nKnots of files that all need each other: {}", knots.len());
    for knot in knots {
        println!("  {} files", knot.len());
        for edge in graph.edges_within(&knot) {
            println!("    {}:{} -> {}  `{}`", edge.from, edge.line, edge.to, edge.path);
        }
    }
    let mut folders: BTreeMap<(String, String), usize> = BTreeMap::new();
    for edge in tree.edges() {
        let (from, to) = (folder(&edge.from), folder(&edge.to));
        if from != to {
            *folders.entry((from, to)).or_default() += 1;
        }
    }
    println!("\nUses between folders:");
    for ((from, to), count) in folders {
        println!("  {count:3} {from} -> {to}");
    }
}

/// The folder below `src/` that a file is in, or the file.
fn folder(path: &str) -> String {
    let end = path.match_indices('/').nth(1).map_or(path.len(), |(at, _)| at + 1);
    path[..end].to_owned()
}
