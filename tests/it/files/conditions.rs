//! Conditional requests: RFC 9110, section 13.

use socketserver::services::web::Method;

use super::{AFTER, BEFORE, LAST_MODIFIED, ask, client, directory};

const MATCH: &str = "if-match";
const NONE_MATCH: &str = "if-none-match";
const MODIFIED_SINCE: &str = "if-modified-since";
const UNMODIFIED_SINCE: &str = "if-unmodified-since";

/// Fields, of which `@` stands for the tag of the file, and the status of the answer.
type Row = (&'static str, &'static [(&'static str, &'static str)], u16);

const ROWS: &[Row] = &[
    ("13.1.1: the tag", &[(MATCH, "@")], 200),
    ("13.1.1: one of the tags", &[(MATCH, "\"a\", @")], 200),
    ("5.3: several fields are one list", &[(MATCH, "\"a\""), (MATCH, "@")], 200),
    ("13.1.1: any", &[(MATCH, "*")], 200),
    ("13.1.1: another tag", &[(MATCH, "\"a\"")], 412),
    ("13.1.1: a weak tag does not match", &[(MATCH, "W/@")], 412),
    ("8.8.3: a comma is part of a tag", &[(MATCH, "\"a,b\", @")], 200),
    ("13.1.1: malformed", &[(MATCH, "a, @")], 412),
    ("13.1.1: empty", &[(MATCH, "")], 412),
    ("13.1.2: the tag", &[(NONE_MATCH, "@")], 304),
    ("13.1.2: weak comparison", &[(NONE_MATCH, "W/@")], 304),
    ("13.1.2: one of the tags", &[(NONE_MATCH, "\"a\", W/\"b\" ,@")], 304),
    ("13.1.2: any", &[(NONE_MATCH, "*")], 304),
    ("13.1.2: another tag", &[(NONE_MATCH, "\"a\"")], 200),
    ("13.1.2: malformed", &[(NONE_MATCH, "\"a")], 200),
    ("13.1.3: the same time", &[(MODIFIED_SINCE, LAST_MODIFIED)], 304),
    ("13.1.3: later", &[(MODIFIED_SINCE, AFTER)], 304),
    ("13.1.3: earlier", &[(MODIFIED_SINCE, BEFORE)], 200),
    ("13.1.3: not a date", &[(MODIFIED_SINCE, "yesterday")], 200),
    ("5.6.7: the obsolete forms", &[(MODIFIED_SINCE, "Saturday, 05-Nov-94 01:46:40 GMT")], 304),
    ("5.6.7: the obsolete forms", &[(MODIFIED_SINCE, "Sat Nov  5 01:46:40 1994")], 304),
    ("13.1.4: the same time", &[(UNMODIFIED_SINCE, LAST_MODIFIED)], 200),
    ("13.1.4: later", &[(UNMODIFIED_SINCE, AFTER)], 200),
    ("13.1.4: earlier", &[(UNMODIFIED_SINCE, BEFORE)], 412),
    ("13.1.4: not a date", &[(UNMODIFIED_SINCE, "tomorrow")], 200),
    ("13.2.2: 1 before 2", &[(MATCH, "@"), (UNMODIFIED_SINCE, BEFORE)], 200),
    ("13.2.2: 1 before 2", &[(MATCH, "\"a\""), (UNMODIFIED_SINCE, AFTER)], 412),
    ("13.2.2: 1 before 3", &[(NONE_MATCH, "@"), (MATCH, "\"a\"")], 412),
    ("13.2.2: 1, then 3", &[(NONE_MATCH, "@"), (MATCH, "@")], 304),
    ("13.2.2: 1, then 4", &[(MODIFIED_SINCE, AFTER), (MATCH, "@")], 304),
    ("13.2.2: 2 before 3", &[(UNMODIFIED_SINCE, BEFORE), (NONE_MATCH, "@")], 412),
    ("13.2.2: 2, then 3", &[(UNMODIFIED_SINCE, AFTER), (NONE_MATCH, "@")], 304),
    ("13.2.2: 3 before 4", &[(NONE_MATCH, "\"a\""), (MODIFIED_SINCE, AFTER)], 200),
    ("13.2.2: 3 before 4", &[(NONE_MATCH, "@"), (MODIFIED_SINCE, BEFORE)], 304),
    ("13.2.2: 3 before 5", &[(NONE_MATCH, "@"), ("range", "bytes=0-0")], 304),
    ("13.2.2: 1 before 5", &[(MATCH, "\"a\""), ("range", "bytes=9-")], 412),
    ("13.1.5: the tag", &[("if-range", "@"), ("range", "bytes=0-0")], 206),
    ("13.1.5: another tag", &[("if-range", "\"a\""), ("range", "bytes=0-0")], 200),
    ("13.1.5: a weak tag", &[("if-range", "W/@"), ("range", "bytes=0-0")], 200),
    ("13.1.5: the date", &[("if-range", LAST_MODIFIED), ("range", "bytes=0-0")], 206),
    ("13.1.5: a later date", &[("if-range", AFTER), ("range", "bytes=0-0")], 200),
    ("13.1.5: malformed", &[("if-range", "a"), ("range", "bytes=0-0")], 200),
    ("13.1.5: without a range", &[("if-range", "@")], 200),
    ("13.1.5: no 416 for another file", &[("if-range", "\"a\""), ("range", "bytes=9-")], 200),
    ("13.2.2: 4, then 5", &[("if-range", "@"), ("range", "bytes=9-")], 416),
];

