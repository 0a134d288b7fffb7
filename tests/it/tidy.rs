//! The house rules, read out of the sources: which layer may name which, how long files and
//! functions may be, what may not be written, and what must be written about.

use std::path::{Path, PathBuf};
use std::{fs, iter};

/// Lines of a file.
const FILE_MAX: usize = 500;
/// Lines of a function, from its `fn` to its closing brace.
const FUNCTION_MAX: usize = 70;

/// What every layer may name: the small words, and the modules they live in.
const WORDS: &[&str] = &[
    "Address",
    "AddressError",
    "net",
    "Close",
    "Destination",
    "Id",
    "Limits",
    "Listen",
    "Metrics",
    "Mode",
    "Now",
    "Peer",
    "SlowConsumer",
    "Timeout",
    "Topic",
    "address",
    "buffer",
    "close",
    "counters",
    "destination",
    "id",
    "limits",
    "listen",
    "mailbox",
    "metrics",
    "mode",
    "now",
    "panics",
    "peer",
    "stopwatch",
    "sync",
    "topic",
];
/// What handlers are made of.
const CONTRACT: &[&str] = &[
    "Admission",
    "Context",
    "handler",
    "DatagramContext",
    "DatagramHandler",
    "Handler",
    "Note",
    "RequestAdmission",
    "RequestHandler",
    "RequestService",
    "Service",
    "Stream",
    "Undelivered",
    "context",
    "datagram",
    "handler",
    "request_handler",
    "stream",
];
/// What message handlers are made of.
const FRAMES: &[&str] = &["Framed", "MessageHandler", "Protocol", "Step", "framed"];

/// Which names of the crate's root the files of a layer may use. The first line that fits
/// counts.
const LAYERS: &[(&str, &[&[&str]])] = &[
    ("src/protocol/", &[&["close", "handler", "protocol"]]),
    ("src/services/", &[WORDS, CONTRACT, FRAMES, &["protocol", "services"]]),
    ("src/testkit/", &[WORDS, CONTRACT, FRAMES, &["accept", "exec", "hub", "testkit"]]),
    ("src/accept/", &[WORDS, &["accept"]]),
    ("src/exec/", &[WORDS, CONTRACT, &["exec"]]),
    ("src/hub/", &[WORDS, CONTRACT, &["exec", "hub"]]),
    ("src/reactor/", &[WORDS, CONTRACT, &["accept", "exec", "hub", "reactor"]]),
    ("src/prefork/", &[WORDS, &["reactor"]]),
    ("src/server/", &[WORDS, CONTRACT, &["accept", "prefork", "reactor"]]),
    ("src/handler/", &[WORDS, CONTRACT]),
    ("src/", &[WORDS]),
];

/// Words that only some files may use: the word, who may use it, and within which folder.
const RESERVED: &[(&str, &[&str], &str)] = &[
    ("mio", &["src/reactor/"], "src/"),
    ("socket2", &["src/reactor/"], "src/"),
    ("rustix", &["src/prefork/"], "src/"),
    ("signal_hook", &["src/reactor/signals.rs"], "src/"),
    ("Instant", &["src/reactor/clock.rs"], "src/"),
    ("SystemTime", &["src/reactor/clock.rs"], "src/"),
    // The wall clock tells the date of answers. It may jump, so no deadline hangs on it.
    (
        "unix_seconds",
        &["src/now.rs", "src/reactor/clock.rs", "src/protocol/http/", "src/services/"],
        "src/",
    ),
    ("http", &["src/protocol/", "src/services/"], "src/"),
    ("unsafe", &[], ""),
];

/// What stands nowhere, not in a comment either: the text, and where it may stand after all.
/// In two parts, or this file would break the rule.
const FORBIDDEN: &[(&str, &str, &[&str])] = &[
    ("todo", "!", &[]),
    ("dbg", "!", &[]),
    ("FIX", "ME", &[]),
    ("unimplemented", "!", &[]),
    ("Rc<", "RefCell", &[]),
    ("#[", "ignore", &[]),
    ("thread::", "sleep", &["examples/"]),
];

