//! The sources and the documents.

pub(crate) mod docs;
pub(crate) mod tidy;
