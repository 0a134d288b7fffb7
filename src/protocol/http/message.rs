//! The messages that the decoder makes from the input.

use super::head::Head;

/// A part of a request: the head or, if [`Head::has_body`], one of the pieces of its body, up to
/// the last one.
#[derive(Debug)]
#[non_exhaustive]
pub enum Message<'a> {
    /// The head of a request.
    Head(Head<'a>),
    /// A piece of the body as it arrived: the boundaries of pieces have no meaning.
    Body {
        /// The bytes; may be empty in the last piece.
        bytes: &'a [u8],
        /// True if the request is now complete.
        is_last: bool,
    },
}
