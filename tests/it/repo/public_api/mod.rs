//! The public interface of the crate: listed in `docs/public-api.txt`, one line for each item, so
//! that changes are noticed; the types of other crates in it; and the examples in its
//! documentation.
//!
//! The list is made from the syntax tree and knows no types. It lacks the traits that the compiler
//! implements by itself (`Send`, `Sync`).

mod examples;
mod foreign;
mod item;
mod print;
mod syntax;
mod walk;

use std::collections::BTreeSet;
use std::fs;

use self::walk::public_items;
use super::tidy::source::{document, root};
use super::tidy::tree::Tree;

const FILE: &str = "docs/public-api.txt";
/// The command that rewrites the files from the sources.
const UPDATE: &str = "UPDATE=1 cargo test --test it repo::public_api";

/// Compares a file of the repository with its proper lines, or writes them to it if `UPDATE` is
/// set.
fn hold_against(file: &str, lines: &BTreeSet<String>) {
    let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(root().join(file), text).unwrap();
        return;
    }
    let known = document(file);
    let known: BTreeSet<String> = known.lines().map(str::to_owned).collect();
    let gone = known.difference(lines).map(|line| format!("- {line}"));
    let new = lines.difference(&known).map(|line| format!("+ {line}"));
    let difference: Vec<String> = gone.chain(new).collect();
    assert!(
        difference.is_empty(),
        "\n{}\n{file} says otherwise; if the sources are right: {UPDATE}\n",
        difference.join("\n")
    );
}

#[test]
fn the_public_interface_is_the_one_written_down() {
    let lines = public_items(&Tree::of_crate()).iter().map(ToString::to_string).collect();
    hold_against(FILE, &lines);
}
