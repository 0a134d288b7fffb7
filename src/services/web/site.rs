//! The part of a web service that its connections share: routes, routers and limits. Knows no
//! connection.

use std::sync::Arc;

use http::{StatusCode, header};

use super::draft::Draft;
use super::failure::Failure;
use super::forwarded::Proxies;
use super::intake::{Consumer, Resume};
use super::record::{OnAnswer, RequestRecord};
use super::reply::{Answered, Reply};
use super::request::Request;
use super::response::Response;
use super::router::{Entry, Methods, Router};
use super::scope::{self, Scopes};
use super::source::Waker;
use super::upload::Taker;
use crate::handler::context::Context;
use crate::net::local::Ends;
use crate::net::peer::Peer;
use crate::panics;
use crate::protocol::http::{Head, HttpLimits, Verb};

/// The routes and limits of a web service, shared by its connections.
pub(super) struct Site<S> {
    pub(super) router: Router<S>,
    pub(super) scopes: Scopes<S>,
    /// The limits of the decoder; that of bodies is the largest of all routes.
    pub(super) limits: Arc<HttpLimits>,
    /// The maximum of bytes of a body, for routes without their own.
    pub(super) body_limit: u64,
    /// The client of a request may be another one than its peer, or its answer is recorded.
    pub(super) is_observed: bool,
    pub(super) proxies: Proxies,
    pub(super) on_answer: Option<OnAnswer>,
    pub(super) waiting: Waiting,
}

/// A connection between two requests, when others wait for its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    GivesWay,
    /// It may have a place of its own, which is of no use to others.
    Stays,
}

/// The decision about an arriving body.
pub(super) enum Decision {
    /// The body is taken, up to `limit` bytes.
    Taken { by: Taker, limit: u64 },
    /// A guard has refused the request, or its route has failed.
    Refused(Result<Response, Failure>),
}

