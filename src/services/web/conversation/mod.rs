//! The conversation of one client with the site: a request, its answer, the next request.
//! Pipelined requests wait in the input, so answers are in order by construction.

mod answers;

use std::sync::Arc;

use http::StatusCode;

use super::draft::Draft;
use super::failure::Failure;
use super::intake::Consumer;
use super::late::{Delayed, Doing, RefusedHead};
use super::reply::{Answered, Reply};
use super::request::Request;
use super::site::{self, Decision, Site, Waiting};
use super::source::{Awake, Waker};
use super::upload::{Taken, Taker, Upload};
use crate::close::{Close, Timeout};
use crate::handler::context::Context;
use crate::handler::framed::MessageHandler;
use crate::handler::notification::Notification;
use crate::net::peer::Peer;
use crate::panics;
use crate::protocol::http::{Head, Http, Message};

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
        let waker = || Waker::new(cx.notifier(), cx.id());
        let decision = panics::catch(|| self.site.decide(head, cx.ends(), waker));
        let (taker, limit) = match decision {
            Ok(Decision::Taken { by, limit }) => (by, limit),
            Ok(Decision::Refused(answer)) => {
                let draft = self.draft(&head.closing(), cx).since(cx.now().nanos());
                self.send(head, draft, answer, cx)?;
                return self.end_after_answer(Close::Done);
            }
            Err(said) => return self.send_panic(head, cx.now().nanos(), &said, cx),
        };
        if head.content_length().is_some_and(|length| length > limit) {
            return self.refuse_body(Some(head), cx);
        }
        if head.expects_continue() {
            if matches!(taker, Taker::Nothing) {
                // The client need not send the body: this is the answer.
                self.answer(&head.closing(), &[], cx)?;
                return self.end_after_answer(Close::Done);
            }
            cx.write(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        let upload = Upload::new(head, (taker, limit), cx.now().elapsed(), &self.site.limits);
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
        let Some(due) = upload.due().filter(|_| !upload.is_paused()) else { return };
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

    // Not inlined, so that requests without a body do not pay for its registers.
    #[inline(never)]
    fn on_body(&mut self, bytes: &[u8], is_last: bool, cx: &mut Context<'_>) -> Result<(), Close> {
        let Doing::Collecting(upload) = &mut self.doing else {
            return Ok(());
        };
        match upload.take(bytes, cx.now().elapsed(), &self.site.limits) {
            Taken::Whole | Taken::Pause if is_last => self.end_body(cx),
            Taken::Whole => Ok(()),
            Taken::Pause => {
                if upload.pause() {
                    cx.pause();
                }
                Ok(())
            }
            Taken::TooLong => self.refuse_body(None, cx),
            Taken::Failed(failure) => self.fail_body(Ok(failure), cx),
            Taken::Panicked(said) => self.fail_body(Err(said), cx),
        }
    }

    /// Answers a request whose body is complete.
    fn end_body(&mut self, cx: &mut Context<'_>) -> Result<(), Close> {
        let Doing::Collecting(upload) = std::mem::replace(&mut self.doing, Doing::Nothing) else {
            return Ok(());
        };
        let Upload { head, taker, began, .. } = *upload;
        let site = Arc::clone(&self.site);
        let head = Head::parse(&head, &site.limits)?;
        let began = began.as_nanos() as u64;
        let body = match taker {
            Taker::Nothing => Vec::new(),
            Taker::Route(body) => body,
            Taker::Consumer(consumer) => return self.end_intake(&head, consumer, began, cx),
        };
        match site.is_observed {
            true => self.answer_observed(&head, &body, began, cx),
            false => self.answer_unobserved(&head, &body, cx),
        }
    }

    /// Answers a request whose consumer has its whole body.
    fn end_intake(
        &mut self,
        head: &Head<'_>,
        consumer: Consumer,
        began: u64,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        self.left = self.left.saturating_sub(1);
        let mut draft = self.draft(head, cx).since(began);
        let out = cx.out();
        let mark = out.len();
        let mut reply = Reply { out, draft: &mut draft };
        if self.site.collects(head) {
            reply = reply.collected();
        }
        let outcome = panics::catch(|| consumer.intake.end(reply));
        self.conclude(head, draft, outcome, mark, cx)
    }

    /// Answers a request whose consumer has failed or panicked. The rest of the body is not read.
    #[cold]
    fn fail_body(
        &mut self,
        fault: Result<Failure, String>,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        let Doing::Collecting(upload) = std::mem::replace(&mut self.doing, Doing::Nothing) else {
            return Ok(());
        };
        let site = Arc::clone(&self.site);
        let head = Head::parse(&upload.head, &site.limits)?;
        let began = upload.began.as_nanos() as u64;
        match fault {
            Ok(failure) => {
                let draft = self.draft(&head.closing(), cx).since(began);
                self.send(&head, draft, Err(failure), cx)?;
                self.end_after_answer(Close::Done)
            }
            Err(said) => self.send_panic(&head, began, &said, cx),
        }
    }

    /// Continues with a body after a pause of its consumer.
    fn resume_body(&mut self, cx: &mut Context<'_>) {
        let Doing::Collecting(upload) = &mut self.doing else { return };
        if !upload.is_paused() {
            upload.extend(cx.now().elapsed(), &self.site.limits);
            cx.resume();
            if !self.is_watched {
                self.watch_body(cx);
            }
        }
    }

    /// Creates the draft of an answer.
    #[inline(always)]
    fn draft(&self, head: &Head<'_>, cx: &Context<'_>) -> Draft {
        let keep = head.keep_alive() && self.left > 0 && !cx.is_stopping();
        Draft::new(head, keep, cx.now().unix_seconds())
    }

    /// Answers a complete request.
    #[inline(always)]
    fn answer(&mut self, head: &Head<'_>, body: &[u8], cx: &mut Context<'_>) -> Result<(), Close> {
        match self.site.is_observed {
            true => self.answer_observed(head, body, cx.now().nanos(), cx),
            false => self.answer_unobserved(head, body, cx),
        }
    }

    #[inline(never)]
    fn answer_unobserved(
        &mut self,
        head: &Head<'_>,
        body: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        self.left = self.left.saturating_sub(1);
        let mut draft = self.draft(head, cx);
        match self.call_route(head, body, || None, &mut draft, cx) {
            Ok(()) => Ok(()),
            Err((outcome, mark)) => self.conclude(head, draft, outcome, mark, cx),
        }
    }

    /// Answers a request whose client may be behind a proxy, and reports it. It began at this time.
    #[inline(never)]
    fn answer_observed(
        &mut self,
        head: &Head<'_>,
        body: &[u8],
        began: u64,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        self.left = self.left.saturating_sub(1);
        let client = self.site.proxies.client(head, cx.peer());
        let mut draft = self.draft(head, cx).since(began);
        match self.call_route(head, body, || client.as_ref(), &mut draft, cx) {
            Ok(()) => {
                self.site.report(Some(head), &draft, client.as_ref().unwrap_or(cx.peer()), cx);
                Ok(())
            }
            Err((outcome, mark)) => self.conclude(head, draft, outcome, mark, cx),
        }
    }

    /// Calls the route of a request of `client`, or of the peer.
    ///
    /// # Errors
    ///
    /// The outcome and the length of the output before it, unless the answer is written and the
    /// connection continues.
    // A closure, so that each caller has a copy of its own to be inlined.
    #[inline(always)]
    fn call_route<'c>(
        &mut self,
        head: &Head<'_>,
        body: &[u8],
        client: impl FnOnce() -> Option<&'c Peer>,
        draft: &mut Draft,
        cx: &mut Context<'_>,
    ) -> Result<(), (Outcome, usize)> {
        cx.note_subject(|| format!("{} {}", head.method(), head.path()));
        let state = &*self.site.scopes.outermost().state;
        let (out, ends) = cx.out_and_ends();
        let mark = out.len();
        let mut request = Request::new(head, body, site::with_client(ends, client()), state);
        let reply = Reply { out, draft };
        let outcome = panics::catch(|| self.site.answer(&mut request, reply));
        drop(request);
        let is_answered = cx.out().len() > mark;
        match is_answered && draft.is_ordinary() && matches!(outcome, Ok(Ok(_))) {
            true => Ok(()),
            false => Err((outcome, mark)),
        }
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
        let draft = self.draft(head, cx).since(draft.began);
        self.send(head, draft, Err(failure), cx)
    }

    /// Reports an answered request, of which `head` is missing if it was malformed.
    #[inline(never)]
    fn report(&self, head: Option<&Head<'_>>, draft: &Draft, cx: &Context<'_>) {
        let client = head.and_then(|head| self.site.proxies.client(head, cx.peer()));
        self.site.report(head, draft, client.as_ref().unwrap_or(cx.peer()), cx);
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
            Message::Head(head) => self.answer(&head, &[], cx),
            Message::Body { bytes, is_last } => self.on_body(bytes, is_last, cx),
        }
    }

    fn on_incomplete(&mut self, http: &Http) {
        self.is_head_next = http.refuses_head();
        if let Some(head) = http.refused_head().filter(|_| self.site.on_answer.is_some()) {
            self.doing = Doing::Refusing(Box::new(RefusedHead(head.to_vec())));
        }
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
            Doing::Awaiting(late) => {
                if let Err(why) = self.give_up(&late, cx) {
                    cx.close(why);
                }
            }
            doing => self.doing = doing,
        }
    }

    fn on_notify(&mut self, notification: Notification, cx: &mut Context<'_>) {
        match self.doing {
            Doing::Streaming(_) => self.take_piece(notification, cx),
            Doing::Collecting(_) if notification.is::<Awake>() => self.resume_body(cx),
            _ => {
                if let Err(why) = self.take_answer(notification, cx) {
                    cx.close(why);
                }
            }
        }
    }

    fn on_close(&mut self, why: &Close, cx: &mut Context<'_>) {
        self.report_stream(cx);
        // Only its end tells the client that such a body is complete.
        if matches!(&self.doing, Doing::Streaming(stream) if stream.ends_with_connection()) {
            cx.reset(why.clone());
        }
    }

    /// Between two requests the client expects the end, and connects again.
    fn on_crowded(&mut self, cx: &mut Context<'_>) {
        if matches!(self.doing, Doing::Nothing) && self.site.waiting == Waiting::GivesWay {
            cx.close(Close::Crowded);
        }
    }

    fn on_stop(&mut self, cx: &mut Context<'_>) {
        // During a request, `is_stopping` closes the connection after its answer.
        match self.doing {
            Doing::Nothing => cx.close(Close::Stopping),
            Doing::Streaming(_) => self.stop_stream(cx),
            _ => {}
        }
    }
}
