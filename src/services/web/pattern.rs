//! Paths with parameters: how they are written, and which paths they match. Knows no route.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// A pattern without the names of its parameters: two that are equal match the same paths.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Pattern(Vec<Segment>);

/// In the order of their precedence.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Segment {
    Fixed(Box<str>),
    /// Any one segment that is not empty.
    Param,
    /// All that follows, unless it is empty.
    Rest,
}

/// The decoded parameters of the start of a path, and the rest of it.
type Start<'a> = (Vec<Cow<'a, str>>, Option<&'a [u8]>);

/// The names of the parameters of a pattern.
pub(super) type Names = Vec<Box<str>>;

/// The values of a path's parameters, in order.
type Values<'a> = Vec<Cow<'a, str>>;

impl Pattern {
    /// Reads a pattern: `/files/{id}/{*path}`.
    ///
    /// # Errors
    ///
    /// The rule that it breaks, as the end of a sentence that begins with the pattern.
    pub(super) fn parse(text: &str) -> Result<(Pattern, Names), String> {
        let Some(path) = text.strip_prefix('/') else {
            return Err("must begin with '/'".to_owned());
        };
        if let Some(byte) = text.chars().find(|c| matches!(c, '?' | '#')) {
            return Err(format!("must not contain '{byte}', for only the path is matched"));
        }
        let (mut segments, mut names) = (Vec::new(), Names::new());
        for segment in path.split('/') {
            if matches!(segments.last(), Some(Segment::Rest)) {
                return Err("must end with its {*name}".to_owned());
            }
            let (segment, name) = Segment::parse(segment, text)?;
            segments.push(segment);
            names.extend(name.map(Box::from));
        }
        check_names(&names)?;
        Ok((Pattern(segments), names))
    }

    /// Reads the prefix of a nested router.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Pattern::parse).
    pub(super) fn parse_prefix(text: &str) -> Result<(Pattern, Names), String> {
        let (pattern, names) = Pattern::parse(text)?;
        match pattern.0.last() {
            Some(Segment::Rest) => Err("must not contain {*name}".to_owned()),
            Some(Segment::Fixed(last)) if last.is_empty() => {
                Err("must not end with '/'".to_owned())
            }
            _ => Ok((pattern, names)),
        }
    }

    /// Returns this pattern below a prefix; `/` is the prefix itself.
    pub(super) fn below(&self, prefix: &Pattern) -> Pattern {
        let is_root = matches!(&*self.0, [Segment::Fixed(only)] if only.is_empty());
        let own = if is_root { &[] } else { &*self.0 };
        Pattern([&*prefix.0, own].concat())
    }

    /// Returns the path, if it is the only one that matches.
    pub(super) fn fixed(&self) -> Option<String> {
        let mut path = String::new();
        for segment in &self.0 {
            let Segment::Fixed(text) = segment else { return None };
            path.push('/');
            path.push_str(text);
        }
        Some(path)
    }

    /// Returns the decoded parameters, if `path` matches.
    pub(super) fn matches<'a>(&self, path: &'a [u8]) -> Option<Values<'a>> {
        let (values, rest) = self.matches_start(path)?;
        rest.is_none().then_some(values)
    }

    /// Returns true if `path` is one of those below this prefix, or the prefix itself.
    pub(super) fn is_start_of(&self, path: &[u8]) -> bool {
        self.matches_start(path).is_some()
    }

    /// Matches the first segments. Returns the parameters and the rest of the path.
    fn matches_start<'a>(&self, path: &'a [u8]) -> Option<Start<'a>> {
        let mut values = Vec::new();
        let mut rest = path.strip_prefix(b"/");
        for segment in &self.0 {
            let remaining = rest?;
            let (text, next) = match memchr::memchr(b'/', remaining) {
                Some(at) if *segment != Segment::Rest => {
                    (remaining.get(..at)?, remaining.get(at + 1..))
                }
                _ => (remaining, None),
            };
            let text = percent_decode(text).decode_utf8().ok()?;
            match segment {
                Segment::Fixed(fixed) if **fixed == *text => {}
                Segment::Param | Segment::Rest if !text.is_empty() => values.push(text),
                _ => return None,
            }
            rest = next;
        }
        Some((values, rest))
    }
}

impl Segment {
    /// Reads a segment of the pattern `text`. Returns it with the name of its parameter.
    fn parse<'a>(segment: &'a str, text: &str) -> Result<(Segment, Option<&'a str>), String> {
        let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let (segment, name) = match name {
            None if segment.contains('*') => {
                let instead = text.replacen(segment, "{*path}", 1);
                return Err(format!("must not contain '*': write {instead}"));
            }
            None if segment.contains(['{', '}']) => {
                return Err(format!("must not have braces within the segment '{segment}'"));
            }
            None => return Ok((Segment::Fixed(segment.into()), None)),
            Some(name) => match name.strip_prefix('*') {
                Some(name) => (Segment::Rest, name),
                None => (Segment::Param, name),
            },
        };
        if name.is_empty() || name.contains(['{', '}', '*']) {
            return Err("must have a name in each pair of braces".to_owned());
        }
        Ok((segment, Some(name)))
    }
}

/// Checks that a pattern has each name once.
///
/// # Errors
///
/// As for [`Pattern::parse`].
pub(super) fn check_names(names: &[Box<str>]) -> Result<(), String> {
    for (at, name) in names.iter().enumerate() {
        if names.iter().take(at).any(|other| other == name) {
            return Err(format!("must not have {{{name}}} twice"));
        }
    }
    Ok(())
}
