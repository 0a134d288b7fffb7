//! An answer in the making: what is known of it besides its body, how it gets out, and the part
//! of it that does not go out at once.

use std::time::Duration;

use http::StatusCode;

use super::failure::Failure;
use crate::protocol::http::{Answer, Connection, Length, Version};

/// What is known of an answer besides its body.
pub(super) struct Draft {
    pub(super) unix_seconds: u64,
    pub(super) is_head: bool,
    pub(super) version: Version,
    pub(super) connection: Connection,
    pub(super) status: StatusCode,
    /// Most answers have none.
    pub(super) extras: Option<Box<Extras>>,
}

#[derive(Default)]
pub(super) struct Extras {
    pub(super) fields: Vec<u8>,
    /// Instead of the one of the method that answers; empty if there is none.
    pub(super) content_type: Box<str>,
    pub(super) delay: Option<Duration>,
    /// What does not go out at once.
    pub(super) later: Option<Later>,
}

/// The part of an answer that does not go out at once.
pub(super) enum Later {
    After(Duration, Box<Prepared>),
    /// The body is worked out by a worker.
    Work(BodyWork, Box<Prepared>),
    Pieces(Pieces),
}

/// Makes the body of an answer, off the loop.
pub(super) type BodyWork = Box<dyn FnOnce() -> Result<Vec<u8>, Failure> + Send>;

/// A whole answer that waits for its time.
pub(super) struct Prepared {
    pub(super) draft: Draft,
    content_type: Box<str>,
    pub(super) body: Vec<u8>,
}

/// The rest of a body that is made piece by piece.
pub(super) struct Pieces {
    pub(super) source: Box<dyn Iterator<Item = Vec<u8>> + Send>,
    pub(super) chunked: bool,
    pub(super) keep: bool,
}

impl Draft {
    /// An answer with status 200 and no fields of its own.
    pub(super) fn new(version: Version, keep: bool, unix_seconds: u64) -> Draft {
        Draft {
            unix_seconds,
            is_head: false,
            version,
            connection: Connection::new(version, keep),
            status: StatusCode::OK,
            extras: None,
        }
    }

    pub(super) fn keeps(&self) -> bool {
        self.connection != Connection::Close
    }

    /// Writes the answer with its body, unless the status or the method forbid one (RFC 9110,
    /// sections 6.4.1 and 9.3.2).
    pub(super) fn write(&self, out: &mut Vec<u8>, content_type: &str, body: &[u8]) {
        let may_have_body = may_have_body(self.status);
        let length = match may_have_body {
            true => Length::Fixed(body.len() as u64),
            false => Length::Untold,
        };
        self.head(content_type, length).append(out, self.unix_seconds);
        if may_have_body && !self.is_head {
            out.extend_from_slice(body);
        }
    }

    pub(super) fn head<'a>(&'a self, content_type: &'a str, length: Length) -> Answer<'a> {
        let mut answer = Answer {
            status: self.status,
            content_type,
            length,
            connection: self.connection,
            fields: &[],
        };
        if let Some(extras) = &self.extras {
            answer.fields = &extras.fields;
            if !extras.content_type.is_empty() {
                answer.content_type = &extras.content_type;
            }
        }
        answer
    }

    pub(super) fn delay(&self) -> Option<Duration> {
        self.extras.as_ref()?.delay
    }

    /// Keeps the answer for later, with all that was said of it so far.
    #[cold]
    pub(super) fn answer_after(&mut self, delay: Duration, content_type: &str, body: &[u8]) {
        let prepared = self.prepare(content_type, body);
        self.extras.get_or_insert_default().later = Some(Later::After(delay, prepared));
    }

    /// Keeps the answer until its body is there.
    #[cold]
    pub(super) fn answer_with(&mut self, work: BodyWork, content_type: &str) {
        let prepared = self.prepare(content_type, b"");
        self.extras.get_or_insert_default().later = Some(Later::Work(work, prepared));
    }

    fn prepare(&mut self, content_type: &str, body: &[u8]) -> Box<Prepared> {
        let draft = Draft { extras: self.extras.take(), ..*self };
        Box::new(Prepared { draft, content_type: content_type.into(), body: body.to_vec() })
    }
}

impl Prepared {
    /// Makes it the answer to a request that could not be answered.
    pub(super) fn fail(&mut self) {
        self.draft =
            Draft { status: StatusCode::INTERNAL_SERVER_ERROR, extras: None, ..self.draft };
        self.content_type = "text/plain; charset=utf-8".into();
        self.body = b"500 Internal Server Error\n".to_vec();
    }

    /// Writes the answer, now that its time has come; the connection goes on if `keep`.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, keep: bool, unix_seconds: u64) {
        self.draft.unix_seconds = unix_seconds;
        self.draft.connection = Connection::new(self.draft.version, keep);
        self.draft.write(out, &self.content_type, &self.body);
    }
}

/// RFC 9110, section 6.4.1.
pub(super) fn may_have_body(status: StatusCode) -> bool {
    !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}
