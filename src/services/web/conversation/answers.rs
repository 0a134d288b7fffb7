//! The answers of a conversation: values, delayed and late ones, pieces, and refusals. The second
//! part of [`Conversation`].

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

#[cfg(feature = "ws")]
use super::super::draft::Upgrade;
use super::super::draft::{Draft, Later, Rest};
use super::super::failure::Failure;
use super::super::late::{
    Delayed, Doing, Late, Next, PIECES_A_TURN, ReadPiece, Stream, Worked, work_off,
};
use super::super::pending;
use super::super::response::{Response, TEXT};
use super::super::source::{Extent, Step, Waker};
use super::super::{scope, site};
use super::{ANSWER_TIMER, Conversation, PIECES_TIMER, TOO_LONG, go_on};
use crate::close::Close;
use crate::handler::context::Context;
use crate::handler::notification::Notification;
use crate::panics;
use crate::protocol::http::{Head, Verb};

/// Answers.
impl<S> Conversation<S> {
    /// Sends an answer that is a value, or starts the work for it.
    pub(super) fn send_later(
        &mut self,
        head: &Head<'_>,
        draft: Draft,
        later: Later,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        match later {
            Later::Response(response) => self.send(head, draft, Ok(response), cx),
            Later::Work(work) => {
                self.await_answer(Late::new(head, draft, None), cx);
                cx.offload(move || work_off(work));
                Ok(())
            }
            #[cfg(feature = "ws")]
            Later::Upgrade(upgrade) => self.switch(head, draft, upgrade, cx),
            Later::Kept(kept) => {
                let answer = kept.await_answer(cx.notifier(), cx.id());
                let mut late = Late::new(head, draft, Some(kept));
                if let Some(answer) = answer {
                    let answer = late.complete(answer);
                    return self.send(head, late.draft, answer, cx);
                }
                self.await_answer(late, cx);
                Ok(())
            }
        }
    }

    /// Ends HTTP on the connection: the next bytes of the client are for the handler of the
    /// upgrade.
    #[cfg(feature = "ws")]
    fn switch(
        &mut self,
        head: &Head<'_>,
        mut draft: Draft,
        upgrade: Upgrade,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        let Upgrade { response, handler } = upgrade;
        match panics::catch(|| self.site.finish(head, cx.ends(), Ok(response))) {
            Ok(response) if response.status == StatusCode::SWITCHING_PROTOCOLS => {
                draft.write_upgrade(cx.out(), response);
                self.report(Some(head), &draft, cx);
                cx.upgrade(handler);
            }
            // A mapper has put another answer in its place.
            Ok(response) => self.write(head, draft, response, cx),
            Err(said) => return self.send_panic(head, draft.began, &said, cx),
        }
        Ok(())
    }

    fn await_answer(&mut self, late: Box<Late>, cx: &mut Context<'_>) {
        if let Some(time) = late.draft.time_limit() {
            cx.set_timer(ANSWER_TIMER, time);
        }
        self.doing = Doing::Awaiting(late);
        cx.pause();
    }

    /// Answers in the place of a worker or an owner that is too late. The connection ends, so that
    /// a result that comes later is not taken for the next one.
    #[cold]
    pub(super) fn give_up(&mut self, late: &Late, cx: &mut Context<'_>) -> Result<(), Close> {
        let site = Arc::clone(&self.site);
        let head = Head::parse(&late.head, &site.limits)?;
        let draft = self.draft(&head.closing(), cx).since(late.draft.began);
        let failure = Failure::new(StatusCode::SERVICE_UNAVAILABLE, "the answer took too long");
        self.send(&head, draft, Err(failure), cx)?;
        self.end_after_answer(Close::Done)
    }

