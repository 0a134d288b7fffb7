//! The list of a directory, as a page or as JSON. Must not know requests.

use std::fmt::Write;
use std::fs::File;
use std::os::fd::OwnedFd;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::facts::{Facts, FileKind, http_date};

/// The form of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Html,
    Json,
}

impl Form {
    /// Returns JSON if the client accepts it and no page; `accept` is the value of `Accept`.
    pub(super) fn of(accept: &str) -> Form {
        match accept.contains("application/json") && !accept.contains("text/html") {
            true => Form::Json,
            false => Form::Html,
        }
    }
}

/// Fits a page to narrow screens, which leave the date out.
const STYLE: &str = "\
body { max-width: 60rem; margin: 0 auto; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; overflow-wrap: anywhere; }
html { color: #1d2733; background: #f6f7f9; }
a { color: #0b5d8a; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .3rem .6rem .3rem 0; text-align: left; }
td { border-top: 1px solid GrayText; overflow-wrap: anywhere; }
td + td, th + th { white-space: nowrap; font-variant-numeric: tabular-nums; }
td:nth-child(2), th:nth-child(2) { text-align: right; }
@media (prefers-color-scheme: dark) {
  html { color: #dde3ea; background: #12161c; }
  a { color: #7cc4f0; }
}
@media (max-width: 40rem) { td:nth-child(3), th:nth-child(3) { display: none; } }
";

/// Nothing but the style, by its SHA-256 (CSP Level 3, section 2.3.1): `tests/browser/run files`
/// fails if they differ.
pub(super) const POLICY: &str =
    "default-src 'none'; style-src 'sha256-L+h4mamptsJElxAZYDDnKB6+rexWZEgaHeniiQt+VbA='";

/// The most entries of a list, to bound its memory.
pub(super) const MAX_ENTRIES: usize = 10_000;

/// An entry of a directory.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) facts: Facts,
}

/// The entries that are served, and whether there are more than fit.
pub(super) struct Listing {
    entries: Vec<Entry>,
    extent: Extent,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Complete,
    Cut,
}

impl Listing {
    /// Reads a directory. `look` returns the facts about an entry, or `None` if it is not served.
    pub(super) fn read(
        dir: File,
        mut look: impl FnMut(&str) -> Option<Facts>,
    ) -> std::io::Result<Listing> {
        let mut listing = Listing { entries: Vec::new(), extent: Extent::Complete };
        for entry in rustix::fs::Dir::new(OwnedFd::from(dir))? {
            let entry = entry?;
            // A name that is not UTF-8 has no path that a route gets.
            let Ok(name) = entry.file_name().to_str() else { continue };
            if matches!(name, "." | "..") {
                continue;
            }
            let Some(facts) = look(name) else { continue };
            if listing.entries.len() == MAX_ENTRIES {
                listing.extent = Extent::Cut;
                break;
            }
            listing.entries.push(Entry { name: name.to_owned(), facts });
        }
        let is_file = |entry: &Entry| entry.facts.kind != FileKind::Directory;
        listing.entries.sort_by(|a, b| (is_file(a), &a.name).cmp(&(is_file(b), &b.name)));
        Ok(listing)
    }

    /// Returns the page of the directory with this path below the root.
    pub(super) fn html(&self, path: &str) -> String {
        let mut page = String::from(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>/",
        );
        escape_html(&mut page, path);
        let _ = write!(page, "</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>/");
        escape_html(&mut page, path);
        page.push_str(
            "</h1>\n<table>\n<tr><th scope=\"col\">Name</th><th scope=\"col\">Bytes</th>\
             <th scope=\"col\">Changed</th></tr>\n",
        );
        if !path.is_empty() {
            page.push_str("<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n");
        }
        for Entry { name, facts } in &self.entries {
            let slash = if facts.kind == FileKind::Directory { "/" } else { "" };
            // The dot keeps a name with a colon from being a scheme.
            let href = utf8_percent_encode(name, SEGMENT);
            // A string accepts everything, here and below.
            let _ = write!(page, "<tr><td><a href=\"./{href}{slash}\">");
            escape_html(&mut page, name);
            let _ = write!(page, "{slash}</a></td><td>");
            if facts.kind == FileKind::File {
                let _ = write!(page, "{}", facts.size);
            }
            let date = http_date(facts.modified_second());
            let _ = writeln!(page, "</td><td>{date}</td></tr>");
        }
        page.push_str("</table>\n");
        if self.extent == Extent::Cut {
            let _ = writeln!(page, "<p>Only {MAX_ENTRIES} entries are shown.</p>");
        }
        page.push_str("</main>\n</body>\n</html>\n");
        page
    }

    /// Returns the list as a JSON object.
    pub(super) fn json(&self) -> String {
        let mut text = String::from("{\"entries\":[");
        for (at, Entry { name, facts }) in self.entries.iter().enumerate() {
            text.push_str(if at == 0 { "\n{\"name\":\"" } else { ",\n{\"name\":\"" });
            escape_json(&mut text, name);
            let kind = match facts.kind {
                FileKind::Directory => "directory",
                _ => "file",
            };
            let _ = write!(text, "\",\"type\":\"{kind}\"");
            if facts.kind == FileKind::File {
                let _ = write!(text, ",\"size\":{}", facts.size);
            }
            let _ = write!(text, ",\"modified\":{}}}", facts.modified_second());
        }
        let _ = writeln!(text, "\n],\"complete\":{}}}", self.extent == Extent::Complete);
        text
    }
}

/// The bytes of a segment that need no encoding: RFC 3986, section 2.3.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Appends text to a page, in an element or in a quoted attribute.
fn escape_html(page: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            c => page.push(c),
        }
    }
}

/// Appends text to a string of JSON (RFC 8259, section 7). `<` and the line separators are escaped
/// as well, for pages that embed the list in a script.
fn escape_json(json: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\0'..='\x1f' | '\x7f' | '<' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
}
