//! One client's conversation with the site: a request, its answer, the next request. Pipelined
//! requests wait for their turn in the input, so answers are in order by construction.

use std::fmt::Display;
use std::sync::Arc;

use http::StatusCode;

use super::draft::{Draft, Later, Pieces, Prepared};
use super::failure::Failure;
use super::reply::{Reply, Sent};
use super::request::Request;
use super::site::Site;
use super::upload::Upload;
use crate::close::{Close, Timeout};
use crate::handler::context::Context;
use crate::handler::framed::MessageHandler;
use crate::handler::notification::Notification;
use crate::panics;
use crate::protocol::http::{Answer, Connection, Head, Http, Message, Verb, Version};

pub(super) struct Conversation {
    site: Arc<Site>,
    doing: Doing,
    /// How many more requests will be answered; `u32::MAX` if there is no limit.
    left: u32,
    /// The timer is set to look after a body. It may ring when that is long complete: one timer
    /// for all bodies of some time is cheaper than one set and taken back for each.
    is_watched: bool,
}

/// What it is in the middle of. Boxed, so that an idle client costs 16 bytes here.
enum Doing {
    Nothing,
    /// A body is coming.
    Collecting(Box<Upload>),
    /// The answer waits for its time; the client is not read.
    Waiting(Box<Prepared>),
    /// The answer waits for its body, which a worker makes; the client is not read.
    Working(Box<Prepared>),
    /// The answer goes out as fast as the client takes it; the client is not read.
    Streaming(Box<Pieces>),
}

/// The keys of its timers.
const BODY_TIMER: u64 = 0;
const ANSWER_TIMER: u64 = 1;

impl Conversation {
    pub(super) fn new(site: Arc<Site>) -> Conversation {
        let left = site.limits.keep_alive_requests.unwrap_or(u32::MAX);
        Conversation { site, doing: Doing::Nothing, left, is_watched: false }
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
        let upload = Upload::new(head, wanted, cx.now().elapsed());
        self.doing = Doing::Collecting(Box::new(upload));
        if !self.is_watched {
            self.watch_body(cx);
        }
        Ok(())
    }

    /// Sets the timer for the body that is coming, or refuses it if it is late.
    fn watch_body(&mut self, cx: &mut Context<'_>) {
        let Doing::Collecting(upload) = &self.doing else { return };
        let Some(due) = upload.due(&self.site.limits) else { return };
        match due.checked_sub(cx.now().elapsed()) {
            Some(left) if !left.is_zero() => {
                self.is_watched = true;
                // Never later than a body that begins now would be due: it relies on this timer.
                cx.set_timer(BODY_TIMER, left.min(self.site.limits.body_time.unwrap_or(left)));
            }
            _ => {
                self.refuse(StatusCode::REQUEST_TIMEOUT, "the body comes too slowly", cx);
                cx.close(Close::Timeout(Timeout::Rate));
            }
        }
    }

    fn on_body(&mut self, bytes: &[u8], is_last: bool, cx: &mut Context<'_>) -> Result<(), Close> {
        let Doing::Collecting(upload) = &mut self.doing else {
            return Ok(());
        };
        upload.take(bytes);
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
        self.left = self.left.saturating_sub(1);
        let keep = head.keep_alive() && self.left > 0 && !cx.is_stopping();
        let unix_seconds = cx.now().unix_seconds();
        let draft = || {
            let draft = Draft::new(head.version(), keep, unix_seconds);
            Draft { is_head: head.verb() == Verb::Head, ..draft }
        };
        let mut answer = draft();
        let mut request = Request::new(head, body, cx.peer());
        let mark = cx.out().len();
        let reply = Reply { out: cx.out(), draft: &mut answer };
        match panics::catch(|| self.site.router.answer(&mut request, reply)) {
            Ok(Ok(Sent { .. })) => {
                let keep = answer.keeps();
                if answer.extras.is_some() || !keep {
                    let later = answer.extras.and_then(|extras| extras.later);
                    self.go_on(later, keep, cx);
                }
                Ok(())
            }
            Ok(Err(Failure(why))) => {
                cx.out().truncate(mark);
                server_error(head, why.escape_debug(), draft(), cx);
                self.go_on(None, keep, cx);
                Ok(())
            }
            Err(said) => {
                cx.out().truncate(mark);
                let draft = Draft { connection: Connection::Close, ..draft() };
                server_error(head, format_args!("panicked: {said}"), draft, cx);
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
                cx.set_timer(ANSWER_TIMER, delay);
            }
            Some(Later::Work(work, prepared)) => {
                self.doing = Doing::Working(prepared);
                cx.pause();
                cx.offload(move || match panics::catch(work) {
                    Ok(Ok(body)) => Ok(body),
                    Ok(Err(Failure(why))) => Err(why),
                    Err(said) => Err(format!("panicked: {said}")),
                });
            }
            Some(Later::Pieces(pieces)) => {
                self.doing = Doing::Streaming(Box::new(pieces));
                self.stream(cx);
            }
        }
    }

