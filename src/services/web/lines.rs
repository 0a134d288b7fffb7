//! Fields of an answer as the lines that are sent. Knows no answer.

use std::fmt;

use http::{HeaderName, HeaderValue};

use crate::protocol::http::Fields;

/// Field lines, each with its CR LF.
#[derive(Default)]
pub(super) struct Lines(Vec<u8>);

impl Lines {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn iter(&self) -> Fields<'_> {
        Fields::new(&self.0)
    }

    pub(super) fn push(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.0.extend_from_slice(name.as_str().as_bytes());
        self.0.extend_from_slice(b": ");
        self.0.extend_from_slice(value.as_bytes());
        self.0.extend_from_slice(b"\r\n");
    }

    pub(super) fn append(&mut self, others: &Lines) {
        self.0.extend_from_slice(&others.0);
    }

    /// Removes all lines of this name.
    pub(super) fn remove(&mut self, name: &HeaderName) {
        let mut rest = Vec::with_capacity(self.0.len());
        for line in self.0.split_inclusive(|byte| *byte == b'\n') {
            let len = name.as_str().len();
            let is_it = line.get(len) == Some(&b':') && line.starts_with(name.as_str().as_bytes());
            if !is_it {
                rest.extend_from_slice(line);
            }
        }
        self.0 = rest;
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}
