//! Crates and names that are reserved for some files.

use proc_macro2::{TokenStream, TokenTree};

use super::source::{Source, complaint, enforce, is_in, sources};

/// A word, and the places in `src/` that may use it. Clocks and shared ownership are covered by
/// clippy: see `clippy.toml`.
const RESERVED: &[(&str, &[&str])] = &[
    ("mio", &["src/reactor/"]),
    ("socket2", &["src/reactor/"]),
    ("libc", &["src/reactor/claim.rs"]),
    (
        "rustix",
        &[
            "src/clock.rs",
            "src/prefork/",
            "src/reactor/direct.rs",
            "src/reactor/socket.rs",
            "src/services/files/",
        ],
    ),
    ("signal_hook", &["src/reactor/signals.rs"]),
    (
        "http",
        &[
            "src/protocol/",
            "src/services/",
            "src/testkit/http_cases/case.rs",
            "src/testkit/web_client.rs",
        ],
    ),
    // The wall clock sets the date of answers. It may jump, so no deadline depends on it.
    (
        "unix_seconds",
        &[
            "src/clock.rs",
            "src/now.rs",
            "src/reactor/clock.rs",
            "src/protocol/http/",
            "src/services/",
        ],
    ),
];

fn misused(file: &Source) -> Vec<String> {
    let tokens = file.text.parse::<TokenStream>();
    let mut found = Vec::new();
    find(&mut found, file, tokens.unwrap_or_else(|error| panic!("{}: {error}", file.path)));
    found
}

fn find(found: &mut Vec<String>, file: &Source, tokens: TokenStream) {
    // The last two tokens: modules of this crate may have the name of another crate.
    let mut before = [String::new(), String::new()];
    for token in tokens {
        if let TokenTree::Group(group) = &token {
            find(found, file, group.stream());
        }
        let text = match &token {
            TokenTree::Group(_) => String::new(),
            token => token.to_string(),
        };
        let is_ours = before[1] == "mod" || before == [":", ":"];
        let reserved =
            RESERVED.iter().find(|(word, places)| *word == text && !is_in(&file.path, places));
        if let Some((word, places)) = reserved.filter(|_| !is_ours) {
            let text = format!("`{word}` is for {} only", places.join(" and "));
            found.push(complaint(&file.path, token.span().start().line, text));
        }
        let [_, last] = before;
        before = [last, text];
    }
}

#[test]
fn reserved_words_stay_where_they_belong() {
    enforce(&sources("src").iter().flat_map(misused).collect::<Vec<String>>());
}

#[test]
fn a_reserved_word_is_found() {
    let found = |path: &str, text: &str| misused(&Source::new(path, text));
    assert_eq!(
        found("src/hub/mod.rs", "\nuse mio::Poll;"),
        ["src/hub/mod.rs:2: `mio` is for src/reactor/ only"]
    );
    for text in [
        "fn f() { socket2::Socket::new() }",
        "use {http::Method, std::fmt};",
        "fn f() { g!(now.unix_seconds()) }",
    ] {
        assert_eq!(found("src/hub/mod.rs", text).len(), 1, "{text}");
    }
    for text in [
        "//! Must not know mio.\nconst S: &str = \"mio\";",
        "pub mod http;",
        "use crate::protocol::http::Http;",
    ] {
        assert_eq!(found("src/hub/mod.rs", text), [""; 0], "{text}");
    }
    assert_eq!(found("src/reactor/poller.rs", "use mio::Poll;"), [""; 0]);
}
