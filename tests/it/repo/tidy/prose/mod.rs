//! Words that prose does not use: comments, documents, printed texts and names of tests are plain
//! technical English. A connection is not a person, and a noun is better than a clause.
//!
//! Knows nothing of Rust or Markdown: `extract` finds the prose.

mod extract;
mod words;

use std::collections::BTreeSet;

use self::extract::Kind;
use self::words::Word;
use super::source::{Source, all_sources, complaint, document, documents, enforce, is_in};

/// Files with hits that still have to be rewritten, one path a line, sorted.
const UNSWEPT: &str = "tests/it/repo/tidy/prose/unswept.txt";

/// Files whose string literals are read by users. Those of other tests are mostly data.
const PRINTING: &[&str] = &["src/", "examples/", "fuzz/", "tests/model/", "tests/oracles/"];

/// Columns of a line of a comment. Links may be longer.
const WIDTH_MAX: usize = 100;

/// Words for people. "Who" has an exception: see `FOR_PEOPLE`.
const PLAIN: &[&str] = &[
    "whom",
    "whoever",
    "whomever",
    "nobody",
    "somebody",
    "anybody",
    "everybody",
    "nobody's",
    "somebody's",
    "everybody's",
];

/// "Who" is right after these.
const FOR_PEOPLE: &[&str] = &[
    "anyone",
    "attacker",
    "attackers",
    "author",
    "authors",
    "contributor",
    "contributors",
    "everyone",
    "maintainer",
    "maintainers",
    "people",
    "person",
    "programmer",
    "programmers",
    "reader",
    "readers",
    "someone",
    "user",
    "users",
];

const PHRASES: &[&[&str]] = &[
    &["so", "many"],
    &["so", "much"],
    &["so", "long"],
    &["behind", "it"],
    &["behind", "them"],
    &["those", "whose"],
    &["in", "the", "making"],
    &["let", "in"],
    &["had", "better"],
];

/// Verbs after which "what" begins an indirect question: "decides what happens".
const ASKING: &[&str] = &[
    "ask",
    "asked",
    "asks",
    "check",
    "checks",
    "choose",
    "chooses",
    "decide",
    "decided",
    "decides",
    "describe",
    "describes",
    "explain",
    "explains",
    "exactly",
    "know",
    "known",
    "knowing",
    "knows",
    "learn",
    "learns",
    "matter",
    "said",
    "say",
    "saying",
    "says",
    "see",
    "seeing",
    "seen",
    "sees",
    "show",
    "shown",
    "shows",
    "tell",
    "telling",
    "tells",
    "told",
];

/// "What" is right before these.
const ASKED: &[&str] = &["else", "happened", "happens", "if", "kind", "to"];

const BE: &[&str] = &["is", "are", "was", "were", "be", "been"];

/// "Is no" is right before these.
const COMPARED: &[&str] = &[
    "better",
    "different",
    "earlier",
    "fewer",
    "greater",
    "larger",
    "later",
    "less",
    "longer",
    "more",
    "need",
    "smaller",
    "worse",
];

fn is_one(word: Option<&Word>, of: &[&str]) -> bool {
    word.is_some_and(|word| of.contains(&&*word.text))
}

/// Returns the words at `at` that prose does not use, if there are any.
fn hit(kind: Kind, words: &[Word], at: usize) -> Option<String> {
    let before = at.checked_sub(1).map(|at| &words[at]);
    let next = words.get(at + 1);
    let word = &words[at];
    let found = |len: usize| {
        let end = words.len().min(at + len);
        Some(words[at..end].iter().map(|word| &*word.text).collect::<Vec<&str>>().join(" "))
    };
    if PLAIN.contains(&&*word.text) || word.text == "who" && !is_one(before, FOR_PEOPLE) {
        return found(3);
    }
    let follows = |phrase: &&&[&str]| {
        phrase.iter().enumerate().all(|(n, part)| is_one(words.get(at + n), &[part]))
    };
    if let Some(phrase) = PHRASES.iter().find(follows) {
        return found(phrase.len());
    }
    if word.text == "what" && !may_ask(kind, words, at) {
        return found(4);
    }
    if BE.contains(&&*word.text) && !word.ends_clause() {
        let is_there = is_one(before, &["there"])
            || at.checked_sub(2).is_some_and(|at| is_one(words.get(at), &["there"]));
        let is_no = is_one(next, &["no"]) && !is_one(words.get(at + 2), COMPARED);
        if !is_there && (is_no || is_one(next, &["none"])) {
            return found(3);
        }
    }
    let is_predicate = word.text == "whether" || word.text == "tells" && is_one(next, &["whether"]);
    if at == 0 && kind == Kind::Doc && is_predicate {
        return found(3);
    }
    if at == 0 && kind == Kind::Name && word.text == "those" {
        return found(3);
    }
    None
}

