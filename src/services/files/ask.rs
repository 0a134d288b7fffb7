//! A request for a file, without the connection: a worker may answer it.

use super::conditions::Conditions;
use super::listing::Form;
use super::path::{FilePath, Hidden, encoded_rest};
use crate::services::web::{Method, Request};

/// The parts of a request that its answer depends on.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: AskMethod,
    pub(super) path: FilePath,
    /// The address of the same path with a slash, relative to that of the request.
    pub(super) with_slash: String,
    pub(super) conditions: Conditions,
    /// The only `Range` field.
    pub(super) range: Option<String>,
    pub(super) accept_encoding: String,
    pub(super) form: Form,
    /// The second of the answer.
    pub(super) now: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AskMethod {
    Get,
    Head,
}

impl AskMethod {
    /// Returns `None` for a method that files do not have.
    pub(super) fn of<S>(request: &Request<'_, S>) -> Option<AskMethod> {
        match request.method() {
            Method::GET => Some(AskMethod::Get),
            Method::HEAD => Some(AskMethod::Head),
            _ => None,
        }
    }
}

impl Ask {
    /// Returns `None` if no file can have this path.
    pub(super) fn new<S>(
        request: &Request<'_, S>,
        method: AskMethod,
        hidden: Hidden,
        now: u64,
    ) -> Option<Ask> {
        let whole = request.path();
        let path = match request.param("path").as_str() {
            Some(rest) => FilePath::parse(encoded_rest(whole, rest)?, hidden)?,
            // The route of the root itself.
            None => FilePath { text: String::new(), has_slash: whole.ends_with('/') },
        };
        // The dot keeps a segment with a colon from being a scheme; as the address is relative, a
        // path with two slashes cannot name another host.
        let last = whole.rsplit('/').next().unwrap_or_default();
        let mut with_slash = format!("./{last}/");
        if let Some(query) = request.query() {
            with_slash.push('?');
            with_slash.push_str(query);
        }
        let mut ask = Ask {
            method,
            path,
            with_slash,
            conditions: Conditions::default(),
            range: None,
            accept_encoding: String::new(),
            form: Form::Html,
            now,
        };
        ask.take_fields(request);
        Some(ask)
    }

    fn take_fields<S>(&mut self, request: &Request<'_, S>) {
        let mut ranges = 0;
        for (name, value) in request.headers() {
            let Ok(value) = str::from_utf8(value) else { continue };
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            let Conditions {
                if_match,
                if_unmodified_since,
                if_none_match,
                if_modified_since,
                if_range,
            } = &mut self.conditions;
            match name.len() {
                5 if is("range") => {
                    ranges += 1;
                    self.range = Some(value.to_owned()).filter(|_| ranges == 1);
                }
                6 if is("accept") => self.form = Form::of(value),
                8 if is("if-match") => join(if_match, value),
                8 if is("if-range") => *if_range = Some(value.to_owned()),
                13 if is("if-none-match") => join(if_none_match, value),
                15 if is("accept-encoding") => {
                    self.accept_encoding.push_str(value);
                    self.accept_encoding.push(',');
                }
                17 if is("if-modified-since") => *if_modified_since = Some(value.to_owned()),
                19 if is("if-unmodified-since") => *if_unmodified_since = Some(value.to_owned()),
                _ => {}
            }
        }
    }
}

/// Joins the values of several fields with one name (RFC 9110, section 5.2).
fn join(list: &mut Option<String>, value: &str) {
    match list {
        Some(list) => {
            list.push_str(", ");
            list.push_str(value);
        }
        None => *list = Some(value.to_owned()),
    }
}
