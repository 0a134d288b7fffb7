//! One client's conversation with the site: a request, its answer, the next request. Pipelined
//! requests wait for their turn in the input, so answers are in order by construction.

use std::sync::Arc;

use http::StatusCode;

use super::reply::{Draft, Later, Pieces, Prepared};
use super::{Failure, Reply, Request, Sent, Site};
use crate::protocol::http::{Answer, Connection, Head, Http, Length, Message, Verb};
use crate::{Close, Context, MessageHandler, panics};

pub(super) struct Conversation {
    site: Arc<Site>,
    doing: Doing,
}

/// What it is in the middle of. Boxed, so that an idle client costs 16 bytes here.
enum Doing {
    Nothing,
    /// A body is coming.
    Collecting(Box<Upload>),
    /// The answer waits for its time; the client is not read.
    Waiting(Box<Prepared>),
    /// The answer goes out as fast as the client takes it; the client is not read.
    Streaming(Box<Pieces>),
}

struct Upload {
    /// As it was sent: it is parsed again when the body is there.
    head: Vec<u8>,
    body: Vec<u8>,
    /// Whether anybody wants the body. If not, it is read and forgotten, so that the connection
    /// can go on.
    wanted: bool,
}

/// A body is given this much room before its first byte has come, whatever length it claims.
const BODY_RESERVE_MAX: u64 = 64 * 1024;

impl Conversation {
    pub(super) fn new(site: Arc<Site>) -> Conversation {
        Conversation { site, doing: Doing::Nothing }
    }

