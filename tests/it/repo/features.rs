//! The features in `Cargo.toml`, and their list in `src/lib.rs`.

use std::collections::BTreeSet;

use super::tidy::source::document;

/// The names of the features; true for those that are on by default.
fn features(manifest: &str) -> BTreeSet<(String, bool)> {
    let part = manifest.split("[features]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let lines = part.lines().filter_map(|line| line.split_once(" = "));
    let (mut names, mut on) = (Vec::new(), "");
    for (name, value) in lines {
        match name {
            "default" => on = value,
            name => names.push(name),
        }
    }
    names.into_iter().map(|name| (name.to_owned(), on.contains(&format!("\"{name}\"")))).collect()
}

/// The features listed in the documentation of the crate.
fn listed(crate_docs: &str) -> BTreeSet<(String, bool)> {
    let part = crate_docs.split("//! # Features\n").nth(1).unwrap().split("//! # ").next().unwrap();
    let lines = part.lines().filter_map(|line| line.strip_prefix("//! * `")?.split_once('`'));
    lines.map(|(name, rest)| (name.to_owned(), rest.starts_with(" (default):"))).collect()
}

#[test]
fn the_documents_list_every_feature() {
    let manifest = document("Cargo.toml");
    assert_eq!(listed(&document("src/lib.rs")), features(&manifest), "# Features of src/lib.rs");
}

#[test]
fn examples_and_tests_have_every_feature() {
    let manifest = document("Cargo.toml");
    let itself = manifest.lines().find(|line| line.starts_with("socketserver = ")).unwrap();
    for (name, _) in features(&manifest) {
        assert!(itself.contains(&format!("\"{name}\"")), "Cargo.toml: `{itself}` lacks {name}");
    }
    assert!(!manifest.contains("required-features"));
}

#[test]
fn a_feature_that_is_not_listed_is_found() {
    let manifest =
        "[features]\ndefault = [\"a\"]\na = []\n\n## More.\nb = [\"dep:b\"]\n\n[dependencies]";
    let docs =
        "//! # Features\n//!\n//! * `a` (default): x\n//! * `b`: y\n//! # Platforms\n//! * `c`";
    assert_eq!(features(manifest), listed(docs));
    assert_ne!(features(manifest), listed(&docs.replace("`b`: y", "`b` (default): y")));
}
