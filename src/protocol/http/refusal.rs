//! Refusals: the status to answer a bad request with, and the fault.

use crate::close::Close;

/// The reason why a request is refused: the status to answer with, and the fault. Parsers return it
/// by reference, so that all of their results fit into two machine words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: u16,
    pub(super) why: &'static str,
}

pub(super) type Parsed<T> = Result<T, &'static Refusal>;

impl From<&Refusal> for Close {
    fn from(refusal: &Refusal) -> Close {
        Close::Malformed { code: refusal.code, why: refusal.why }
    }
}