    #[inline]
    fn on_head(&mut self, head: &Head<'_>, cx: &mut Context<'_>) -> Result<(), Close> {
        if !head.has_body() {
            return self.answer(head, &[], cx);
        }
        let wanted = self.site.router.has_route(head);
        if head.expects_continue() {
            if !wanted {
                // It need not send the body: this is the answer. If it has sent it, the body is
                // no request, so the connection ends.
                self.answer(&head.closing(), &[], cx)?;
                return Err(Close::Done);
            }
            cx.write(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        let expected = head.content_length().unwrap_or(0).min(BODY_RESERVE_MAX) as usize;
        let body = Vec::with_capacity(if wanted { expected } else { 0 });
        let upload = Upload { head: head.as_bytes().to_vec(), body, wanted };
        self.doing = Doing::Collecting(Box::new(upload));
        Ok(())
    }

    fn on_body(&mut self, bytes: &[u8], is_last: bool, cx: &mut Context<'_>) -> Result<(), Close> {
        let Doing::Collecting(upload) = &mut self.doing else {
            return Ok(());
        };
        if upload.wanted {
            upload.body.extend_from_slice(bytes);
        }
        if !is_last {
            return Ok(());
        }
        if let Doing::Collecting(upload) = std::mem::replace(&mut self.doing, Doing::Nothing) {
            let site = Arc::clone(&self.site);
            let head = Head::parse(&upload.head, &site.limits)?;
            self.answer(&head, &upload.body, cx)?;
        }
        Ok(())
    }

    /// Answers a request that is complete.
    fn answer(&mut self, head: &Head<'_>, body: &[u8], cx: &mut Context<'_>) -> Result<(), Close> {
        let keep = head.keep_alive() && !cx.is_stopping();
        let is_head = head.verb() == Verb::Head;
        let mut draft = Draft {
            unix_seconds: cx.now().unix_seconds(),
            is_head,
            version: head.version(),
            connection: Connection::new(head.version(), keep),
            status: StatusCode::OK,
            extras: None,
        };
        let mut request = Request::new(head, body, cx.peer());
        let mark = cx.out().len();
        let reply = Reply { out: cx.out(), draft: &mut draft };
        match panics::catch(|| self.site.router.answer(&mut request, reply)) {
            Ok(Ok(Sent { .. })) => {
                let keep = draft.connection != Connection::Close;
                if draft.extras.is_some() || !keep {
                    let later = draft.extras.and_then(|extras| extras.later);
                    self.go_on(later, keep, cx);
                }
                Ok(())
            }
            Ok(Err(Failure(why))) => {
                let (peer, method, path) = (cx.peer(), head.method(), head.path());
                log::error!("{peer} {method} {path}: {}", why.escape_debug());
                cx.out().truncate(mark);
                server_error(Connection::new(head.version(), keep), is_head, cx);
                self.go_on(None, keep, cx);
                Ok(())
            }
            Err(said) => {
                let (peer, method, path) = (cx.peer(), head.method(), head.path());
                log::error!("{peer} {method} {path}: panicked: {said}");
                cx.out().truncate(mark);
                server_error(Connection::Close, is_head, cx);
                Err(Close::Panicked)
            }
        }
    }

    /// After an answer, or its first part: what comes next.
    fn go_on(&mut self, later: Option<Later>, keep: bool, cx: &mut Context<'_>) {
        match later {
            None if keep => {}
            None => cx.close(Close::Done),
            Some(Later::After(delay, prepared)) => {
                self.doing = Doing::Waiting(prepared);
                cx.pause();
                cx.wake_after(delay);
            }
            Some(Later::Pieces(pieces)) => {
                self.doing = Doing::Streaming(Box::new(pieces));
                self.stream(cx);
            }
        }
    }

    /// Writes pieces until the output is full or there are no more.
    fn stream(&mut self, cx: &mut Context<'_>) {
        let Doing::Streaming(pieces) = &mut self.doing else {
            return;
        };
        while !cx.is_done() {
            match (pieces.source.next(), pieces.chunked) {
                (Some(piece), true) => Answer::append_chunk(cx.out(), &piece),
                (Some(piece), false) => cx.write(&piece),
                (None, chunked) => {
                    if chunked {
                        Answer::append_last_chunk(cx.out());
                    }
                    let keep = pieces.keep && !cx.is_stopping();
                    self.doing = Doing::Nothing;
                    if keep {
                        cx.resume();
                    } else {
                        cx.close(Close::Done);
                    }
                    return;
                }
            }
        }
        cx.pause();
    }
}

fn server_error(connection: Connection, is_head: bool, cx: &mut Context<'_>) {
    let body = b"500 Internal Server Error\n";
    append_plain(StatusCode::INTERNAL_SERVER_ERROR, connection, body, is_head, cx);
}

fn append_plain(
    status: StatusCode,
    connection: Connection,
    body: &[u8],
    is_head: bool,
    cx: &mut Context<'_>,
) {
    let answer = Answer {
        status,
        content_type: "text/plain; charset=utf-8",
        length: Length::Fixed(body.len() as u64),
        connection,
        fields: b"",
    };
    let unix_seconds = cx.now().unix_seconds();
    answer.append(cx.out(), unix_seconds);
    if !is_head {
        cx.write(body);
    }
}

impl MessageHandler<Http> for Conversation {
    #[inline]
    fn on_message(&mut self, message: Message<'_>, cx: &mut Context<'_>) -> Result<(), Close> {
        match message {
            Message::Head(head) => self.on_head(&head, cx),
            Message::Body { bytes, is_last } => self.on_body(bytes, is_last, cx),
        }
    }

    fn on_reject(&mut self, why: &Close, cx: &mut Context<'_>) {
        if let Close::Malformed { code, why } = why {
            let status = StatusCode::from_u16(*code).unwrap_or(StatusCode::BAD_REQUEST);
            let body = format!("{status}: {why}\n");
            append_plain(status, Connection::Close, body.as_bytes(), false, cx);
        }
    }

    fn on_drain(&mut self, cx: &mut Context<'_>) {
        self.stream(cx);
    }

    fn on_wake(&mut self, cx: &mut Context<'_>) {
        let Doing::Waiting(_) = &self.doing else {
            return;
        };
        if let Doing::Waiting(prepared) = std::mem::replace(&mut self.doing, Doing::Nothing) {
            let keep = prepared.keep && !cx.is_stopping();
            let unix_seconds = cx.now().unix_seconds();
            prepared.append(cx.out(), keep, unix_seconds);
            if keep {
                cx.resume();
            } else {
                cx.close(Close::Done);
            }
        }
    }

    fn on_stop(&mut self, cx: &mut Context<'_>) {
        // In the middle of a request, `is_stopping` ends the connection after its answer.
        if matches!(self.doing, Doing::Nothing) {
            cx.close(Close::Stopping);
        }
    }
}
