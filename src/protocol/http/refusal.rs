//! Refusals: the status to answer a bad request with, and what is wrong with it.

use crate::close::Close;

/// Why a request is refused: the status to answer with, and what was wrong. Parsers pass it on
/// by reference: two machine words carry any of their results.
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
