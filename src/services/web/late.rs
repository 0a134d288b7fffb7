//! An answer that is made elsewhere: by a worker, or by the holder of the reply. Knows no connection.

use super::draft::{Draft, Work};
use super::failure::Failure;
use super::pending::Kept;
use super::response::Response;
use crate::panics;
use crate::protocol::http::Head;

/// An answer that is made elsewhere, until it is there.
pub(super) struct Late {
    /// As it was sent: it is parsed again when the answer is there.
    pub(super) head: Vec<u8>,
    pub(super) draft: Draft,
    /// `None` if a worker makes it.
    pub(super) kept: Option<Kept>,
}

/// The answer of a worker, as a notification.
pub(super) struct Worked(pub(super) Result<Response, Failure>);

impl Late {
    pub(super) fn new(head: &Head<'_>, draft: Draft, kept: Option<Kept>) -> Box<Late> {
        Box::new(Late { head: head.as_bytes().to_vec(), draft, kept })
    }

    /// Returns the answer with the fields that were given to the reply.
    pub(super) fn complete(
        &mut self,
        answer: Result<Response, Failure>,
    ) -> Result<Response, Failure> {
        let mut response = answer?;
        if let Some(extras) = &mut self.draft.extras {
            response.add_fields(&mut extras.fields);
        }
        response.checked()
    }
}

/// Makes an answer, on a worker.
pub(super) fn work_off(work: Work) -> Worked {
    let made = panics::catch(work);
    Worked(made.unwrap_or_else(|said| Err(Failure::internal(format!("panicked: {said}")))))
}
