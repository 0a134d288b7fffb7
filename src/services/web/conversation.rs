//! The conversation of one client with the site: a request, its answer, the next request.
//! Pipelined requests wait in the input, so answers are in order by construction.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::doing::Doing;
use super::draft::{Draft, Later, Pieces};
use super::failure::Failure;
use super::late::{Delayed, Late, PIECES_A_TURN, PIECES_PAUSE, Step, Stream, Worked, work_off};
use super::pending;
use super::reply::{Answered, Reply};
use super::request::Request;
use super::response::{Response, TEXT};
use super::scope;
use super::site::{self, Intake, Site};
use super::upload::Upload;
use crate::close::{Close, Timeout};
use crate::handler::context::Context;
use crate::handler::framed::MessageHandler;
use crate::handler::notification::Notification;
use crate::panics;
use crate::protocol::http::{Head, Http, Message, Verb};

pub(super) struct Conversation<S> {
    site: Arc<Site<S>>,
    doing: Doing,
    /// The number of requests that will still be answered; `u32::MAX` without a limit.
    left: u32,
    /// The body timer is set. It may ring after the end of its body: one timer for all bodies of
    /// that time is cheaper than setting and cancelling one for each.
    is_watched: bool,
    /// The incomplete or malformed request at the front of the input has the method `HEAD`.
    is_head_next: bool,
}

/// The keys of timers.
const BODY_TIMER: u64 = 0;
const ANSWER_TIMER: u64 = 1;
const PIECES_TIMER: u64 = 2;

const TOO_LONG: &str = "the body is too long";

/// The result of a route, or the message of its panic.
type Outcome = Result<Answered, String>;

/// Requests.
impl<S> Conversation<S> {
    pub(super) fn new(site: Arc<Site<S>>) -> Conversation<S> {
        let left = site.limits.keep_alive_requests.unwrap_or(u32::MAX);
        Conversation { site, doing: Doing::Nothing, left, is_watched: false, is_head_next: false }
    }