/// Returns true if the "what" at `at` begins a question, direct or indirect.
fn may_ask(kind: Kind, words: &[Word], at: usize) -> bool {
    let back = |n: usize| at.checked_sub(n).map(|at| &words[at]);
    let depends = is_one(back(1), &["on"]) && is_one(back(2), &["depend", "depends"]);
    kind == Kind::Heading
        || words[at].ends_clause()
        || is_one(back(1), ASKING)
        || is_one(words.get(at + 1), ASKED)
        || depends
        || words[at..].iter().find(|word| word.ends_sentence()).is_some_and(Word::asks)
}

/// Returns all complaints about the prose of a file.
fn rough(file: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for passage in extract::passages(file, is_in(&file.path, PRINTING)) {
        let words = words::split(&passage);
        for at in 0..words.len() {
            if let Some(text) = hit(passage.kind, &words, at) {
                let text = format!("`{text}`: name the thing, and say what it does");
                found.push(complaint(&file.path, words[at].line, text));
            }
        }
    }
    found.extend(extract::long_comments(file, WIDTH_MAX).into_iter().map(|line| {
        complaint(&file.path, line, format!("a comment of more than {WIDTH_MAX} columns"))
    }));
    found
}

/// Compares the files with hits with the list of those that may have some.
fn judge(files: &[Source], unswept: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut left: BTreeSet<&str> = unswept.iter().copied().collect();
    if !unswept.is_sorted() || left.len() < unswept.len() {
        found.push(complaint(UNSWEPT, 1, "sort the list, and name each file once"));
    }
    for file in files {
        let complaints = rough(file);
        let is_listed = left.contains(&*file.path);
        if !is_listed {
            found.extend(complaints);
        } else if !complaints.is_empty() {
            left.remove(&*file.path);
        }
    }
    let stale = left.into_iter();
    found.extend(stale.map(|path| complaint(UNSWEPT, 1, format!("delete {path}: it is clean"))));
    found
}

#[test]
fn prose_is_plain() {
    let mut files = all_sources();
    files.extend(documents());
    let unswept = document(UNSWEPT);
    // For `cargo test --test it prose_is_plain -- --nocapture`: the hits of listed files as well.
    let all: Vec<String> = files.iter().flat_map(rough).collect();
    println!("{}\n{} hits", all.join("\n"), all.len());
    enforce(&judge(&files, &unswept.lines().collect::<Vec<&str>>()));
}

/// Sentences that stood in comments once.
const BAD: &[&str] = &[
    "The end of the peer that nobody has read, that of a message's time, and that of the server.",
    "What is waited for if nobody but the peer is waited for.",
    "Lets those be read again whom nobody else holds.",
    "Lets those go on who forwarded to a connection that takes more now, or never will.",
    "Who awaits a release, as often as it does.",
    "Whether who has something for a sibling had better wait.",
    "Sends a parcel, and holds who causes it if too many are on their way.",
    "Nobody is held that is no connection, nor released.",
    "Who has closed has closed, with the handler it had.",
    "Who may not write yet is queued, with news, when it may.",
    "What pumped connections wished for others, and those who ended over it for yet others.",
    "Of those who ended over what siblings or other threads sent them.",
    "Ends what others have to do with a connection, as far as it has ended or caught up.",
    "Without connections nothing is to be cut off: others are waited for, who say so.",
    "Connections: in the loop, with blocking handlers, in the making, and not let in yet.",
    "Who forwards to, or waits for, another connection learns from it that there is nobody.",
    "Who ends one connection and begins another at once is seen to come before the end is seen.",
    "Whether it was to tell the end, and nobody has.",
    "Who joined since the pass began has seen more than it gives.",
    "Whoever is with a worker that has not begun, or is done, is here again.",
    "The text is no address.",
    "Nothing is sent; that the connection has gone\nis none.",
    "It keeps so\nmany bytes.",
    "The bytes behind it are read next, by what\nwas there.",
    "Tells whether it is open.",
];

