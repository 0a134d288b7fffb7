//! The tables of requests and answers, as text. Must not know their use.
//!
//! A line `## SECTION: SUBJECT` begins a group. Each further line is a case: the statuses of the
//! answers, separated by commas, and the input. An exclamation mark after the statuses means that
//! the connection is closed. Lines that begin with `# ` are comments.
//!
//! In inputs, `\r`, `\n`, `\t`, `\0`, `\\` and `\xNN` stand for these bytes, and `@get`, `@post`
//! and `@chunked` for the beginning of a request: the request line, Host, and for the last one also
//! the coding and the end of the head.

use super::case::{Expected, HttpCase};

const TABLES: [&str; 7] = [
    include_str!("methods.txt"),
    include_str!("targets.txt"),
    include_str!("hosts.txt"),
    include_str!("head.txt"),
    include_str!("expectations.txt"),
    include_str!("framing.txt"),
    include_str!("chunks.txt"),
];

/// Returns the cases of all tables.
pub(super) fn cases() -> impl Iterator<Item = HttpCase> {
    TABLES.into_iter().flat_map(|table| {
        let mut group = ("", "");
        table.lines().filter_map(move |line| {
            if let Some(title) = line.strip_prefix("## ") {
                group = title.split_once(": ").unwrap_or((title, ""));
                return None;
            }
            case(group, line)
        })
    })
}

fn case((section, subject): (&'static str, &str), line: &str) -> Option<HttpCase> {
    let (answers, text) = line.split_once(' ')?;
    let list = answers.trim_end_matches('!');
    let statuses = list.split(',').map(|status| status.parse().ok()).collect::<Option<_>>()?;
    let expected = match list == answers {
        true => Expected::Open(statuses),
        false => Expected::Closed(statuses),
    };
    Some(HttpCase { name: format!("{subject}: {text}"), input: input(text)?, expected, section })
}

fn input(text: &str) -> Option<Vec<u8>> {
    let (start, text) = match text.split_once(' ') {
        Some(("@get", rest)) => ("GET / HTTP/1.1\r\nHost: h\r\n", rest),
        Some(("@post", rest)) => ("POST / HTTP/1.1\r\nHost: h\r\n", rest),
        Some(("@chunked", rest)) => {
            ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", rest)
        }
        _ => ("", text),
    };
    let mut bytes = start.as_bytes().to_vec();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => escaped(&mut rest)?,
            byte => byte,
        });
    }
    Some(bytes)
}

/// Returns the byte that the characters after a backslash stand for.
fn escaped(rest: &mut impl Iterator<Item = u8>) -> Option<u8> {
    match rest.next()? {
        b'r' => Some(b'\r'),
        b'n' => Some(b'\n'),
        b't' => Some(b'\t'),
        b'0' => Some(0),
        b'\\' => Some(b'\\'),
        b'x' => {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            u8::try_from(digit()? << 4 | digit()?).ok()
        }
        _ => None,
    }
}