    /// Sends the answer that has waited for its time, or for its body.
    fn answer_waiting(&mut self, cx: &mut Context<'_>) {
        match std::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Waiting(mut prepared) | Doing::Working(mut prepared) => {
                let keep = prepared.draft.keeps() && !cx.is_stopping();
                let unix_seconds = cx.now().unix_seconds();
                prepared.write(cx.out(), keep, unix_seconds);
                resume(keep, cx);
            }
            doing => self.doing = doing,
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
                    resume(keep, cx);
                    return;
                }
            }
        }
        cx.pause();
    }

    /// Answers what is no request, or none yet; the connection ends.
    fn refuse(&self, status: StatusCode, why: &str, cx: &mut Context<'_>) {
        let body = format!("{status}: {why}\n");
        let is_head = matches!(&self.doing, Doing::Collecting(upload) if upload.is_head);
        let draft = Draft::new(Version::Http11, false, cx.now().unix_seconds());
        Draft { status, is_head, ..draft }.write(cx.out(), PLAIN, body.as_bytes());
    }
}

const PLAIN: &str = "text/plain; charset=utf-8";

/// Logs why a route could not answer, and answers for it. What the route has written must have
/// been taken back: nothing of it was sent.
fn server_error(head: &Head<'_>, why: impl Display, draft: Draft, cx: &mut Context<'_>) {
    log::error!("{} {} {}: {why}", cx.peer(), head.method(), head.path());
    let draft = Draft { status: StatusCode::INTERNAL_SERVER_ERROR, ..draft };
    draft.write(cx.out(), PLAIN, b"500 Internal Server Error\n");
}

/// After an answer that was not sent at once: the next request, or the end.
fn resume(keep: bool, cx: &mut Context<'_>) {
    if keep {
        cx.resume();
    } else {
        cx.close(Close::Done);
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
        match why {
            Close::Malformed { code, why } => {
                let status = StatusCode::from_u16(*code).unwrap_or(StatusCode::BAD_REQUEST);
                self.refuse(status, why, cx);
            }
            // Only heads wait for their end in the input, and the parts of a chunked body that
            // are no longer than a line.
            Close::InputLimit => {
                let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
                self.refuse(status, "the head is too long", cx);
            }
            Close::Timeout(_) => {
                self.refuse(StatusCode::REQUEST_TIMEOUT, "the request did not come in time", cx);
            }
            _ => {}
        }
    }

    fn on_drain(&mut self, cx: &mut Context<'_>) {
        self.stream(cx);
    }

    fn on_timer(&mut self, key: u64, cx: &mut Context<'_>) {
        if key == ANSWER_TIMER {
            return self.answer_waiting(cx);
        }
        self.is_watched = false;
        if let Doing::Collecting(_) = self.doing {
            self.watch_body(cx);
        }
    }

    /// The body of an answer has come from a worker.
    fn on_notify(&mut self, note: Notification, cx: &mut Context<'_>) {
        let Ok(result) = note.downcast::<Result<Vec<u8>, String>>() else { return };
        let Doing::Working(prepared) = &mut self.doing else { return };
        match result {
            Ok(body) => prepared.body = body,
            Err(why) => {
                log::error!("{}: offloaded: {}", cx.peer(), why.escape_debug());
                prepared.fail();
            }
        }
        self.answer_waiting(cx);
    }

    fn on_stop(&mut self, cx: &mut Context<'_>) {
        // In the middle of a request, `is_stopping` ends the connection after its answer.
        if matches!(self.doing, Doing::Nothing) {
            cx.close(Close::Stopping);
        }
    }
}
