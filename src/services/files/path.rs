//! The path of a file below the root, from the path of a request. Must not know the file system.

use percent_encoding::percent_decode_str;

/// A path below the root that is safe to open: no empty segment, no `.` or `..`, no NUL, no slash
/// that was encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FilePath {
    /// The segments, joined by slashes; empty for the root.
    pub(super) text: String,
    /// The path of the request ends with a slash: it names a directory.
    pub(super) has_slash: bool,
}

impl FilePath {
    /// Reads the path after the prefix of the route, percent-encoded as the client has sent it.
    /// Returns `None` if no file can have it. Names that begin with a dot are `hidden`, except
    /// `.well-known` (RFC 8615).
    pub(super) fn parse(encoded: &str, hidden: Hidden) -> Option<FilePath> {
        let (body, has_slash) = match encoded.strip_suffix('/') {
            Some(body) => (body, true),
            None => (encoded, encoded.is_empty()),
        };
        if body.is_empty() {
            // A slash alone would be an empty segment.
            return encoded.is_empty().then(|| FilePath { text: String::new(), has_slash });
        }
        let mut text = String::with_capacity(body.len());
        for segment in body.split('/') {
            let name = percent_decode_str(segment).decode_utf8().ok()?;
            let is_plain = !matches!(&*name, "" | "." | "..") && !name.contains(['/', '\0']);
            if !is_plain || !hidden.shows(&name) {
                return None;
            }
            if !text.is_empty() {
                text.push('/');
            }
            text.push_str(&name);
        }
        Some(FilePath { text, has_slash })
    }

    /// Returns the path of an entry of this directory.
    pub(super) fn entry(&self, name: &str) -> String {
        match self.text.is_empty() {
            true => name.to_owned(),
            false => format!("{}/{name}", self.text),
        }
    }
}

/// The treatment of names that begin with a dot, such as `.git` and `.env`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hidden {
    Refused,
    Served,
}

impl Hidden {
    /// Returns true if a file with this name is served.
    pub(super) fn shows(self, name: &str) -> bool {
        self == Hidden::Served || !name.starts_with('.') || name == ".well-known"
    }
}

/// Returns the end of `path` that was decoded to `rest`, as the client has sent it. The decoded
/// text does not show which slashes were encoded.
pub(super) fn encoded_rest<'a>(path: &'a str, rest: &str) -> Option<&'a str> {
    let ends = path.match_indices('/').filter_map(|(at, _)| path.get(at + 1..));
    ends.filter(|end| end.len() >= rest.len()).find(|end| percent_decode_str(end).eq(rest.bytes()))
}
