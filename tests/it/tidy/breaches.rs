//! The rules that the sources do not keep yet, rule by rule and folder by folder. These lists only
//! shrink: a rule fails for what is not listed, and for what is listed and no longer true.

/// Files that are too long.
pub(super) const LENGTH: &[&str] = &[];

/// Types with too many methods: the file that defines the type, and its name.
pub(super) const METHODS: &[&str] = &[];

/// Types whose methods stand in too many files, likewise.
pub(super) const SPREAD: &[&str] = &[];

/// Files that are part of a cycle.
pub(super) const CYCLES: &[&str] = &[];

/// Something that a rule has found.
pub(super) struct Breach {
    /// What its line in the list is.
    pub(super) key: String,
    pub(super) message: String,
}

/// Returns what to say of breaches that are not listed, and of lines of the list that are outdated.
pub(super) fn unlisted(list: &str, listed: &[&str], found: Vec<Breach>) -> Vec<String> {
    let is_found = |key: &str| found.iter().any(|breach| breach.key == key);
    let mended = listed.iter().filter(|key| !is_found(key)).map(|key| {
        format!("tests/it/tidy/breaches.rs: `{key}` is mended: delete its line in {list}")
    });
    let mended: Vec<String> = mended.collect();
    let new = found.into_iter().filter(|breach| !listed.contains(&&*breach.key));
    new.map(|breach| breach.message).chain(mended).collect()
}

#[test]
fn the_lists_only_shrink() {
    let found = |keys: &[&str]| {
        let breach = |key: &&str| Breach { key: (*key).to_owned(), message: format!("new {key}") };
        unlisted("LIST", &["a", "b"], keys.iter().map(breach).collect())
    };
    assert_eq!(found(&["a", "b"]), [""; 0]);
    assert_eq!(found(&["a", "b", "c"]), ["new c"]);
    assert_eq!(
        found(&["a"]),
        ["tests/it/tidy/breaches.rs: `b` is mended: delete its line in LIST"]
    );
}
