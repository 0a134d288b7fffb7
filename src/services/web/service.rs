//! The web service as its users build it: routes, routers within it, and limits.

use std::sync::Arc;
use std::{fmt, io, mem};

use http::Method;

use super::conversation::Conversation;
use super::failure::Failure;
use super::plan::Plan;
use super::reply::{Answered, Reply};
use super::request::Request;
use super::response::Response;
use super::site::Site;
use crate::handler::framed::Framed;
use crate::handler::{Handler, Service};
use crate::net::incoming::Incoming;
use crate::protocol::http::{Http, HttpLimits};

/// A web service: routes, guards, limits, and the state of type `S` that they share. It is a
/// [`Service`]; each connection gets its own conversation, all share the routes.
///
/// # Paths
///
/// A path is matched segment by segment, percent-decoded. `{name}` stands for any one segment,
/// `{*name}`, which comes last, for all that follow; [`Request::param`] gives their text. The most
/// specific pattern wins, in whatever order they were added: segment by segment, a fixed one goes
/// before `{name}`, and that before `{*name}`.
///
/// ```
/// use socketserver::services::web::Web;
///
/// let web = Web::new()
///     .get("/files/{*path}", |request, reply| {
///         reply.text(request.param("path").unwrap_or(""))
///     })
///     .get("/files/{name}", |_, reply| reply.text("one file"))
///     .get("/files/new", |_, reply| reply.text("a form"));
/// # use socketserver::Service;
/// web.check()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Patterns that break these rules, and two routes for the same requests, are errors when the server
/// starts; [`Service::check`] finds them earlier.
///
/// # Included
///
/// `HEAD` where there is `GET`, `OPTIONS`, 404, and 405 with `Allow` are answered for you.
///
/// # Not included
///
/// `multipart/form-data` is not read. Send a file as the whole body of a `PUT` or `POST`, from a page
/// by `fetch(url, { method: "PUT", body: file })`, and further values in the query; or put a library
/// that reads multipart bodies behind [`Request::body`]. Bodies are collected before their route is
/// called, so [`Web::body_limit`] bounds them.
pub struct Web<S = ()> {
    plan: Option<Plan<S>>,
    limits: HttpLimits,
    /// Made of the other two when the first client comes.
    site: Option<Arc<Site<S>>>,
}

impl Web {
    /// A service without state that answers 404 to everything.
    pub fn new() -> Web {
        Web::with_state(())
    }
}

impl Default for Web {
    fn default() -> Web {
        Web::new()
    }
}

