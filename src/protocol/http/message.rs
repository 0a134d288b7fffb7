//! The messages that input is decoded into.

use super::head::Head;

/// What a request consists of: a head, and if [`Head::has_body`], pieces of its body up to the
/// one that is the last.
#[derive(Debug)]
pub enum Message<'a> {
    /// The head of a request.
    Head(Head<'a>),
    /// A piece of its body, as it came: how it is cut means nothing.
    Body {
        /// The bytes; the last piece may have none.
        bytes: &'a [u8],
        /// Whether the request is now complete.
        is_last: bool,
    },
}
