//! The permitted uses between layers: the last column of the table of folders in `ARCHITECTURE.md`,
//! see "Which way `use` runs" there. Inside the crate an item is imported from the module that
//! defines it, not through the crate's root.

use super::mentions;
use super::source::{complaint, enforce, is_in};
use super::tree::{Tree, planted};

/// Small types that every layer may use.
const WORDS: &[&str] = &[
    "src/close.rs",
    "src/history/",
    "src/id.rs",
    "src/limits.rs",
    "src/log_throttle.rs",
    "src/metrics/",
    "src/mode.rs",
    "src/net/",
    "src/now.rs",
    "src/panics.rs",
    "src/setters.rs",
    "src/topic.rs",
];

/// The means by which threads share state and wake a loop.
const THREADS: &[&str] = &["src/mailbox.rs", "src/sync.rs"];

/// The layers, each with the layers that it may use. The first row that fits a file counts. The
/// hub, handlers, protocols and services have no row with a clock, a thread or a poller.
const LAYERS: &[(&str, &[&[&str]])] = &[
    ("src/protocol/", &[&["src/close.rs", "src/handler/framed.rs", "src/setters.rs"]]),
    ("src/services/", &[WORDS, &["src/backplane/", "src/handler/", "src/protocol/"]]),
    ("src/handler/", &[WORDS]),
    ("src/accept/", &[WORDS]),
    ("src/backplane/", &[WORDS, &["src/handler/", "src/protocol/nats.rs", "src/protocol/resp.rs"]]),
    ("src/exec/", &[WORDS, THREADS, &["src/clock.rs", "src/handler/"]]),
    ("src/hub/", &[WORDS, &["src/backplane/", "src/buffer.rs", "src/exec/", "src/handler/"]]),
    (
        "src/reactor/",
        &[
            WORDS,
            THREADS,
            &["src/accept/", "src/backplane/", "src/clock.rs", "src/exec/", "src/handler/"],
            &["src/hub/"],
        ],
    ),
    ("src/prefork/", &[&["src/clock.rs", "src/limits.rs", "src/now.rs", "src/reactor/"]]),
    (
        "src/server/",
        &[
            WORDS,
            &["src/accept/", "src/backplane/", "src/handler/", "src/prefork/", "src/reactor/"],
        ],
    ),
    (
        "src/testkit/",
        &[
            WORDS,
            THREADS,
            &["src/accept/", "src/clock.rs", "src/exec/", "src/handler/", "src/hub/"],
            &["src/reactor/"],
            // For the client of a web service.
            &["src/protocol/http/", "src/services/web/"],
            // For the simulated broker and the nodes around it.
            &["src/backplane/", "src/protocol/resp.rs"],
        ],
    ),
    ("src/metrics/", &[WORDS, &["src/clock.rs"]]),
    ("src/lib.rs", &[]),
    ("src/guide/", &[]),
    ("src/buffer.rs", &[]),
    ("src/sync.rs", &[]),
    ("src/mailbox.rs", &[&["src/sync.rs"]]),
    ("src/clock.rs", &[&["src/now.rs"]]),
    ("src/", &[WORDS]),
];

fn misplaced(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for edge in tree.edges() {
        let row = LAYERS.iter().find(|(layer, _)| is_in(&edge.from, &[layer]));
        let (layer, allowed) = row.expect("the last row fits every file");
        if !is_in(&edge.to, &[layer]) && !allowed.iter().any(|places| is_in(&edge.to, places)) {
            let (path, to) = (&edge.path, &edge.to);
            let text = format!(
                "`{path}` stands in {to}, which {layer} must not use: hand it in, or move it \
                 down (ARCHITECTURE.md, \"Which way `use` runs\")"
            );
            found.push(complaint(&edge.from, edge.line, text));
        }
    }
    found
}

fn through_the_root(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (at, module) in tree.modules() {
        for mention in mentions::of(&module.items) {
            if tree.is_through_root(at, &mention.segments) {
                let path = mention.segments.join("::");
                let text =
                    format!("`{path}` is a re-export: import from the module that defines it");
                found.push(complaint(&module.file, mention.line, text));
            }
        }
    }
    found
}

#[test]
fn layers_use_only_lower_layers() {
    enforce(&misplaced(&Tree::of_crate()));
}

#[test]
fn nothing_is_imported_through_the_root() {
    enforce(&through_the_root(&Tree::of_crate()));
}

/// A crate whose `src/hub/flow.rs` is `text`.
fn with_flow(text: &str) -> Tree {
    planted(&[
        ("src/lib.rs", "mod close;\nmod hub;\nmod reactor;\npub use close::Close;"),
        ("src/close.rs", "pub enum Close { Done }"),
        ("src/reactor/mod.rs", "pub(crate) mod clock;\npub(crate) use clock::Clock;"),
        ("src/reactor/clock.rs", "pub(crate) struct Clock;\npub(crate) fn read() {}"),
        ("src/hub/mod.rs", "mod flow;\npub(crate) use crate::reactor::clock::read;"),
        ("src/hub/flow.rs", text),
    ])
}

#[test]
fn an_upward_use_is_found() {
    let wrong = [
        "use crate::reactor::Clock;",
        "use crate::reactor::{\n    clock::Clock as Now,\n};",
        "use crate::reactor::clock;\nfn f() -> clock::Clock { g() }",
        "fn f() { super::super::reactor::clock::read() }",
        "fn f() { assert!(matches!(now(), crate::reactor::Clock)) }",
        "fn f() { super::read() }",
    ];
    for text in wrong {
        let found = misplaced(&with_flow(text));
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].starts_with("src/hub/flow.rs:"), "{found:?}");
        assert!(
            found[0].contains("src/reactor/clock.rs, which src/hub/ must not use"),
            "{found:?}"
        );
    }
    let right = [
        "use crate::close::Close;\nfn f() -> Close { Close::Done }",
        "/// See [`Clock`](crate::reactor::Clock).\nfn f() {}",
        "#[cfg(test)]\nmod tests { use crate::reactor::Clock; }",
        "pub(crate) use crate::reactor::Clock;",
    ];
    for text in right {
        assert_eq!(misplaced(&with_flow(text)), [""; 0], "{text}");
    }
}

#[test]
fn an_import_through_the_root_is_found() {
    let found = through_the_root(&with_flow("\nuse crate::Close;"));
    let text = "`crate::Close` is a re-export: import from the module that defines it";
    assert_eq!(found, [format!("src/hub/flow.rs:2: {text}")]);
    assert_eq!(through_the_root(&with_flow("fn f() { super::super::Close::Done }")).len(), 1);
    assert_eq!(through_the_root(&with_flow("fn f() { log!(crate::Close::Done) }")).len(), 1);
    let right = "use crate::close::Close;\n/// [`Close`](crate::Close)\nfn f() { Close::Done }";
    assert_eq!(through_the_root(&with_flow(right)), [""; 0]);
}