/// A file, by its path from the root of the repository.
struct Source {
    path: String,
    text: String,
    /// The text without comments and without what stands in quotes, line by line.
    code: Vec<String>,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        let code = blank(text).lines().map(str::to_owned).collect();
        Source { path: path.to_owned(), text: text.to_owned(), code }
    }

    /// Whether it is one of `places`: files, or folders that end in a slash.
    fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path == *place || is_below(&self.path, place))
    }

    fn complain(&self, line: usize, what: impl std::fmt::Display) -> String {
        format!("{}, line {}: {what}", self.path, line + 1)
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty() || folder.ends_with('/') && path.starts_with(folder)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository that is no source.
fn document(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Rust file below `folder`, in the order of their paths.
fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let name = name_of(&path);
                found.push(Source::new(&name, &document(&name)));
            }
        }
    }
    assert!(!found.is_empty(), "nothing in {folder}");
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn name_of(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/")
}

fn all_sources() -> Vec<Source> {
    ["src", "tests", "examples", "fuzz/src", "fuzz/fuzz_targets"]
        .iter()
        .flat_map(|folder| sources(folder))
        .collect()
}

/// Replaces comments, and what stands in quotes, by spaces; lines stay lines.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => 1 + quoted_len(&rest[1..], '"'),
            'r' if !ends_in_word(&out) => raw_len(rest),
            '\'' => char_len(rest),
            _ => 0,
        };
        let taken = if skipped > 0 { skipped } else { first.len_utf8() };
        let (part, tail) = rest.split_at(taken);
        match skipped {
            0 => out.push_str(part),
            _ => out.extend(part.chars().map(|c| if c == '\n' { '\n' } else { ' ' })),
        }
        rest = tail;
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn ends_in_word(text: &str) -> bool {
    // The `b` of a raw byte string is no end of a word.
    text.strip_suffix('b').unwrap_or(text).ends_with(is_word)
}

/// How long a quoted text is behind its first quote, with its last one.
fn quoted_len(text: &str, quote: char) -> usize {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// How long a raw string is; 0 if there is none.
fn raw_len(text: &str) -> usize {
    let hashes = text[1..].chars().take_while(|c| *c == '#').count();
    if !text[1 + hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let start = 2 + hashes;
    text[start..].find(&end).map_or(text.len(), |at| start + at + end.len())
}

/// How long a character is with its quotes; 0 if it is a lifetime.
fn char_len(text: &str) -> usize {
    let mut chars = text.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) => 1 + quoted_len(&text[1..], '\''),
        (Some(c), Some('\'')) => 2 + c.len_utf8(),
        _ => 0,
    }
}

/// Where `word` stands in `line` as a whole word.
fn places<'a>(line: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    line.match_indices(word).map(|(at, _)| at).filter(move |at| {
        !line[..*at].ends_with(is_word) && !line[at + word.len()..].starts_with(is_word)
    })
}

/// The names of the crate's root that the file uses, with the lines where.
fn names_of_root(file: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, code) in file.code.iter().enumerate() {
        for at in places(code, "crate") {
            let Some(path) = code[at..].strip_prefix("crate::") else { continue };
            match path.strip_prefix('{') {
                None => found.push((line, first_word(path).to_owned())),
                Some(list) => {
                    let more = iter::once(list).chain(file.code[line + 1..].iter().map(|l| &**l));
                    found.extend(top_names(more).map(|name| (line, name)));
                }
            }
        }
    }
    found
}

fn first_word(text: &str) -> &str {
    text.split(|c| !is_word(c)).next().unwrap_or_default()
}

/// The first word of each item of a list in braces whose opening one was taken.
fn top_names<'a>(lines: impl Iterator<Item = &'a str>) -> impl Iterator<Item = String> {
    let mut names = vec![String::new()];
    let mut depth = 1;
    for c in lines.flat_map(str::chars) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(String::new()),
            c if depth == 1 => names.last_mut().unwrap().push(c),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names.into_iter().map(|name| first_word(name.trim()).to_owned()).filter(|n| !n.is_empty())
}