    /// Sends an answer, after its delay if there is one.
    pub(super) fn send(
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
    pub(super) fn send_panic(
        &mut self,
        head: &Head<'_>,
        began: u64,
        said: &str,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        let failure = Failure::internal(format!("panicked: {said}"));
        let mut draft = self.draft(&head.closing(), cx).since(began);
        // The code that answers failures may panic as well.
        let finished = panics::catch(|| self.site.finish(head, cx.ends(), Err(failure)));
        let response = finished.unwrap_or_else(|said| {
            let failure = Failure::internal(format!("panicked: {said}"));
            let client = self.site.proxies.client(head, cx.peer());
            site::note(head, client.as_ref().unwrap_or(cx.peer()), &failure);
            scope::plain(&failure)
        });
        match draft.write_response(cx.out(), response) {
            Some(rest) => self.begin_stream(head, draft, rest, cx),
            None => self.report(Some(head), &draft, cx),
        }
        self.end_after_answer(Close::Panicked)
    }

    pub(super) fn write(
        &mut self,
        head: &Head<'_>,
        mut draft: Draft,
        response: Response,
        cx: &mut Context<'_>,
    ) {
        draft.renew(!cx.is_stopping(), cx.now().unix_seconds());
        match draft.write_response(cx.out(), response) {
            Some(rest) => self.begin_stream(head, draft, rest, cx),
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
        mut rest: Rest,
        cx: &mut Context<'_>,
    ) {
        rest.source.begin(Waker::new(cx.notifier(), cx.id()));
        if cx.is_stopping() {
            rest.source.stop();
        }
        let is_recorded = self.site.on_answer.is_some();
        self.doing = Doing::Streaming(Stream::new(head, is_recorded, draft, rest));
        self.stream(cx);
    }

    /// Writes pieces until the output is full, the source has none, or the body is complete.
    pub(super) fn stream(&mut self, cx: &mut Context<'_>) {
        let Doing::Streaming(stream) = &mut self.doing else { return };
        if cx.is_mute() {
            // The client has gone: the source is dropped, and not asked again.
            self.report_stream(cx);
            self.doing = Doing::Nothing;
            return cx.close(Close::Io(io::ErrorKind::BrokenPipe));
        }
        if stream.next == Next::Worker {
            return pause(stream, cx);
        }
        for _ in 0..PIECES_A_TURN {
            if cx.is_done() {
                return pause(stream, cx);
            }
            match stream.rest.source.next(cx.now().elapsed()) {
                Step::Piece(piece) => stream.append(&piece, cx.out()),
                Step::Wait(after) => {
                    pause(stream, cx);
                    if let Some(after) = after {
                        cx.set_timer(PIECES_TIMER, after);
                    }
                    return;
                }
                #[cfg(feature = "files")]
                Step::File(file, part) => {
                    stream.draft.sent += part.end - part.start;
                    cx.send_file(file, part);
                    return pause(stream, cx);
                }
                Step::Read(work) => {
                    stream.next = Next::Worker;
                    cx.offload(move || ReadPiece(work()));
                    return pause(stream, cx);
                }
                Step::End => {
                    stream.append_end(cx.out());
                    let keep = stream.rest.keep && !cx.is_stopping();
                    self.report_stream(cx);
                    self.doing = Doing::Nothing;
                    return go_on(keep, cx);
                }
                // Still `Streaming`: `on_close` reports it, and resets the connection if the client
                // could take the body for complete.
                Step::Broken(why) => return cx.close(why),
            }
        }
        pause(stream, cx);
        cx.set_timer(PIECES_TIMER, Duration::ZERO);
    }

    /// Goes on with an answer in pieces: its source has one, or a worker has read one.
    pub(super) fn take_piece(&mut self, notification: Notification, cx: &mut Context<'_>) {
        let Doing::Streaming(stream) = &mut self.doing else { return };
        if let Ok(ReadPiece(read)) = notification.downcast::<ReadPiece>() {
            stream.next = Next::Source;
            match read {
                Ok(piece) => stream.append(&piece, cx.out()),
                Err(error) => return cx.close(Close::Io(error.kind())),
            }
        }
        self.stream(cx);
    }

    /// Has the source of an answer end it, because the server is stopping.
    pub(super) fn stop_stream(&mut self, cx: &mut Context<'_>) {
        let Doing::Streaming(stream) = &mut self.doing else { return };
        stream.rest.source.stop();
        self.stream(cx);
    }

    /// Reports an answer in pieces, complete or not.
    pub(super) fn report_stream(&self, cx: &Context<'_>) {
        let Doing::Streaming(stream) = &self.doing else { return };
        let head = Head::parse(&stream.head, &self.site.limits).ok();
        self.report(head.as_ref(), &stream.draft, cx);
    }

    /// Sends the answer that was produced elsewhere, if the notification is about it.
    pub(super) fn take_answer(
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
            if late.draft.time_limit().is_some() {
                cx.cancel_timer(ANSWER_TIMER);
            }
            let answer = late.complete(answer);
            let site = Arc::clone(&self.site);
            let head = Head::parse(&late.head, &site.limits)?;
            self.send(&head, late.draft, answer, cx)?;
        }
        Ok(())
    }

    pub(super) fn refuse_body(
        &self,
        head: Option<&Head<'_>>,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        self.refuse(head, StatusCode::PAYLOAD_TOO_LARGE, TOO_LONG, cx);
        Err(Close::Malformed { code: 413, why: TOO_LONG })
    }

    /// Answers malformed or incomplete input, with this head or that of the body, if there is one;
    /// the connection ends.
    pub(super) fn refuse(
        &self,
        head: Option<&Head<'_>>,
        status: StatusCode,
        why: &str,
        cx: &mut Context<'_>,
    ) {
        let mut began = cx.now().nanos();
        let arriving = match &self.doing {
            Doing::Collecting(upload) => {
                began = upload.began.as_nanos() as u64;
                Head::parse(&upload.head, &self.site.limits).ok()
            }
            Doing::Refusing(refused) => Head::parse(&refused.0, &self.site.limits).ok(),
            _ => None,
        };
        let head = head.or(arriving.as_ref());
        let is_head = head.map_or(self.is_head_next, |head| head.verb() == Verb::Head);
        let body = format!("{status}: {why}\n");
        let mut draft = Draft::refusal(status, is_head, cx.now().unix_seconds()).since(began);
        draft.write(cx.out(), TEXT, body.as_bytes());
        self.report(head, &draft, cx);
    }
}

/// Pauses the input of a client until its answer goes on.
fn pause(stream: &Stream, cx: &mut Context<'_>) {
    match stream.rest.source.extent() {
        Extent::Live => cx.pause_until_end(),
        Extent::Measured(_) | Extent::Unmeasured => cx.pause(),
    }
}
