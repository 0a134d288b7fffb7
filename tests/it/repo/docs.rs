//! The documentation, compared with the code.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::{fs, iter, str};

use socketserver::Limits;
use socketserver::protocol::http::HttpLimits;
use socketserver::protocol::ws::WsLimits;
use socketserver::testkit::{Network, laws};
use socketserver::{Close, Framed};

use crate::hub::network::take_all;
use crate::support::corpus::oracles::netstring::example::{Echo, Netstring};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files below `folder` whose names end with `ending`, by their paths from the root.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
        match path.is_dir() {
            true => found.extend(files(name, ending)),
            false if name.ends_with(ending) => found.push(name.to_owned()),
            false => {}
        }
    }
    found.sort();
    found
}

fn documents() -> Vec<String> {
    let top = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name());
    let top = top.filter_map(|name| name.into_string().ok()).filter(|name| name.ends_with(".md"));
    top.chain(files("docs", ".md")).chain(files("examples", ".md")).collect()
}

/// The rows of `document`'s tables that begin with `` `name` ``, for each field of a struct's
/// `{:?}`; with the value of the field.
fn rows<'a>(document: &'a str, limits: &str) -> Vec<(String, String, &'a str)> {
    let fields = limits.split_once('{').unwrap().1.trim_end_matches(['}', ' ']);
    let row = |name: &str| {
        let start = format!("| `{name}` |");
        let row = document.lines().find(|line| line.starts_with(&start));
        row.unwrap_or_else(|| panic!("docs/limits.md has no row `{name}`"))
    };
    let field = |field: &str| {
        let (name, value) = field.trim().split_once(": ").unwrap();
        (name.to_owned(), value.to_owned(), row(name))
    };
    fields.split(", ").map(field).collect()
}

/// The ways to write a number: with commas, or in binary units.
fn spellings(value: &str) -> Vec<String> {
    let time = value.trim_start_matches("Some(").trim_end_matches(')');
    if time == "0ns" {
        return vec!["0".to_owned()];
    }
    for unit in ["ms", "s"] {
        if let Some(number) = time.strip_suffix(unit) {
            return vec![format!("{number} {unit}")];
        }
    }
    // Any other value is a variant.
    let Ok(number) = value.parse::<u64>() else { return vec![format!("`{value}`")] };
    let mut spellings = vec![with_commas(number)];
    if number % (1024 * 1024) == 0 {
        spellings.push(format!("{} MiB", number / 1024 / 1024));
    } else if number % 1024 == 0 {
        spellings.push(format!("{} KiB", number / 1024));
    }
    spellings
}

fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}

/// The rows of all limits. Those of WebSocket have a table of their own, because they share names
/// with those of the server.
fn limits(document: &str) -> Vec<(String, String, &str)> {
    let of_ws = document.split_once("## Of WebSocket").unwrap().1;
    [
        rows(document, &format!("{:?}", Limits::default())),
        rows(document, &format!("{:?}", HttpLimits::default())),
        rows(of_ws, &format!("{:?}", WsLimits::default())),
    ]
    .concat()
}

#[test]
fn every_limit_is_described_with_its_default() {
    for (name, value, row) in limits(&read("docs/limits.md")) {
        let spellings = spellings(&value);
        let is_there = |spelling: &String| row.split('|').any(|cell| cell.trim() == spelling);
        assert!(spellings.iter().any(is_there), "docs/limits.md: `{name}` is {spellings:?}");
    }
}

#[test]
fn every_limit_is_set_by_a_test() {
    let tests = files("tests/it", ".rs").into_iter().filter(|name| !name.ends_with("/docs.rs"));
    let tests: String = tests.map(|name| read(&name)).collect();
    for (name, ..) in limits(&read("docs/limits.md")) {
        let is_set = tests.contains(&format!(".{name}(")) || tests.contains(&format!(".{name} = "));
        assert!(is_set, "no test sets `{name}`");
    }
}

#[test]
fn every_link_leads_somewhere() {
    for name in documents() {
        let text = read(&name);
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap();
            let file = target.split('#').next().unwrap();
            if file.contains("://") || file.is_empty() {
                continue;
            }
            let folder = Path::new(&name).parent().unwrap();
            assert!(root().join(folder).join(file).exists(), "{name} links to {target}");
        }
    }
}

/// Returns true if `text` contains `word` as a whole word.
fn has_word(text: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(is_word) && !text[at + word.len()..].starts_with(is_word)
    })
}

#[test]
fn every_function_of_the_tour_exists() {
    let sources: String = files("src", ".rs").iter().map(|name| read(name)).collect();
    let tour = read("docs/tour.md");
    let mut count = 0;
    for code in tour.split('`').skip(1).step_by(2).filter(|code| code.contains("::")) {
        let (of, name) = code.rsplit_once("::").unwrap();
        let of = of.rsplit("::").next().unwrap();
        // Variants and constants begin with a capital letter.
        let kind = if name.starts_with(char::is_uppercase) { "" } else { "fn " };
        let is_there = has_word(&sources, &format!("{kind}{name}"));
        assert!(is_there && has_word(&sources, of), "docs/tour.md names `{code}`");
        count += 1;
    }
    assert!(count > 20, "the tour names only {count} functions");
}

#[test]
fn documents_stay_short() {
    // The architecture has a table or a diagram for each question that its readers had.
    for (name, max) in [("README.md", 150), ("ARCHITECTURE.md", 340)] {
        let len = read(name).lines().count();
        assert!(len <= max, "{name}: {len} lines, at most {max}");
    }
    let len = read("examples/netstring.rs").lines().count();
    assert!(len < 50, "examples/netstring.rs: {len} lines");
}