/// Each layer names those below it and nobody else.
fn check_layers(file: &Source) -> Vec<String> {
    if file.path == "src/lib.rs" || !file.is_in(&["src/"]) {
        return Vec::new();
    }
    let of_layer = |place: &str| file.is_in(&[place]);
    let Some((layer, allowed)) = LAYERS.iter().find(|(place, _)| of_layer(place)) else {
        return vec![format!("{}: of no layer", file.path)];
    };
    let mut found: Vec<String> = names_of_root(file)
        .into_iter()
        .filter(|(_, name)| !allowed.iter().any(|names| names.contains(&name.as_str())))
        .map(|(line, name)| file.complain(line, format!("{layer} must not know `{name}`")))
        .collect();
    // `super` must not be a way around that: it stays within the layer.
    let depth = file.path.matches('/').count() - usize::from(file.path.ends_with("/mod.rs"));
    let to_root = vec!["super"; depth].join("::");
    for (line, code) in file.code.iter().enumerate() {
        if places(code, &to_root).next().is_some() {
            found.push(file.complain(line, "say `crate`, not `super`, for the crate's root"));
        }
    }
    found
}

/// Some words belong to some files.
fn check_words(file: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (word, owners, within) in RESERVED {
        if !is_below(&file.path, within) || file.is_in(owners) {
            continue;
        }
        for (line, code) in file.code.iter().enumerate() {
            // Features and modules of our own may have the same name.
            let ours = |at: usize| code[..at].ends_with("::") || code.contains(" mod ");
            if places(code, word).any(|at| !ours(at)) {
                let owners = owners.join(" and ");
                found.push(file.complain(line, format!("`{word}` is for {owners} only")));
            }
        }
    }
    found
}

fn check_texts(file: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (start, end, places) in FORBIDDEN {
        let text = format!("{start}{end}");
        for (line, _) in file.text.lines().enumerate().filter(|(_, l)| l.contains(&text)) {
            if !file.is_in(places) {
                found.push(file.complain(line, format!("`{text}` must not stand here")));
            }
        }
    }
    found
}

fn check_sizes(file: &Source) -> Vec<String> {
    let mut found = Vec::new();
    if file.code.len() > FILE_MAX {
        let len = file.code.len();
        found.push(format!("{}: {len} lines, at most {FILE_MAX}", file.path));
    }
    for (line, code) in file.code.iter().enumerate() {
        let is_function = places(code, "fn")
            .any(|at| code[at..].strip_prefix("fn ").is_some_and(|name| name.starts_with(is_word)));
        if is_function {
            let len = function_len(&file.code[line..]);
            if len > FUNCTION_MAX {
                let what = format!("a function of {len} lines, at most {FUNCTION_MAX}");
                found.push(file.complain(line, what));
            }
        }
    }
    found
}

/// Lines of the function that begins in the first of `lines`; 1 for one without a body.
fn function_len(lines: &[String]) -> usize {
    let mut depth = 0;
    let mut brackets = 0;
    for (at, line) in lines.iter().enumerate() {
        for c in line.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                '(' | '[' => brackets += 1,
                ')' | ']' => brackets -= 1,
                ';' if depth == 0 && brackets == 0 => return 1,
                _ => continue,
            }
            if c == '}' && depth == 0 {
                return at + 1;
            }
        }
    }
    lines.len()
}

