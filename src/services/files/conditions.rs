//! Conditional requests, RFC 9110, section 13. Must not know files.

use super::facts::parse_http_date;

/// The fields of a request that are conditions. Several fields of one name are joined.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    pub(super) if_match: Option<String>,
    pub(super) if_unmodified_since: Option<String>,
    pub(super) if_none_match: Option<String>,
    pub(super) if_modified_since: Option<String>,
    pub(super) if_range: Option<String>,
}

/// The validators of the representation that would be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validators<'a> {
    pub(super) tag: &'a str,
    /// The second of the modification.
    pub(super) modified: u64,
    /// The second of the answer.
    pub(super) now: u64,
}

/// The answer that conditions permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The representation, or the part of it that the request asks for.
    Send,
    NotModified,
    PreconditionFailed,
}

impl Conditions {
    /// Evaluates all but `If-Range`, in the order of RFC 9110, section 13.2.2, for `GET` and
    /// `HEAD`.
    pub(super) fn verdict(&self, of: Validators<'_>) -> Verdict {
        let since = |date: &Option<String>| date.as_deref().and_then(parse_http_date);
        let holds = match &self.if_match {
            Some(tags) => matches_any(tags, of.tag, Comparison::Strong),
            None => since(&self.if_unmodified_since).is_none_or(|date| of.modified <= date),
        };
        if !holds {
            return Verdict::PreconditionFailed;
        }
        let is_known = match &self.if_none_match {
            Some(tags) => matches_any(tags, of.tag, Comparison::Weak),
            None => since(&self.if_modified_since).is_some_and(|date| of.modified <= date),
        };
        match is_known {
            true => Verdict::NotModified,
            false => Verdict::Send,
        }
    }

    /// Returns true if a range may be sent (section 13.1.5): the client has another part of the
    /// same representation, or does not say.
    pub(super) fn permit_range(&self, of: Validators<'_>) -> bool {
        let Some(if_range) = self.if_range.as_deref().map(str::trim) else { return true };
        if if_range.starts_with(['"', 'W']) && !if_range.starts_with("Wed") {
            return if_range == of.tag;
        }
        // A date is a strong validator only if it is a second older than the answer (8.8.2.2), and
        // must be the same, not only later.
        let date = parse_http_date(if_range);
        date == Some(of.modified) && of.modified < of.now
    }
}

/// The comparison of entity tags, RFC 9110, section 8.8.3.2.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// Neither may be weak.
    Strong,
    Weak,
}

/// Returns true if `*` or a tag of the list equals `own`, which is strong. Commas may be part of a
/// tag. A list that is malformed matches up to its mistake.
fn matches_any(list: &str, own: &str, comparison: Comparison) -> bool {
    if list.trim() == "*" {
        return true;
    }
    let mut rest = list;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (is_weak, tag) = match rest.strip_prefix("W/") {
            Some(tag) => (true, tag),
            None => (false, rest),
        };
        let Some(inner) = tag.strip_prefix('"') else { return false };
        let Some(len) = inner.find('"') else { return false };
        let (tag, after) = tag.split_at(len + 2);
        if tag == own && (comparison == Comparison::Weak || !is_weak) {
            return true;
        }
        rest = after;
    }
}