#[test]
fn programs_to_copy_stay_short() {
    for name in ["api", "beacon", "frames", "kv", "middleware", "rooms"] {
        let program = read(&format!("examples/{name}.rs"));
        let len = program.lines().filter(|line| !line.trim().is_empty()).count();
        assert!(len < 125, "examples/{name}.rs: {len} lines that are not blank");
    }
}

#[test]
fn every_example_is_described() {
    let document = read("examples/README.md");
    let names = files("examples", ".rs").into_iter().filter_map(|path| {
        let name = path.strip_prefix("examples/")?.strip_suffix(".rs")?;
        Some(name.strip_suffix("/main").unwrap_or(name).to_owned())
    });
    for name in names.filter(|name| !name.contains('/')) {
        let (row, section) = (format!("\n| `{name}` |"), format!("\n## `{name}`\n"));
        let is_there = document.contains(&row) && document.contains(&section);
        assert!(is_there, "examples/README.md does not describe {name}");
    }
}

/// The code blocks of this kind in a document.
fn blocks<'a>(document: &'a str, kind: &str) -> Vec<&'a str> {
    let fence = format!("```{kind}\n");
    document.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// The texts between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The first cells of those tables of `document` whose first column has this name.
fn first_cells<'a>(document: &'a str, column: &str) -> Vec<&'a str> {
    let head = format!("| {column} |");
    let tables = document.split("\n\n").filter(|part| part.starts_with(&head));
    let rows = tables.flat_map(|table| table.lines().skip(2));
    rows.map(|row| row.split('|').nth(1).unwrap()).collect()
}

#[test]
fn every_name_of_python_stands_beside_a_line_of_code() {
    let document = read("docs/from-python.md");
    let code = [blocks(&document, "rust"), blocks(&document, "rust,no_run")].concat().concat();
    let comments = code.lines().filter_map(|line| line.split_once(" // "));
    let shown: HashSet<&str> = comments.flat_map(|(_, names)| names.split(", ")).collect();
    let names: Vec<&str> = first_cells(&document, "Python").into_iter().flat_map(quoted).collect();
    for name in &names {
        assert!(shown.contains(name), "docs/from-python.md: no comment says `{name}`");
    }
    assert!(names.len() > 150, "docs/from-python.md has only {} names", names.len());
}

#[test]
fn the_code_that_is_explained_is_the_code_that_runs() {
    let example = read("examples/netstring.rs");
    let blocks_of_it = read("docs/writing-a-protocol.md");
    let blocks_of_it = blocks(&blocks_of_it, "text");
    assert!(blocks_of_it.len() > 3);
    for block in blocks_of_it {
        assert!(example.contains(block), "not in examples/netstring.rs:\n{block}");
    }
}

#[test]
fn the_echo_server_of_the_readme_is_the_one_that_is_tested() {
    let crate_docs = read("src/lib.rs");
    let shown = crate_docs.lines().filter(|line| !line.starts_with("//! # "));
    let shown = shown.map(|line| line.strip_prefix("//!").unwrap_or(line));
    let shown: String = shown
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .flat_map(|line| [line, "\n"])
        .collect();
    let readme = read("README.md");
    let echo = blocks(&readme, "rust,no_run")[0];
    assert!(echo.lines().count() <= 20);
    assert!(shown.contains(echo), "src/lib.rs shows another echo server than README.md");
}

#[test]
fn the_example_keeps_the_laws() {
    let show = |message: &[u8], seen: &mut Vec<u8>| {
        seen.extend_from_slice(message);
        seen.push(b'|');
    };
    for input in [
        "5:hello,0:,3:a:b,",
        "5:hello;",
        "12345:",
        "9999:",
        "05:hello,",
        "031221:",
        ":,",
        "5hello",
        "-1:,",
    ] {
        laws(|| Netstring, show, input.as_bytes());
    }
}

/// The answers of the example to consecutive `parts`, and true if it closes.
fn talk<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, bool) {
    let mut network = Network::new(Limits::default());
    let client = network.connect(Framed::new(Netstring, Echo));
    let mut came = Vec::new();
    for part in parts {
        network.send(client, part);
        came.extend(take_all(&mut network, client));
    }
    (came, network.is_closed(client))
}

#[test]
fn the_example_sends_back_whole_messages_and_refuses_the_rest() {
    let longest = [&b"9999:"[..], &[b'x'; 9999], b","].concat();
    for good in [&b"5:hello,0:,3:a:b,"[..], &longest] {
        for size in [1, 3, 4096, 100_000] {
            assert_eq!(talk(good.chunks(size)), (good.to_vec(), false));
        }
    }
    for bad in ["10000:", "12345", "5:hello;", "05:hello,", ":", "x"] {
        let sent = format!("2:ok,{bad}");
        for size in [1, 100] {
            assert_eq!(talk(sent.as_bytes().chunks(size)), (b"2:ok,".to_vec(), true), "{bad}");
        }
    }
    let too_long = Close::Malformed { code: 0, why: "a netstring of more than 9,999 bytes" };
    let mut input = *b"10000:";
    assert_eq!(socketserver::Protocol::decode(&mut Netstring, &mut input), Err(too_long));
    assert_eq!(talk(iter::empty()), (Vec::new(), false));
}