/// Holds every file against `rule`; fails with all that is wrong.
fn enforce(files: &[Source], rule: impl Fn(&Source) -> Vec<String>) {
    let wrong: Vec<String> = files.iter().flat_map(rule).collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn layers_know_only_what_is_below_them() {
    enforce(&sources("src"), check_layers);
}

#[test]
fn words_stay_with_their_owners() {
    enforce(&all_sources(), check_words);
}

#[test]
fn nothing_forbidden_is_written() {
    enforce(&all_sources(), check_texts);
}

#[test]
fn files_and_functions_stay_small() {
    enforce(&all_sources(), check_sizes);
}

#[test]
fn every_example_is_described() {
    let described = document("examples/README.md");
    enforce(&sources("examples"), |file| {
        let name = file.path.strip_prefix("examples/").unwrap();
        let name = name.strip_suffix("/main.rs").or(name.strip_suffix(".rs")).unwrap();
        match name.contains('/') || described.contains(&format!("`{name}`")) {
            true => Vec::new(),
            false => vec![format!("examples/README.md does not name `{name}`")],
        }
    });
}

#[test]
fn the_command_of_the_readme_is_the_one_that_is_run() {
    let readme = document("README.md");
    let tests: Vec<&str> = readme.lines().filter(|line| line.starts_with("cargo test")).collect();
    let [command] = tests[..] else { panic!("README.md has not one test command: {tests:?}") };
    let run = document(".ci/run");
    let same = format!("RUSTFLAGS=\"-D warnings\" {command}");
    assert!(run.lines().any(|line| line == same), ".ci/run does not run `{command}`");
}

#[test]
fn the_rules_can_fail() {
    let wrong = |rule: fn(&Source) -> Vec<String>, path: &str, text: &str| {
        let found = rule(&Source::new(path, text));
        assert_eq!(found.len(), 1, "{path}: {text}: {found:?}");
        assert!(found[0].starts_with(path), "{found:?}");
    };
    wrong(check_layers, "src/hub/flow.rs", "use crate::{\n    Close,\n    Step,\n};");
    wrong(check_layers, "src/protocol/line.rs", "fn f() -> crate::hub::Hub;");
    wrong(check_layers, "src/services/chat.rs", "use crate::hub::{Hub, Readiness};");
    wrong(check_layers, "src/handler/mod.rs", "use crate::{Close, hub::{Hub, Readiness}};");
    wrong(check_layers, "src/hub/flow.rs", "use super::super::reactor;");
    wrong(check_layers, "src/hub/mod.rs", "use super::reactor::Remote;");
    wrong(check_words, "src/hub/mod.rs", "\nuse mio::Poll;");
    wrong(check_words, "src/reactor/mod.rs", "let now = Instant::now();");
    wrong(check_words, "tests/it/flow.rs", "unsafe { f() }");
    let forbidden = ["todo", "!()"].concat();
    wrong(check_texts, "src/hub/mod.rs", &forbidden);
    wrong(check_texts, "src/hub/mod.rs", &["// thread::", "sleep"].concat());
    wrong(check_sizes, "src/hub/mod.rs", &"x\n".repeat(FILE_MAX + 1));
    let body = "    '{'; \"{\"; /* { */ r#\"{\"#; // {\n".repeat(FUNCTION_MAX - 1);
    wrong(check_sizes, "src/hub/mod.rs", &format!("fn f() -> [u8; 2] {{\n{body}}}\n"));
}

#[test]
fn the_rules_can_be_kept() {
    let right = |rule: fn(&Source) -> Vec<String>, path: &str, text: &str| {
        assert_eq!(rule(&Source::new(path, text)), [""; 0], "{path}: {text}");
    };
    right(check_layers, "src/hub/flow.rs", "use crate::{Close, Id};\nuse super::marks;");
    right(check_layers, "src/hub/flow.rs", "/// See [`Step`](crate::Step).\npub(crate) mod a;");
    right(check_words, "src/hub/mod.rs", "//! Must not know mio.\nlet s = \"mio\";");
    right(check_words, "src/lib.rs", "pub mod http;");
    right(check_texts, "examples/web.rs", &["thread::", "sleep"].concat());
    let body = "    'a'; 'b: loop {}\n".repeat(FUNCTION_MAX - 2);
    right(check_sizes, "src/hub/mod.rs", &format!("fn f<'a>() {{\n{body}}}\nfn g();\n"));
}