const GOOD: &[&str] = &[
    "Handles a pending reset, an expired message timeout, and a server stop.",
    "The timeout to arm when only the peer can make progress. There is none for a closed one.",
    "Comments say why, never what. What follows? `who` is code, and so is `what is sent`.",
    "Explains what happens if the limit is no longer enough, and what to do: see \"What is left\".",
    "Users who type /who depend on what they know. Returns true whether or not there was no reader.",
    "```text\nWho is there: nobody\n```\n\n    who is code\n\nSee [the end](https://a.b/what-is-it).",
];

#[test]
fn each_bad_sentence_is_found() {
    for text in BAD {
        let source = format!("/// {}\nfn f() {{}}\n", text.replace('\n', "\n/// "));
        assert_ne!(rough(&Source::new("src/hub/mod.rs", &source)), [""; 0], "{text}");
    }
    for text in BAD.iter().filter(|text| !text.starts_with("Tells whether")) {
        let cell = format!("# T\n\n| a | b |\n|--|--|\n| 1 | {} |\n", text.replace('\n', " "));
        assert_ne!(rough(&Source::new("docs/a.md", &cell)), [""; 0], "{text}");
        let literal = format!("fn f() {{ warn!(\"{{}}: {text}\", 1) }}");
        assert_ne!(rough(&Source::new("src/hub/mod.rs", &literal)), [""; 0], "{text}");
        assert_eq!(rough(&Source::new("tests/it/main.rs", &literal)), [""; 0], "{text}");
    }
}

#[test]
fn plain_sentences_are_not_complained_about() {
    for text in GOOD {
        let source = format!("//! {}\nfn f() {{}} // Of it.\n", text.replace('\n', "\n//! "));
        assert_eq!(rough(&Source::new("src/hub/mod.rs", &source)), [""; 0], "{text}");
        let document = text.replace("    who", "```\nwho").replace("code\n\nSee", "\n```\n\nSee");
        assert_eq!(rough(&Source::new("docs/a.md", &document)), [""; 0], "{text}");
    }
    assert_eq!(rough(&Source::new("docs/a.md", "# What a request costs\n\nIt is.")), [""; 0]);
}

#[test]
fn the_line_of_a_hit_is_told() {
    let text =
        "/// It\n/// is sent to\n/// nobody.\n#[test]\nfn who_is_it() {} // Nobody.\n\n// b\n";
    let lines: Vec<String> = rough(&Source::new("src/a.rs", text))
        .iter()
        .map(|text| text.split(": ").next().unwrap().to_owned())
        .collect();
    assert_eq!(lines, ["src/a.rs:3", "src/a.rs:5", "src/a.rs:5"]);
    let long = format!("fn f() {{}}\n// {}\n// https://{}", "x".repeat(98), "x".repeat(98));
    assert_eq!(rough(&Source::new("src/a.rs", &long)).len(), 1);
}

#[test]
fn the_list_of_unswept_files_can_only_shrink() {
    let files = [Source::new("src/a.rs", "// Nobody.\n"), Source::new("src/b.rs", "// It.\n")];
    assert_eq!(judge(&files, &["src/a.rs"]), [""; 0]);
    assert_eq!(judge(&files, &[]).len(), 1);
    assert!(judge(&files, &["src/a.rs", "src/b.rs"])[0].contains("delete src/b.rs"));
    assert!(judge(&files, &["src/a.rs", "src/gone.rs"])[0].contains("delete src/gone.rs"));
    assert!(judge(&files[..1], &["src/a.rs", "src/a.rs"])[0].contains("sort the list"));
}
