//! The version in `Cargo.toml`, and the changelog.

use super::tidy::source::document;

/// The version, and the date or the word, of the first section of a changelog.
fn first_section(changelog: &str) -> Option<(&str, &str)> {
    let head = changelog.lines().find_map(|line| line.strip_prefix("## ["))?;
    head.split_once("] - ")
}

/// Returns true for a date such as 2027-01-31.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    parts.iter().map(|part| part.len()).eq([4, 2, 2]) && parts.iter().all(is_number)
}

#[test]
fn the_changelog_begins_with_the_version_of_the_manifest() {
    let changelog = document("CHANGELOG.md");
    let (version, date) = first_section(&changelog).expect("CHANGELOG.md: `## [X.Y.Z] - DATE`");
    assert_eq!(version, env!("CARGO_PKG_VERSION"), "CHANGELOG.md");
    assert!(date == "unreleased" || is_date(date), "CHANGELOG.md: {date}");
}

#[test]
fn a_section_has_a_version_and_a_date() {
    assert_eq!(first_section("# C\n\n## [1.2.3] - 2027-01-31\n"), Some(("1.2.3", "2027-01-31")));
    assert_eq!(first_section("# C\n\n## [Unreleased]\n"), None);
    assert!(is_date("2027-01-31"));
    assert!(!is_date("soon") && !is_date("2027-1-31"));
}
