//! Files of the repository, and complaints about them.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

/// A file, by its path from the root of the repository.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }
}

/// Returns true if `path` is one of `places`: files, or folders that end in a slash.
pub(crate) fn is_in(path: &str, places: &[&str]) -> bool {
    let is_it = |place: &&str| path == *place || place.ends_with('/') && path.starts_with(*place);
    places.iter().any(is_it)
}

/// A complaint about a line, which counts from 1.
pub(crate) fn complaint(path: &str, line: usize, text: impl Display) -> String {
    format!("{path}:{line}: {text}")
}

/// Fails with all complaints if there are any.
pub(crate) fn enforce(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file of the repository.
pub(crate) fn document(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns every Rust file below `folder`, in the order of their paths.
pub(crate) fn sources(folder: &str) -> Vec<Source> {
    files(folder, "rs")
}

fn files(folder: &str, extension: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == extension) {
                let name = name_of(&path);
                found.push(Source::new(&name, &document(&name)));
            }
        }
    }
    assert!(!found.is_empty(), "nothing in {folder}");
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

pub(crate) fn all_sources() -> Vec<Source> {
    let folders = ["src", "tests", "examples", "fuzz/fuzz_targets"];
    folders.iter().flat_map(|folder| sources(folder)).collect()
}

/// Returns every document: those in the root of the repository, of `docs` and of the examples.
pub(super) fn documents() -> Vec<Source> {
    let mut found: Vec<Source> = ["docs", "examples"].iter().flat_map(|f| files(f, "md")).collect();
    for entry in fs::read_dir(root()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "md") {
            let name = name_of(&path);
            found.push(Source::new(&name, &document(&name)));
        }
    }
    found
}

fn name_of(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/")
}
