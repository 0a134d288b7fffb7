//! The sources and the documents.

pub(crate) mod compiler_errors;
pub(crate) mod docs;
pub(crate) mod features;
pub(crate) mod guides;
pub(crate) mod public_api;
pub(crate) mod releases;
pub(crate) mod tidy;
