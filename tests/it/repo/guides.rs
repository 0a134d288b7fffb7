//! The guides: documents that are also pages of the documentation. Their links must lead somewhere
//! both from the files and from there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::tidy::source::document;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The files that `src/guide/mod.rs` includes, with their modules.
fn guides() -> BTreeMap<String, String> {
    let text = document("src/guide/mod.rs");
    let parts = text.split("include_str!(\"../../docs/").skip(1);
    let guide = |part: &str| {
        let file = part.split('"').next().unwrap().to_owned();
        let module = part.split("pub mod ").nth(1).unwrap().split(' ').next().unwrap();
        (file, module.to_owned())
    };
    parts.map(guide).collect()
}

/// The definitions of links: labels with their targets.
fn definitions(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: "));
    lines.filter(|(label, _)| !label.contains(']')).collect()
}

/// The prose of a document, without code.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// The identifiers of the headings, as forges and rustdoc make them.
fn anchors(text: &str) -> Vec<String> {
    let prose = prose(text);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn links_of_guides_work_in_the_files_and_in_the_documentation() {
    let guides = guides();
    assert!(guides.len() > 10, "{guides:?}");
    let pages = document("src/guide/links.md");
    let pages: BTreeMap<&str, &str> = definitions(&pages).into_iter().collect();
    for file in guides.keys() {
        let text = document(&format!("docs/{file}"));
        let own = definitions(&text);
        let prose = prose(&text);
        for inline in prose.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let is_local =
                inline.strip_prefix('#').is_some_and(|it| anchors(&text).contains(&it.into()));
            let is_good = is_local || inline.contains("://");
            assert!(is_good, "docs/{file}: write [text][{inline}], and define it at the end");
        }
        for label in prose.split("][").skip(1).map(|rest| rest.split(']').next().unwrap()) {
            assert!(own.contains(&(label, label)), "docs/{file}: [{label}]: {label} is missing");
        }
        for (label, target) in own {
            assert_eq!(label, target, "docs/{file}: a label is its target");
            assert!(prose.contains(&format!("][{label}]")), "docs/{file}: [{label}] is not used");
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let place = root().join("docs").join(path);
            assert!(place.exists(), "docs/{file} links to {target}");
            if !anchor.is_empty() {
                let there = std::fs::read_to_string(&place).unwrap();
                assert!(anchors(&there).iter().any(|it| it == anchor), "docs/{file}: {target}");
            }
            let page = pages.get(label);
            let page = page.unwrap_or_else(|| panic!("src/guide/links.md does not have [{label}]"));
            let expected = match guides.get(path) {
                Some(module) if anchor.is_empty() => format!("crate::guide::{module}"),
                Some(module) => format!("crate::guide::{module}#{anchor}"),
                None => {
                    format!("https://docs.rs/crate/socketserver/latest/source/{}", source(path))
                }
            };
            assert_eq!(*page, expected, "src/guide/links.md: [{label}]");
        }
    }
}

/// The path of a file from the root, for a link in `docs`.
fn source(path: &str) -> String {
    match path.strip_prefix("../") {
        Some(path) => path.to_owned(),
        None => Path::new("docs").join(path).to_str().unwrap().to_owned(),
    }
}