    /// Handles the head of a request with a body.
    #[inline(never)]
    fn expect_body(&mut self, head: &Head<'_>, cx: &mut Context<'_>) -> Result<(), Close> {
        let intake = panics::catch(|| self.site.intake(head, cx.ends()));
        let (is_wanted, limit) = match intake {
            Ok(Intake::Wanted { limit }) => (true, limit),
            Ok(Intake::Unwanted { limit }) => (false, limit),
            Ok(Intake::Refused(response)) => {
                let draft = self.draft(&head.closing(), cx.now().nanos(), cx);
                self.send(head, draft, Ok(response), cx)?;
                return self.end_after_answer(Close::Done);
            }
            Err(said) => return self.send_panic(head, cx.now().nanos(), &said, cx),
        };
        if head.content_length().is_some_and(|length| length > limit) {
            return self.refuse_body(Some(head), cx);
        }
        if head.expects_continue() {
            if !is_wanted {
                // The client need not send the body: this is the answer.
                self.answer(&head.closing(), &[], cx.now().nanos(), cx)?;
                return self.end_after_answer(Close::Done);
            }
            cx.write(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        let upload = Upload::new(head, (is_wanted, limit), cx.now().elapsed(), &self.site.limits);
        self.doing = Doing::Collecting(Box::new(upload));
        if !self.is_watched {
            self.watch_body(cx);
        }
        Ok(())
    }

    /// Ends the connection after an answer that may have been sent before the body: the following
    /// input may be the body, which is not a request.
    fn end_after_answer(&self, why: Close) -> Result<(), Close> {
        match self.doing {
            Doing::Nothing => Err(why),
            // The end of the answer closes the connection.
            _ => Ok(()),
        }
    }

    /// Sets the timer for the arriving body, or refuses it if it is late.
    fn watch_body(&mut self, cx: &mut Context<'_>) {
        let Doing::Collecting(upload) = &self.doing else { return };
        let Some(due) = upload.due() else { return };
        match due.checked_sub(cx.now().elapsed()) {
            Some(left) if !left.is_zero() => {
                self.is_watched = true;
                // A body that begins before the timer rings relies on it, so it must not be later
                // than the due time of a body that begins now.
                cx.set_timer(BODY_TIMER, left.min(self.site.limits.body_time.unwrap_or(left)));
            }
            _ => {
                self.refuse(None, StatusCode::REQUEST_TIMEOUT, "the body comes too slowly", cx);
                cx.close(Close::Timeout(Timeout::Rate));
            }
        }
    }

    fn on_body(&mut self, bytes: &[u8], is_last: bool, cx: &mut Context<'_>) -> Result<(), Close> {
        let Doing::Collecting(upload) = &mut self.doing else {
            return Ok(());
        };
        if !upload.take(bytes, cx.now().elapsed(), &self.site.limits) {
            return self.refuse_body(None, cx);
        }
        if !is_last {
            return Ok(());
        }
        if let Doing::Collecting(upload) = std::mem::replace(&mut self.doing, Doing::Nothing) {
            let site = Arc::clone(&self.site);
            let head = Head::parse(&upload.head, &site.limits)?;
            self.answer(&head, &upload.body, upload.began.as_nanos() as u64, cx)?;
        }
        Ok(())
    }

    /// Creates the draft of an answer to a request that began at this time.
    #[inline(always)]
    fn draft(&self, head: &Head<'_>, began: u64, cx: &Context<'_>) -> Draft {
        let keep = head.keep_alive() && self.left > 0 && !cx.is_stopping();
        Draft::new(head, keep, began, cx.now().unix_seconds())
    }

    /// Answers a complete request, which began at this time.
    #[inline(always)]
    fn answer(
        &mut self,
        head: &Head<'_>,
        body: &[u8],
        began: u64,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        self.left = self.left.saturating_sub(1);
        cx.note_subject(|| format!("{} {}", head.method(), head.path()));
        let mut draft = self.draft(head, began, cx);
        let state = &*self.site.scopes.outermost().state;
        let client = self.site.proxies.client(head, cx.peer());
        let (out, ends) = cx.out_and_ends();
        let mark = out.len();
        let ends = site::with_client(ends, client.as_ref());
        let mut request = Request::new(head, body, ends, state);
        let reply = Reply { out, draft: &mut draft };
        let outcome = panics::catch(|| self.site.answer(&mut request, reply));
        drop(request);
        let is_answered = cx.out().len() > mark;
        if is_answered && draft.is_ordinary() && matches!(outcome, Ok(Ok(_))) {
            self.report(Some(head), &draft, cx);
            return Ok(());
        }
        self.conclude(head, draft, outcome, mark, cx)
    }

    /// Completes an answer that the reply has not fully written: one with delay, work or failure,
    /// or one after which the connection ends.
    #[inline(never)]
    fn conclude(
        &mut self,
        head: &Head<'_>,
        mut draft: Draft,
        outcome: Outcome,
        mark: usize,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        let failure = match outcome {
            Ok(Ok(_)) => match draft.take_later() {
                Some(later) => return self.send_later(head, draft, later, cx),
                None if cx.out().len() > mark => {
                    self.report(Some(head), &draft, cx);
                    go_on(draft.keeps(), cx);
                    return Ok(());
                }
                None => Failure::internal("the route returned the proof of another answer"),
            },
            Ok(Err(failure)) => failure,
            Err(said) => {
                cx.out().truncate(mark);
                return self.send_panic(head, draft.began, &said, cx);
            }
        };
        // Takes back the output of the route, of which no byte was sent.
        cx.out().truncate(mark);
        let draft = self.draft(head, draft.began, cx);
        self.send(head, draft, Err(failure), cx)
    }

    /// Reports an answered request, of which `head` is missing if it was malformed.
    #[inline(always)]
    fn report(&self, head: Option<&Head<'_>>, draft: &Draft, cx: &Context<'_>) {
        if self.site.on_answer.is_some() {
            self.site.report(head, draft, cx.peer(), (cx.nanos(), cx.now().unix_seconds()));
        }
    }
}

/// Answers.
impl<S> Conversation<S> {
    /// Sends an answer that is a value, or starts the work for it.
    fn send_later(
        &mut self,
        head: &Head<'_>,
        draft: Draft,
        later: Later,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        match later {
            Later::Response(response) => self.send(head, draft, Ok(response), cx),
            Later::Work(work) => {
                self.doing = Doing::Awaiting(Late::new(head, draft, None));
                cx.pause();
                cx.offload(move || work_off(work));
                Ok(())
            }
            Later::Kept(kept) => {
                let answer = kept.await_answer(cx.notifier(), cx.id());
                let mut late = Late::new(head, draft, Some(kept));
                if let Some(answer) = answer {
                    let answer = late.complete(answer);
                    return self.send(head, late.draft, answer, cx);
                }
                self.doing = Doing::Awaiting(late);
                cx.pause();
                Ok(())
            }
        }
    }

    /// Sends an answer, after its delay if there is one.
    fn send(
        &mut self,
        head: &Head<'_>,
        draft: Draft,
        answer: Result<Response, Failure>,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        let response = match panics::catch(|| self.site.finish(head, cx.ends(), answer)) {
            Ok(response) => response,
            Err(said) => return self.send_panic(head, draft.began, &said, cx),
        };
        match draft.delay() {
            Some(delay) => {
                let head = head.as_bytes().to_vec();
                self.doing = Doing::Waiting(Box::new(Delayed { head, draft, response }));
                cx.pause();
                cx.set_timer(ANSWER_TIMER, delay);
            }
            None => self.write(head, draft, response, cx),
        }
        Ok(())
    }

    /// Answers a request after a panic of its code; the connection ends.
    #[cold]
    fn send_panic(
        &mut self,
        head: &Head<'_>,
        began: u64,
        said: &str,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        let failure = Failure::internal(format!("panicked: {said}"));
        let mut draft = self.draft(&head.closing(), began, cx);
        // The code that answers failures may panic as well.
        let finished = panics::catch(|| self.site.finish(head, cx.ends(), Err(failure)));
        let response = finished.unwrap_or_else(|said| {
            let failure = Failure::internal(format!("panicked: {said}"));
            let client = self.site.proxies.client(head, cx.peer());
            site::note(head, client.as_ref().unwrap_or(cx.peer()), &failure);
            scope::plain(&failure)
        });
        match draft.write_response(cx.out(), response) {
            Some(pieces) => self.begin_stream(head, draft, pieces, cx),
            None => self.report(Some(head), &draft, cx),
        }
        self.end_after_answer(Close::Panicked)
    }

    fn write(
        &mut self,
        head: &Head<'_>,
        mut draft: Draft,
        response: Response,
        cx: &mut Context<'_>,
    ) {
        draft.renew(!cx.is_stopping(), cx.now().unix_seconds());
        match draft.write_response(cx.out(), response) {
            Some(pieces) => self.begin_stream(head, draft, pieces, cx),
            None => {
                self.report(Some(head), &draft, cx);
                go_on(draft.keeps(), cx);
            }
        }
    }

    fn begin_stream(
        &mut self,
        head: &Head<'_>,
        draft: Draft,
        pieces: Pieces,
        cx: &mut Context<'_>,
    ) {
        let is_recorded = self.site.on_answer.is_some();
        self.doing = Doing::Streaming(Stream::new(head, is_recorded, draft, pieces));
        self.stream(cx);
    }

    /// Writes pieces until the output is full, the source has none, or the body is complete.
    fn stream(&mut self, cx: &mut Context<'_>) {
        let Doing::Streaming(stream) = &mut self.doing else { return };
        if cx.is_mute() {
            // The client has gone: the source is dropped, and not asked again.
            self.report_stream(cx);
            self.doing = Doing::Nothing;
            return cx.close(Close::Io(io::ErrorKind::BrokenPipe));
        }
        for _ in 0..PIECES_A_TURN {
            if cx.is_done() {
                return cx.pause();
            }
            match stream.append_next(cx.out()) {
                Step::Piece => {}
                Step::NoneYet => {
                    cx.pause();
                    return cx.set_timer(PIECES_TIMER, PIECES_PAUSE);
                }
                Step::End => {
                    let keep = stream.pieces.keep && !cx.is_stopping();
                    self.report_stream(cx);
                    self.doing = Doing::Nothing;
                    return go_on(keep, cx);
                }
            }
        }
        cx.pause();
        cx.set_timer(PIECES_TIMER, Duration::ZERO);
    }

    /// Reports an answer in pieces, complete or not.
    fn report_stream(&self, cx: &Context<'_>) {
        let Doing::Streaming(stream) = &self.doing else { return };
        let head = Head::parse(&stream.head, &self.site.limits).ok();
        self.report(head.as_ref(), &stream.draft, cx);
    }

    /// Sends the answer that was produced elsewhere, if the notification is about it.
    fn take_answer(
        &mut self,
        notification: Notification,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        let Doing::Awaiting(late) = &self.doing else { return Ok(()) };
        let answer = match (&late.kept, notification.downcast::<Worked>()) {
            (None, Ok(worked)) => Some(worked.0),
            (Some(kept), Err(other)) if other.is::<pending::Answered>() => kept.take(),
            _ => None,
        };
        let Some(answer) = answer else { return Ok(()) };
        if let Doing::Awaiting(mut late) = std::mem::replace(&mut self.doing, Doing::Nothing) {
            let answer = late.complete(answer);
            let site = Arc::clone(&self.site);
            let head = Head::parse(&late.head, &site.limits)?;
            self.send(&head, late.draft, answer, cx)?;
        }
        Ok(())
    }

    fn refuse_body(&self, head: Option<&Head<'_>>, cx: &mut Context<'_>) -> Result<(), Close> {
        self.refuse(head, StatusCode::PAYLOAD_TOO_LARGE, TOO_LONG, cx);
        Err(Close::Malformed { code: 413, why: TOO_LONG })
    }

    /// Answers malformed or incomplete input, with this head or that of the arriving body, if there
    /// is one; the connection ends.
    fn refuse(&self, head: Option<&Head<'_>>, status: StatusCode, why: &str, cx: &mut Context<'_>) {
        let mut began = cx.now().nanos();
        let mut arriving = None;
        if let Doing::Collecting(upload) = &self.doing {
            began = upload.began.as_nanos() as u64;
            arriving = Head::parse(&upload.head, &self.site.limits).ok();
        }
        let head = head.or(arriving.as_ref());
        let is_head = head.map_or(self.is_head_next, |head| head.verb() == Verb::Head);
        let body = format!("{status}: {why}\n");
        let mut draft = Draft::refusal(status, is_head, began, cx.now().unix_seconds());
        draft.write(cx.out(), TEXT, body.as_bytes());
        self.report(head, &draft, cx);
    }
}

/// Resumes input after an answer, or closes the connection.
fn go_on(keep: bool, cx: &mut Context<'_>) {
    if keep {
        cx.resume();
    } else {
        cx.close(Close::Done);
    }
}

impl<S: Send + Sync> MessageHandler<Http> for Conversation<S> {
    #[inline]
    fn on_message(&mut self, message: Message<'_>, cx: &mut Context<'_>) -> Result<(), Close> {
        match message {
            Message::Head(head) if head.has_body() => self.expect_body(&head, cx),
            Message::Head(head) => self.answer(&head, &[], cx.now().nanos(), cx),
            Message::Body { bytes, is_last } => self.on_body(bytes, is_last, cx),
        }
    }

    fn on_incomplete(&mut self, http: &Http) {
        self.is_head_next = http.refuses_head();
    }

    fn on_reject(&mut self, why: &Close, cx: &mut Context<'_>) {
        match why {
            Close::Malformed { code, why } => {
                let status = StatusCode::from_u16(*code).unwrap_or(StatusCode::BAD_REQUEST);
                self.refuse(None, status, why, cx);
            }
            // Only heads stay in the input until they are complete, and parts of a chunked body
            // that are no longer than a line.
            Close::InputLimit => {
                let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
                self.refuse(None, status, "the head is too long", cx);
            }
            Close::Timeout(_) => {
                let status = StatusCode::REQUEST_TIMEOUT;
                self.refuse(None, status, "the request did not come in time", cx);
            }
            _ => {}
        }
    }

    fn on_drain(&mut self, cx: &mut Context<'_>) {
        self.stream(cx);
    }

    fn on_timer(&mut self, key: u64, cx: &mut Context<'_>) {
        if key == BODY_TIMER {
            self.is_watched = false;
            return self.watch_body(cx);
        }
        if key == PIECES_TIMER {
            return self.stream(cx);
        }
        match std::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Waiting(waiting) => {
                let Delayed { head, draft, response } = *waiting;
                let site = Arc::clone(&self.site);
                match Head::parse(&head, &site.limits) {
                    Ok(head) => self.write(&head, draft, response, cx),
                    Err(why) => cx.close(why),
                }
            }
            doing => self.doing = doing,
        }
    }

    fn on_notify(&mut self, notification: Notification, cx: &mut Context<'_>) {
        if let Err(why) = self.take_answer(notification, cx) {
            cx.close(why);
        }
    }

    fn on_close(&mut self, why: &Close, cx: &mut Context<'_>) {
        self.report_stream(cx);
        // Only its end tells the client that such a body is complete.
        if matches!(&self.doing, Doing::Streaming(stream) if !stream.pieces.chunked) {
            cx.reset(why.clone());
        }
    }

    fn on_stop(&mut self, cx: &mut Context<'_>) {
        // During a request, `is_stopping` closes the connection after its answer.
        if matches!(self.doing, Doing::Nothing) {
            cx.close(Close::Stopping);
        }
    }
}