impl<S> Site<S> {
    /// Answers `request` with its route, or with the status of HTTP for a missing one.
    #[inline(always)]
    pub(super) fn answer<'q>(&'q self, request: &mut Request<'q, S>, reply: Reply<'_>) -> Answered {
        let head = request.head();
        if let Some(entry) = self.router.find_fixed(head.path_bytes()).and_then(|m| m.find(head))
            && entry.is_plain
        {
            return (entry.run)(request, reply);
        }
        self.answer_in_general(request, reply)
    }

    #[inline(never)]
    fn answer_in_general<'q>(&'q self, request: &mut Request<'q, S>, reply: Reply<'_>) -> Answered {
        let head = request.head();
        let Some((methods, values)) = self.router.find(head.path_bytes()) else {
            return self.answer_unknown(request, reply);
        };
        let Some(entry) = methods.find(head) else {
            let at = self.scopes.at(head.path_bytes());
            let reply = self.collected(at, reply);
            return match self.router.knows(head) {
                true => answer_other_methods(methods, head, reply),
                false => answer_not_implemented(reply),
            };
        };
        request.set_params(entry.names.iter().map(|name| &**name).zip(values).collect());
        let reply = self.collected(entry.scope, reply);
        // For a request with a body, the guards were called before the body.
        if !head.has_body()
            && let Err(response) = self.scopes.admit(entry.scope, request)
        {
            return reply.send(response);
        }
        self.scopes.enter(entry.scope, request);
        (entry.run)(request, reply)
    }

    /// Returns the reply, marked to become a value if there are mappers for it.
    fn collected<'r>(&self, at: usize, reply: Reply<'r>) -> Reply<'r> {
        if self.scopes.has_mappers(at) { reply.collected() } else { reply }
    }

    fn answer_unknown<'q>(&'q self, request: &mut Request<'q, S>, reply: Reply<'_>) -> Answered {
        let head = request.head();
        let path = head.path_bytes();
        if path == b"*" {
            return reply.status(StatusCode::NO_CONTENT).empty();
        }
        let at = self.scopes.at(path);
        let reply = self.collected(at, reply);
        // Like a route for any method, that for unknown paths takes all of them but TRACE.
        let route = self.scopes.not_found(at, request).filter(|_| head.verb() != Verb::Trace);
        match route {
            Some(route) => route(request, reply.status(StatusCode::NOT_FOUND)),
            None if self.router.knows(head) => {
                reply.status(StatusCode::NOT_FOUND).text("404 Not Found\n")
            }
            None => answer_not_implemented(reply),
        }
    }

    /// Decides about the body of a request, whose connection `waker` wakes.
    pub(super) fn decide(
        &self,
        head: &Head<'_>,
        ends: Ends<'_>,
        waker: impl FnOnce() -> Waker,
    ) -> Decision {
        let client = self.proxies.client(head, ends.peer);
        let ends = with_client(ends, client.as_ref());
        let found = self.router.find(head.path_bytes());
        let routes = found.as_ref().map(|(methods, _)| *methods);
        let limit = routes.and_then(|methods| methods.body_limit).unwrap_or(self.body_limit);
        let mut request = Request::new(head, &[], ends, &*self.scopes.outermost().state);
        let Some(entry) = self.locate(&mut request) else {
            return Decision::Taken { by: Taker::Nothing, limit };
        };
        if let Err(response) = self.scopes.admit(entry.scope, &mut request) {
            return Decision::Refused(Ok(response));
        }
        let Some(open) = &entry.open else {
            return Decision::Taken { by: Taker::Route(Vec::new()), limit };
        };
        if head.content_length().is_some_and(|length| length > limit) {
            // Refused because of its length, so it needs no consumer.
            return Decision::Taken { by: Taker::Nothing, limit };
        }
        self.scopes.enter(entry.scope, &mut request);
        let resume = Resume::new(waker());
        match open(&request, resume.clone()) {
            Ok(intake) => {
                Decision::Taken { by: Taker::Consumer(Consumer { intake, resume }), limit }
            }
            Err(failure) => Decision::Refused(Err(failure)),
        }
    }

    /// Returns true if the answer to this request must be a value, for the mappers.
    pub(super) fn collects(&self, head: &Head<'_>) -> bool {
        let found = self.router.find(head.path_bytes());
        let entry = found.and_then(|(methods, _)| methods.find(head));
        entry.is_some_and(|entry| self.scopes.has_mappers(entry.scope))
    }

    /// Passes on the record of an answered request of `client`.
    #[inline(always)]
    pub(super) fn report(
        &self,
        head: Option<&Head<'_>>,
        draft: &Draft,
        client: &Peer,
        cx: &Context<'_>,
    ) {
        let Some(on_answer) = &self.on_answer else { return };
        let (ended, now) = cx.read_clock();
        let unix_seconds = now.unix_seconds();
        let record = RequestRecord { head, draft, ended, unix_seconds, peer: client };
        if let Err(said) = panics::catch(|| on_answer(&record)) {
            log::error!("{client} on_answer panicked: {said}");
        }
    }

    /// Returns the route of a request, and sets the request's parameters.
    fn locate<'q>(&'q self, request: &mut Request<'q, S>) -> Option<&'q Entry<S>> {
        let head = request.head();
        let (methods, values) = self.router.find(head.path_bytes())?;
        let entry = methods.find(head)?;
        request.set_params(entry.names.iter().map(|name| &**name).zip(values).collect());
        Some(entry)
    }

    /// Returns the final answer: converts a failure to an answer, and calls the mappers.
    pub(super) fn finish(
        &self,
        head: &Head<'_>,
        ends: Ends<'_>,
        result: Result<Response, Failure>,
    ) -> Response {
        let client = self.proxies.client(head, ends.peer);
        let is_from_proxy = self.proxies.trusts(ends.peer);
        let ends = with_client(ends, client.as_ref());
        let mut request = Request::new(head, &[], ends, &*self.scopes.outermost().state);
        let at = match self.locate(&mut request) {
            Some(entry) => entry.scope,
            None => self.scopes.at(head.path_bytes()),
        };
        if is_from_proxy {
            request.note_proxy();
        }
        let mut response = match result {
            Ok(response) => response,
            Err(failure) => {
                note(head, ends.peer, &failure);
                self.scopes.failed(at, &mut request, &failure)
            }
        };
        self.scopes.map(at, &mut request, &mut response);
        response.checked().unwrap_or_else(|failure| {
            note(head, ends.peer, &failure);
            scope::plain(&failure)
        })
    }
}

/// Returns the ends of a connection with the client that its peer, a proxy, has named.
#[inline(always)]
pub(super) fn with_client<'a>(ends: Ends<'a>, client: Option<&'a Peer>) -> Ends<'a> {
    Ends { peer: client.unwrap_or(ends.peer), ..ends }
}

/// Answers a method without a route, or `OPTIONS`, with the methods of a path.
fn answer_other_methods<S>(methods: &Methods<S>, head: &Head<'_>, reply: Reply<'_>) -> Answered {
    let reply = reply.header(header::ALLOW, methods.allowed());
    if head.verb() == Verb::Options {
        return reply.status(StatusCode::NO_CONTENT).empty();
    }
    reply.status(StatusCode::METHOD_NOT_ALLOWED).text("405 Method Not Allowed\n")
}

/// Answers a method that no route of the service names (RFC 9110, section 9.1).
fn answer_not_implemented(reply: Reply<'_>) -> Answered {
    reply.status(StatusCode::NOT_IMPLEMENTED).text("501 Not Implemented\n")
}

/// Logs the failure of a request.
pub(super) fn note(head: &Head<'_>, peer: &Peer, failure: &Failure) {
    let level = match failure.status().is_server_error() {
        true => log::Level::Error,
        false => log::Level::Debug,
    };
    let (method, path, reason) = (head.method(), head.path(), failure.reason().escape_debug());
    log::log!(level, "{peer} {method} {path}: {reason}");
}
