//! The length of files, and texts that are forbidden everywhere, comments included. Functions are
//! measured by clippy (`too_many_lines`), which also finds `dbg!`, `todo!` and sleeping.

use super::source::{Source, all_sources, complaint, enforce};

/// The most lines of a file.
const FILE_MAX: usize = 500;

/// In two parts, or this file would break the rule; with the remedy.
const FORBIDDEN: &[(&str, &str, &str)] =
    &[("FIX", "ME", "mend it, or write an issue"), ("#[", "ignore", "mend the test, or delete it")];

fn too_long(file: &Source) -> Option<String> {
    let len = file.text.lines().count();
    let text = format!("{len} lines, at most {FILE_MAX}: find the second subject and move it out");
    (len > FILE_MAX).then(|| complaint(&file.path, FILE_MAX + 1, text))
}

fn forbidden(file: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (start, end, instead) in FORBIDDEN {
        let text = format!("{start}{end}");
        let lines = file.text.lines().enumerate().filter(|(_, line)| line.contains(&text));
        let lines = lines.map(|(at, _)| at + 1);
        found.extend(lines.map(|line| complaint(&file.path, line, format!("`{text}`: {instead}"))));
    }
    found
}

#[test]
fn files_stay_short() {
    enforce(&all_sources().iter().filter_map(too_long).collect::<Vec<String>>());
}

#[test]
fn nothing_forbidden_is_written() {
    enforce(&all_sources().iter().flat_map(forbidden).collect::<Vec<String>>());
}

#[test]
fn a_long_file_is_found() {
    let file = |lines: usize| Source::new("src/lib.rs", &"x\n".repeat(lines));
    assert!(too_long(&file(FILE_MAX)).is_none());
    let message = too_long(&file(FILE_MAX + 1)).unwrap();
    assert!(message.starts_with("src/lib.rs:501: 501 lines, at most 500: "), "{message}");
}

#[test]
fn a_forbidden_text_is_found() {
    let text = format!("fn f() {{}}\n// {}: later", ["FIX", "ME"].concat());
    let found = forbidden(&Source::new("src/lib.rs", &text));
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("src/lib.rs:2: "), "{found:?}");
    assert_eq!(forbidden(&Source::new("src/lib.rs", "// fixed\n#[test]")), [""; 0]);
}