/// Routes.
impl<S: Send + Sync + 'static> Web<S> {
    /// A service that answers 404 to everything. Its routes get `state` by [`Request::state`].
    ///
    /// ```
    /// use socketserver::services::web::{Answered, Reply, Request, Web};
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// struct Visits(AtomicU64);
    ///
    /// fn count(request: &Request<Visits>, reply: Reply) -> Answered {
    ///     let visit = 1 + request.state().0.fetch_add(1, Ordering::Relaxed);
    ///     reply.text(format!("visit {visit}\n"))
    /// }
    ///
    /// let web = Web::with_state(Visits(AtomicU64::new(0))).get("/", count);
    /// ```
    ///
    /// A route that needs another state does not compile:
    ///
    /// ```compile_fail,E0631
    /// use socketserver::services::web::{Answered, Reply, Request, Web};
    ///
    /// struct Visits;
    ///
    /// fn count(_: &Request<Visits>, reply: Reply) -> Answered {
    ///     reply.empty()
    /// }
    ///
    /// let web = Web::new().get("/", count);
    /// ```
    pub fn with_state(state: S) -> Web<S> {
        Web { plan: Some(Plan::new(state)), limits: HttpLimits::default(), site: None }
    }

    /// Answers `GET`, and `HEAD` with the same but for the body.
    #[must_use]
    pub fn get<F>(self, path: &str, route: F) -> Web<S>
    where
        F: Fn(&Request<'_, S>, Reply<'_>) -> Answered + Send + Sync + 'static,
    {
        self.route(Method::GET, path, route)
    }

    /// Answers `POST`.
    #[must_use]
    pub fn post<F>(self, path: &str, route: F) -> Web<S>
    where
        F: Fn(&Request<'_, S>, Reply<'_>) -> Answered + Send + Sync + 'static,
    {
        self.route(Method::POST, path, route)
    }

    /// Answers `PUT`.
    #[must_use]
    pub fn put<F>(self, path: &str, route: F) -> Web<S>
    where
        F: Fn(&Request<'_, S>, Reply<'_>) -> Answered + Send + Sync + 'static,
    {
        self.route(Method::PUT, path, route)
    }

    /// Answers `DELETE`.
    #[must_use]
    pub fn delete<F>(self, path: &str, route: F) -> Web<S>
    where
        F: Fn(&Request<'_, S>, Reply<'_>) -> Answered + Send + Sync + 'static,
    {
        self.route(Method::DELETE, path, route)
    }

    /// Answers `PATCH`.
    #[must_use]
    pub fn patch<F>(self, path: &str, route: F) -> Web<S>
    where
        F: Fn(&Request<'_, S>, Reply<'_>) -> Answered + Send + Sync + 'static,
    {
        self.route(Method::PATCH, path, route)
    }

    /// Answers one method, whichever.
    #[must_use]
    pub fn route<F>(self, method: Method, path: &str, route: F) -> Web<S>
    where
        F: Fn(&Request<'_, S>, Reply<'_>) -> Answered + Send + Sync + 'static,
    {
        self.planned(|plan| plan.add(Some(method), path, Box::new(route)))
    }

    /// Answers every method that has no route of its own at this path.
    #[must_use]
    pub fn any<F>(self, path: &str, route: F) -> Web<S>
    where
        F: Fn(&Request<'_, S>, Reply<'_>) -> Answered + Send + Sync + 'static,
    {
        self.planned(|plan| plan.add(None, path, Box::new(route)))
    }

    /// Answers requests for paths that have no route, with status 404 unless the route says another
    /// one. That of a [nested](Web::nest) service answers below its prefix.
    ///
    /// ```
    /// use socketserver::services::web::Web;
    /// use socketserver::testkit::WebClient;
    ///
    /// let web = Web::new().not_found(|_, reply| reply.html("<h1>Not here</h1>"));
    /// let mut client = WebClient::new(web);
    /// let answer = client.get("/there");
    /// assert_eq!((answer.status(), answer.text()), (404, "<h1>Not here</h1>"));
    /// ```
    #[must_use]
    pub fn not_found<F>(self, route: F) -> Web<S>
    where
        F: Fn(&Request<'_, S>, Reply<'_>) -> Answered + Send + Sync + 'static,
    {
        self.planned(|plan| plan.scope().not_found = Some(Box::new(route)))
    }

    /// Adds the routes of another service below a prefix, where `/` is the prefix itself. They keep
    /// their state, their guards and the rest; the guards of this service come before theirs, and
    /// its mappers after. The limits of this service hold.
    ///
    /// ```
    /// use socketserver::services::web::Web;
    /// use socketserver::testkit::WebClient;
    ///
    /// let api = Web::new()
    ///     .get("/", |_, reply| reply.text("the interface"))
    ///     .get("/items/{id}", |request, reply| reply.text(request.param("id").unwrap_or("?")));
    /// let mut client = WebClient::new(Web::new().nest("/api", api));
    /// assert_eq!(client.get("/api").text(), "the interface");
    /// assert_eq!(client.get("/api/items/7").text(), "7");
    /// ```
    #[must_use]
    pub fn nest(self, prefix: &str, other: Web<S>) -> Web<S> {
        match other.plan {
            Some(other) => self.planned(|plan| plan.nest(prefix, other)),
            None => self,
        }
    }

    fn planned(mut self, change: impl FnOnce(&mut Plan<S>)) -> Web<S> {
        if let Some(plan) = &mut self.plan {
            change(plan);
        }
        self
    }
}

