//! The examples in the documentation of public items. Each item has one, links to an item that has
//! one, or is used in the example of its type or module. Fields, variants and getters need none.

use std::collections::BTreeSet;

use super::hold_against;
use super::item::ApiItem;
use super::walk::public_items;
use crate::repo::tidy::source::document;
use crate::repo::tidy::tree::{Tree, planted};

/// Items without an example so far. The list may only become shorter.
const FILE: &str = "tests/it/repo/public_api/without-example.txt";

/// Returns the code of the examples in a documentation.
fn examples(docs: &str) -> String {
    let blocks = docs.split("```").skip(1).step_by(2);
    // A block of another language does not count.
    let kinds = ["text", "sh", "json"];
    blocks.filter(|block| !kinds.iter().any(|kind| block.starts_with(kind))).collect()
}

fn has_example(docs: &str) -> bool {
    !examples(docs).is_empty()
}

/// The last names of the links in `docs`.
fn links(docs: &str) -> impl Iterator<Item = &str> {
    let targets = docs.split('[').skip(1).filter_map(|rest| {
        let (text, after) = rest.split_once(']')?;
        let target = after.strip_prefix('(').and_then(|after| after.split_once(')'));
        Some(target.map_or(text, |(target, _)| target))
    });
    targets.map(|target| {
        let target = target.trim_matches('`').trim_end_matches("()");
        target.rsplit("::").next().unwrap_or(target)
    })
}

/// Returns the public items that need an example and lack one.
fn without(items: &[ApiItem]) -> BTreeSet<String> {
    let name = |item: &ApiItem| item.path.rsplit("::").next().unwrap().to_owned();
    let shown: BTreeSet<String> =
        items.iter().filter(|item| has_example(&item.docs)).map(name).collect();
    let mut found = BTreeSet::new();
    for item in items {
        let needs_one = match item.kind {
            "struct" | "enum" | "trait" | "required" | "provided" => true,
            "fn" => !item.is_getter,
            _ => false,
        };
        let own = item.path.rsplit("::").next().unwrap();
        let uses = match item.kind {
            "struct" | "enum" | "trait" => vec![own.to_owned()],
            _ => vec![format!(".{own}("), format!("::{own}("), format!("fn {own}(")],
        };
        let is_above = |above: &&ApiItem| {
            let below = item.path.strip_prefix(&above.path);
            below.is_some_and(|below| below.starts_with("::"))
        };
        let mut shown_above = items.iter().filter(is_above).map(|above| examples(&above.docs));
        let is_used = shown_above.any(|code| uses.iter().any(|text| code.contains(text)));
        let is_linked = links(&item.docs).any(|link| shown.contains(link));
        // A method that users write: any example that implements the trait and has it.
        let is_written = matches!(item.kind, "required" | "provided") && {
            let of = item.path.rsplit("::").nth(1).unwrap();
            let (head, method) = (format!("{of} for "), format!("fn {own}("));
            let generic = format!("{of}<");
            let is_there = |code: &String| {
                (code.contains(&head) || code.contains(&generic)) && code.contains(&method)
            };
            items.iter().map(|item| examples(&item.docs)).any(|code| is_there(&code))
        };
        if needs_one && !has_example(&item.docs) && !is_used && !is_linked && !is_written {
            found.insert(item.path.clone());
        }
    }
    found
}

#[test]
fn every_public_item_has_an_example() {
    let found = without(&public_items(&Tree::of_crate()));
    let known = document(FILE);
    let new = found.iter().filter(|item| !known.lines().any(|line| line == *item));
    let new: Vec<&str> = new.map(|item| &**item).collect();
    let message = "show how they are used, or link to an item that does:";
    // A renamed item is new, and keeps its line if the list is written anew.
    let is_longer = found.len() > known.lines().count();
    let is_update = std::env::var_os("UPDATE").is_some();
    assert!(new.is_empty() || is_update && !is_longer, "{message}\n{}\n", new.join("\n"));
    hold_against(FILE, &found);
}

#[test]
fn an_item_without_an_example_is_found() {
    let tree = planted(&[(
        "src/lib.rs",
        "/// ```\n/// A::new().go(1);\n/// ```\n\
         pub struct A;\n\
         impl A {\n\
             pub fn new() -> A { A }\n\
             pub fn go(&self, to: u8) {}\n\
             pub fn len(&self) -> usize { 0 }\n\
             pub fn stop(&mut self) {}\n\
             /// As [`A`] shows.\n\
             pub fn rest(&mut self) {}\n\
         }\n\
         /// As [`A`] shows.\n\
         pub trait T {\n\
             #[doc(hidden)]\n\
             fn hidden(&self) {}\n\
         }\n\
         /// ```text\n/// nothing\n/// ```\n\
         pub fn f() {}",
    )]);
    let found: Vec<String> = without(&public_items(&tree)).into_iter().collect();
    assert_eq!(found, ["socketserver::A::stop", "socketserver::f"]);
}
