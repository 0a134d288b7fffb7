//! Ranges: RFC 9110, section 14.

use std::time::Duration;

use socketserver::services::web::Method;

use super::{ask, client, directory};

/// A field, the status, `Content-Range`, and the body.
type Row = (&'static str, &'static str, u16, Option<&'static str>, &'static str);

/// The file has the ten digits.
const ROWS: &[Row] = &[
    ("14.1.2: the first bytes", "bytes=0-4", 206, Some("bytes 0-4/10"), "01234"),
    ("14.1.2: one byte", "bytes=9-9", 206, Some("bytes 9-9/10"), "9"),
    ("14.1.2: to the end", "bytes=7-", 206, Some("bytes 7-9/10"), "789"),
    ("14.1.2: beyond the end", "bytes=7-99", 206, Some("bytes 7-9/10"), "789"),
    ("14.1.2: the last bytes", "bytes=-2", 206, Some("bytes 8-9/10"), "89"),
    ("14.1.2: more than all", "bytes=-99", 206, Some("bytes 0-9/10"), "0123456789"),
    ("14.1.2: all", "bytes=0-", 206, Some("bytes 0-9/10"), "0123456789"),
    ("14.1.2: none of the last", "bytes=-0", 416, Some("bytes */10"), ""),
    ("14.1.2: after the end", "bytes=10-", 416, Some("bytes */10"), ""),
    ("14.1.2: far after it", "bytes=99999999999999999999999-", 416, Some("bytes */10"), ""),
    ("14.1.2: to far after it", "bytes=9-99999999999999999999", 206, Some("bytes 9-9/10"), "9"),
    ("14.1.2: a satisfiable one of two", "bytes=10-,0-0", 206, Some("bytes 0-0/10"), "0"),
    ("14.1: units ignore case", "BYTES=0-0", 206, Some("bytes 0-0/10"), "0"),
    ("5.6.1: empty elements", "bytes= ,0-0,,", 206, Some("bytes 0-0/10"), "0"),
    ("14.2: another unit", "lines=0-4", 200, None, "0123456789"),
    ("14.2: backwards", "bytes=4-0", 200, None, "0123456789"),
    ("14.2: empty", "", 200, None, "0123456789"),
    ("14.2: nothing", "bytes=", 200, None, "0123456789"),
    ("14.2: only a dash", "bytes=-", 200, None, "0123456789"),
    ("14.2: not a number", "bytes=a-b", 200, None, "0123456789"),
    ("14.2: a sign", "bytes=+1-2", 200, None, "0123456789"),
    ("14.2: two dashes", "bytes=1--2", 200, None, "0123456789"),
    ("14.2: one is malformed", "bytes=0-0,x", 200, None, "0123456789"),
    (
        "15.3.7.2: overlapping ranges are joined",
        "bytes=0-4,3-6",
        206,
        Some("bytes 0-6/10"),
        "0123456",
    ),
    ("15.3.7.2: and those that are near", "bytes=8-8,0-0", 206, Some("bytes 0-8/10"), "012345678"),
];

#[test]
fn ranges_of_a_small_file() {
    let dir = directory(&[("a.txt", "0123456789")]);
    let mut client = client(dir.path());
    for (rule, field, status, content_range, body) in ROWS {
        let answer = ask(&mut client, Method::GET, "/f/a.txt", &[("range", field)]);
        assert_eq!(answer.status(), *status, "{rule}");
        assert_eq!(answer.header("content-range"), *content_range, "{rule}");
        if *status != 416 {
            assert_eq!(answer.text(), *body, "{rule}");
            assert_eq!(answer.header("accept-ranges"), Some("bytes"), "{rule}");
        }
    }
    // Two fields are not one range.
    let twice = [("range", "bytes=0-0"), ("range", "bytes=2-2")];
    assert_eq!(ask(&mut client, Method::GET, "/f/a.txt", &twice).status(), 200);
}

#[test]
fn an_empty_file_has_no_ranges() {
    let dir = directory(&[("a.txt", "")]);
    let mut client = client(dir.path());
    for (field, status) in [("bytes=0-", 416), ("bytes=-5", 200), ("bytes=0-0,-1", 200)] {
        let answer = ask(&mut client, Method::GET, "/f/a.txt", &[("range", field)]);
        assert_eq!((answer.status(), answer.header("content-length").is_some()), (status, true));
    }
}

/// The parts of a `multipart/byteranges` body: `Content-Range` and bytes.
fn parts(content_type: &str, body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let text: String = body.iter().map(|byte| char::from(*byte)).collect();
    let (parts, rest) = text.rsplit_once(&format!("\r\n--{boundary}--\r\n")).unwrap();
    assert_eq!(rest, "");
    let mut found = Vec::new();
    for part in parts.split(&format!("\r\n--{boundary}\r\n")).skip(1) {
        let (head, bytes) = part.split_once("\r\n\r\n").unwrap();
        let range = head.strip_prefix("Content-Type: text/plain; charset=utf-8\r\nContent-Range: ");
        let bytes = bytes.chars().map(|c| c as u8).collect();
        found.push((range.unwrap().to_owned(), bytes));
    }
    found
}

#[test]
fn several_ranges_are_parts_in_their_order() {
    let content: String = (0..20_000).map(|n| format!("{n:05}")).collect();
    let dir = directory(&[("a.txt", &content)]);
    let mut client = client(dir.path());
    let fields = [("range", "bytes=50000-50009, 0-4, -5, 50005-50019")];
    let answer = ask(&mut client, Method::GET, "/f/a.txt", &fields);
    assert_eq!((answer.status(), answer.header("content-range")), (206, None));
    let found = parts(answer.header("content-type").unwrap(), answer.body());
    let expected: Vec<(String, Vec<u8>)> = [
        ("bytes 50000-50019/100000", &content[50_000..50_020]),
        ("bytes 0-4/100000", "00000"),
        ("bytes 99995-99999/100000", "19999"),
    ]
    .map(|(range, bytes)| (range.to_owned(), bytes.as_bytes().to_vec()))
    .to_vec();
    assert_eq!(found, expected);
}

#[test]
fn no_set_of_ranges_costs_more_than_the_file() {
    let content = "x".repeat(10_000);
    let dir = directory(&[("a.txt", &content)]);
    let mut client = client(dir.path());
    let many = |one: &dyn Fn(u64) -> String, count: u64| {
        format!("bytes={}", (0..count).map(one).collect::<Vec<String>>().join(","))
    };
    let sets = [
        many(&|_| "0-".to_owned(), 1000),
        many(&|n| format!("{n}-"), 1000),
        many(&|n| format!("{}-{}", 2 * n, 2 * n), 1000),
        many(&|n| format!("-{n}"), 16),
        many(&|n| format!("{}-{}", 600 * n, 600 * n + 450), 16),
        many(&|n| format!("{}-", 9999 - 600 * n), 16),
    ];
    for set in sets {
        let answer = ask(&mut client, Method::GET, "/f/a.txt", &[("range", &*set)]);
        assert!(answer.body().len() <= content.len(), "{set}: {}", answer.body().len());
        assert!(matches!(answer.status(), 200 | 206));
    }
    client.advance(Duration::ZERO);
}