/// Guards, answers to failures, and limits. The order in which they and routes are added means
/// nothing.
impl<S: Send + Sync + 'static> Web<S> {
    /// Asks `guard` about each request that has a route, before that is called. If it returns a
    /// response, that is the answer. Several are asked in the order they were added.
    ///
    /// It is asked when the head of the request is there and before its body is read, so an upload
    /// is refused before it has come; the connection ends then.
    ///
    /// ```
    /// use socketserver::services::web::{Method, Response, Web};
    /// use socketserver::testkit::WebClient;
    ///
    /// let web = Web::new()
    ///     .get("/secret", |_, reply| reply.text("42"))
    ///     .guard(|request| match request.header("authorization") {
    ///         Some("Bearer 31d4d96e") => Ok(()),
    ///         _ => Err(Response::new(401).header("www-authenticate", "Bearer")),
    ///     });
    /// let mut client = WebClient::new(web);
    /// assert_eq!(client.get("/secret").status(), 401);
    /// let request = client.request(Method::GET, "/secret");
    /// assert_eq!(request.header("authorization", "Bearer 31d4d96e").send().text(), "42");
    /// ```
    #[must_use]
    pub fn guard<F>(self, guard: F) -> Web<S>
    where
        F: Fn(&Request<'_, S>) -> Result<(), Response> + Send + Sync + 'static,
    {
        self.planned(|plan| plan.scope().guards.push(Box::new(guard)))
    }

    /// Has `mapper` change every answer, 404 and failures included. Only refusals of what is not a
    /// proper request are sent as they are. Several are called in the order they were added.
    ///
    /// Answers are values before they are written if there is a mapper, and are written at once if
    /// there is none.
    ///
    /// ```
    /// use socketserver::services::web::Web;
    /// use socketserver::testkit::WebClient;
    ///
    /// let web = Web::new()
    ///     .get("/", |_, reply| reply.text("hello"))
    ///     .map_response(|_, response| response.set_header("x-frame-options", "DENY"));
    /// let answer = WebClient::new(web).get("/");
    /// assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    /// ```
    #[must_use]
    pub fn map_response<F>(self, mapper: F) -> Web<S>
    where
        F: Fn(&Request<'_, S>, &mut Response) + Send + Sync + 'static,
    {
        self.planned(|plan| plan.scope().mappers.push(Box::new(mapper)))
    }

    /// Answers requests whose route has failed or panicked, in the place of one line of text. The
    /// failure is logged before.
    ///
    /// ```
    /// use socketserver::services::web::{Failure, Response, Web};
    /// use socketserver::testkit::WebClient;
    ///
    /// let web = Web::new()
    ///     .get("/", |_, _| Err(Failure::new(404, "no such item")))
    ///     .on_failure(|_, failure| {
    ///         Response::new(failure.status()).html(format!("<h1>{}</h1>", failure.status()))
    ///     });
    /// assert_eq!(WebClient::new(web).get("/").text(), "<h1>404 Not Found</h1>");
    /// ```
    #[must_use]
    pub fn on_failure<F>(self, answer: F) -> Web<S>
    where
        F: Fn(&Request<'_, S>, &Failure) -> Response + Send + Sync + 'static,
    {
        self.planned(|plan| plan.scope().on_failure = Some(Box::new(answer)))
    }

    /// Bytes of a body for the routes of one pattern, in the place of [`HttpLimits::body`]. A longer
    /// body gets 413: at once if its length is told, else when it has grown above it.
    ///
    /// ```
    /// use socketserver::services::web::Web;
    ///
    /// let web = Web::new()
    ///     .put("/files/{name}", |request, reply| reply.text(request.body().len().to_string()))
    ///     .body_limit("/files/{name}", 100 * 1024 * 1024);
    /// ```
    #[must_use]
    pub fn body_limit(self, path: &str, bytes: u64) -> Web<S> {
        self.planned(|plan| plan.limit_body(path, bytes))
    }

    /// The limits of requests, instead of [`HttpLimits::default`].
    #[must_use]
    pub fn limits(mut self, limits: HttpLimits) -> Web<S> {
        self.limits = limits;
        self
    }
}

impl<S: Send + Sync + 'static> Service for Web<S> {
    fn accept(&mut self, _: Incoming) -> Option<Box<dyn Handler>> {
        if let Some(plan) = mem::take(&mut self.plan) {
            self.site = Some(Arc::new(plan.build(&self.limits)));
        }
        let site = self.site.as_ref()?;
        let http = Http::new(Arc::clone(&site.limits));
        Some(Box::new(Framed::new(http, Conversation::new(Arc::clone(site)))))
    }

    /// Finds mistakes in the routes: patterns that break a rule, two routes for the same requests,
    /// a body limit for a path without a route. The message names the routes.
    fn check(&self) -> io::Result<()> {
        match self.plan.as_ref().and_then(Plan::defect) {
            Some(defect) => Err(io::Error::new(io::ErrorKind::InvalidInput, defect)),
            None => Ok(()),
        }
    }
}

impl<S> fmt::Debug for Web<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Web").field("limits", &self.limits).finish_non_exhaustive()
    }
}