#[test]
fn conditions_are_evaluated_in_their_order() {
    let dir = directory(&[("a.txt", "hello")]);
    let mut client = client(dir.path());
    let tag = client.get("/f/a.txt").header("etag").unwrap().to_owned();
    for (rule, fields, status) in ROWS {
        let fields = fields.iter().map(|(name, value)| (*name, value.replace('@', &tag)));
        let fields: Vec<(&str, String)> = fields.collect();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, &**v)).collect();
        let answer = ask(&mut client, Method::GET, "/f/a.txt", &fields);
        assert_eq!(answer.status(), *status, "{rule}: {fields:?}");
        if matches!(status, 200 | 206 | 304) {
            assert_eq!(answer.header("etag"), Some(&*tag), "{rule}");
            assert_eq!(answer.header("last-modified"), Some(LAST_MODIFIED), "{rule}");
            assert_eq!(answer.header("vary"), Some("accept-encoding"), "{rule}");
        }
        // RFC 9110, sections 9.3.2 and 14.2: the same without a body, and without ranges.
        let head = ask(&mut client, Method::HEAD, "/f/a.txt", &fields);
        let expected = if matches!(status, 206 | 416) { 200 } else { *status };
        assert_eq!((head.status(), head.body()), (expected, &b""[..]), "{rule}");
        if expected == 200 {
            assert_eq!(head.header("content-length"), Some("5"));
        }
    }
}

#[test]
fn the_tag_changes_with_the_file() {
    let dir = directory(&[("a", "one"), ("b", "one")]);
    let mut client = client(dir.path());
    let mut tags: Vec<String> = Vec::new();
    let mut note = |name: &str| {
        let tag = client.get(&format!("/f/{name}")).header("etag").unwrap().to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag} is strong");
        assert!(!tags.contains(&tag), "{tag} is new");
        tags.push(tag);
    };
    note("a");
    note("b");
    super::put(dir.path(), "a", "longer");
    note("a");
    super::date(&dir.path().join("a"), super::MODIFIED + 1);
    note("a");
    std::fs::rename(dir.path().join("b"), dir.path().join("c")).unwrap();
    super::put(dir.path(), "b", "one");
    note("b");
}

#[test]
fn a_file_from_the_future_is_as_old_as_its_answer() {
    // RFC 9110, section 8.8.2.1. The clock of the network is at 784111777.
    let dir = directory(&[("a.txt", "hello")]);
    super::date(&dir.path().join("a.txt"), 900_000_000);
    let answer = client(dir.path()).get("/f/a.txt");
    assert_eq!(answer.header("last-modified"), answer.header("date"));
}
