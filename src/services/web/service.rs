//! The builder of the web service: routes, nested routers, and limits.

use std::sync::Arc;
use std::{fmt, io, mem};

use http::Method;

use super::conversation::Conversation;
use super::failure::Failure;
use super::intake::{Intake, Resume};
use super::plan::Plan;
use super::record::RequestRecord;
use super::reply::{Answered, Reply};
use super::request::Request;
use super::response::Response;
use super::site::{Site, Waiting};
use crate::handler::framed::Framed;
use crate::handler::{Handler, Service};
use crate::net::incoming::Incoming;
use crate::net::subnet::Subnet;
use crate::protocol::http::{Http, HttpLimits};

/// A web service: routes, guards, limits, and the state of type `S` that they share. It is a
/// [`Service`], whose connections share the routes.
///
/// # Paths
///
/// A path is matched segment by segment, after percent-decoding. `{name}` stands for one segment;
/// `{*name}`, which must come last, stands for all remaining ones. [`Request::param`] returns their
/// text. The most specific pattern wins, independent of the order of the routes: segment by
/// segment, a fixed text takes precedence over `{name}`, and `{name}` over `{*name}`.
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
/// Patterns that break these rules, and two routes for the same requests, are errors when the
/// server starts; [`Service::check`] finds them earlier.
///
/// # Methods
///
/// Each method of HTTP has its own routes:
///
/// ```
/// use socketserver::services::web::{Method, Web};
/// use socketserver::testkit::WebClient;
///
/// let web = Web::new()
///     .get("/item", |_, reply| reply.text("read"))
///     .put("/item", |_, reply| reply.text("replaced"))
///     .patch("/item", |_, reply| reply.text("changed"))
///     .delete("/item", |_, reply| reply.text("removed"))
///     .route(Method::from_bytes(b"LOCK")?, "/item", |_, reply| reply.text("locked"))
///     .any("/item", |request, reply| {
///         reply.status(501).text(format!("{} is not possible", request.method()))
///     });
/// let mut client = WebClient::new(web);
/// assert_eq!(client.request(Method::PATCH, "/item").send().text(), "changed");
/// let answer = client.request(Method::POST, "/item").send();
/// assert_eq!((answer.status(), answer.text()), (501, "POST is not possible"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The service answers `HEAD` with the route of `GET`, and `OPTIONS` with the methods of the path.
/// It answers 404 if a path has no route, and 405 with `Allow` if the method has none. `TRACE` gets
/// 501 everywhere, and so does another method than those of RFC 9110 and `PATCH` that no route
/// names, unless a route from [`Web::any`] or [`Web::not_found`] takes it.
///
/// # Files from forms
///
/// The service does not parse `multipart/form-data`. Send a file as the whole body of a `PUT` or
/// `POST`, from a page by `fetch(url, { method: "PUT", body: file })`, and further values in the
/// query; or parse [`Request::body`] with a library for multipart bodies. A route is called when
/// the body is complete, so [`Web::body_limit`] limits the memory for it. A route from
/// [`Web::upload`] gets the body in pieces instead.
pub struct Web<S = ()> {
    plan: Option<Plan<S>>,
    limits: HttpLimits,
    /// Built from `plan` and `limits` for the first connection.
    site: Option<Arc<Site<S>>>,
    own_places: usize,
}

impl Web {
    /// Creates a service without state or routes.
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
    /// Creates a service without routes. [`Request::state`] returns `state`.
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
    /// The compiler rejects a route that needs another state:
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
        Web {
            plan: Some(Plan::new(state)),
            limits: HttpLimits::default(),
            site: None,
            own_places: 0,
        }
    }

    /// Gives connections places of their own: see [`Service::own_places`].
    pub(super) fn with_own_places(self, own_places: usize) -> Web<S> {
        Web { own_places, ..self }
    }

    /// Adds a route for `GET`, and for `HEAD` unless the path has another route for it. Answers to
    /// `HEAD` have no body.
    #[must_use]
    pub fn get<F>(self, path: &str, route: F) -> Web<S>
    where
        F: Fn(&Request<'_, S>, Reply<'_>) -> Answered + Send + Sync + 'static,
    {
        self.route(Method::GET, path, route)
    }

    /// Adds a route for `POST`.
    #[must_use]
    pub fn post<F>(self, path: &str, route: F) -> Web<S>
    where
        F: Fn(&Request<'_, S>, Reply<'_>) -> Answered + Send + Sync + 'static,
    {
        self.route(Method::POST, path, route)
    }

    /// Adds a route for `PUT`.
    #[must_use]
    pub fn put<F>(self, path: &str, route: F) -> Web<S>
    where
        F: Fn(&Request<'_, S>, Reply<'_>) -> Answered + Send + Sync + 'static,
    {
        self.route(Method::PUT, path, route)
    }

    /// Adds a route for `DELETE`.
    #[must_use]
    pub fn delete<F>(self, path: &str, route: F) -> Web<S>
    where
        F: Fn(&Request<'_, S>, Reply<'_>) -> Answered + Send + Sync + 'static,
    {
        self.route(Method::DELETE, path, route)
    }

    /// Adds a route for `PATCH`.
    #[must_use]
    pub fn patch<F>(self, path: &str, route: F) -> Web<S>
    where
        F: Fn(&Request<'_, S>, Reply<'_>) -> Answered + Send + Sync + 'static,
    {
        self.route(Method::PATCH, path, route)
    }

    /// Adds a route for a method, except `TRACE` and `CONNECT`, which always get 501.
    #[must_use]
    pub fn route<F>(self, method: Method, path: &str, route: F) -> Web<S>
    where
        F: Fn(&Request<'_, S>, Reply<'_>) -> Answered + Send + Sync + 'static,
    {
        self.planned(|plan| plan.add(Some(method), path, Box::new(route)))
    }

    /// Adds a route for all methods without a route of their own at this path, except `TRACE` and
    /// `CONNECT`.
    #[must_use]
    pub fn any<F>(self, path: &str, route: F) -> Web<S>
    where
        F: Fn(&Request<'_, S>, Reply<'_>) -> Answered + Send + Sync + 'static,
    {
        self.planned(|plan| plan.add(None, path, Box::new(route)))
    }

    /// Adds a route whose body is consumed as it arrives, instead of kept whole. `open` is called
    /// after the guards and before the first piece, and makes the consumer; if it fails, the body
    /// is not read. [`body_limit`](Web::body_limit) bounds the body. [`Intake`] has an example.
    #[must_use]
    pub fn upload<F, I>(self, method: Method, path: &str, open: F) -> Web<S>
    where
        F: Fn(&Request<'_, S>, Resume) -> Result<I, Failure> + Send + Sync + 'static,
        I: Intake,
    {
        self.planned(|plan| plan.add_upload(method, path, open))
    }

    /// Sets the route for paths without a route. Its default status is 404. The route of a
    /// [nested](Web::nest) service is for the paths below its prefix.
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

    /// Adds the routes of another service below a prefix; its route for `/` is at the prefix
    /// itself. The other service keeps its state, guards and mappers. The guards of this service
    /// are called before its guards, and the mappers of this service after its mappers. The
    /// [limits](Web::limits) of the other service are ignored, but not its
    /// [body limits](Web::body_limit); its [`on_answer`](Web::on_answer) and
    /// [`trust_proxies`](Web::trust_proxies) are ignored as well.
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

/// Guards, mappers, answers to failures, and limits. They concern all routes, including those that
/// are added later.
impl<S: Send + Sync + 'static> Web<S> {
    /// Adds a guard, which is called for each request with a route, before that route. If the guard
    /// returns a response, this is the answer, and the route is not called. Guards are called in
    /// the order in which they were added.
    ///
    /// A guard is called after the head of a request and before its body, so that it refuses an
    /// upload before its transfer. After such a refusal the connection ends.
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

    /// Adds a mapper, which can change every answer, including 404 and the answers to failures, but
    /// not the refusals of malformed requests. Mappers are called in the order in which they were
    /// added.
    ///
    /// With a mapper, each answer becomes a [`Response`] before it is written; without one, most
    /// answers are written directly.
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

    /// Sets the answer to a request whose route has failed or panicked. The default is one line of
    /// text. The failure is logged first.
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

    /// Trusts the proxies in these networks to name their clients, in `Forwarded` (RFC 7239) or
    /// `X-Forwarded-For`. [`Request::peer`], the log and [`RequestRecord::peer`] then show the
    /// client. The fields of all others are ignored. Without this call no proxy is trusted.
    ///
    /// The entries are read from the last one back: the client is the first that is not a trusted
    /// proxy itself. An entry without an address (`unknown`, `_hidden`) ends the search, and the
    /// proxy that wrote it counts. If a request has both fields and they differ, it keeps the
    /// address of the connection, because only one of them is from the proxy: let the proxy remove
    /// the other one.
    ///
    /// [`Limits::connections_per_peer`](crate::Limits::connections_per_peer) counts connections,
    /// and so those of the proxy. A [nested](Web::nest) service has the proxies of the outer one.
    ///
    /// ```
    /// use socketserver::Subnet;
    /// use socketserver::services::web::{Method, Web};
    /// use socketserver::testkit::WebClient;
    ///
    /// let proxies: [Subnet; 2] = ["unix".parse()?, "10.0.0.0/8".parse()?];
    /// let web = Web::new()
    ///     .get("/peer", |request, reply| reply.text(request.peer().to_string()))
    ///     .trust_proxies(proxies);
    /// let mut client = WebClient::new(web);
    /// let request = client.request(Method::GET, "/peer");
    /// let answer = request.header("x-forwarded-for", "203.0.113.9, 192.0.2.7, 10.0.0.1").send();
    /// assert_eq!(answer.text(), "192.0.2.7");
    /// # Ok::<(), socketserver::AddressError>(())
    /// ```
    #[must_use]
    pub fn trust_proxies(self, nets: impl IntoIterator<Item = Subnet>) -> Web<S> {
        self.planned(|plan| plan.proxies.add(nets))
    }

    /// Calls `observe` with a record of each request that was answered, for a log of requests. It
    /// runs in the loop, or on the worker that has called the route, so it must not block. Answers
    /// to bytes that are not a request are included; an answer in pieces is recorded at its end, or
    /// when its connection ends. A client that has left before its answer is not recorded. If
    /// `observe` panics, the log says so. A later call replaces the function, and that of a
    /// [nested](Web::nest) service is ignored. [`RequestRecord`] has an example.
    #[must_use]
    pub fn on_answer<F>(self, observe: F) -> Web<S>
    where
        F: Fn(&RequestRecord<'_>) + Send + Sync + 'static,
    {
        self.planned(|plan| plan.on_answer = Some(Box::new(observe)))
    }

    /// Sets the maximum length of a body in bytes for the routes of one pattern, which replaces
    /// [`HttpLimits::body`]. A longer body is refused with status 413: at once if the head has its
    /// length, otherwise when the limit is exceeded.
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

    /// Sets the limits of requests, which replace [`HttpLimits::default`].
    ///
    /// ```
    /// use socketserver::protocol::http::HttpLimits;
    /// use socketserver::services::web::Web;
    /// use socketserver::testkit::WebClient;
    ///
    /// let web = Web::new()
    ///     .post("/", |request, reply| reply.text(request.body().len().to_string()))
    ///     .limits(HttpLimits::default().body(4));
    /// let mut client = WebClient::new(web);
    /// assert_eq!(client.post("/", "1234").text(), "4");
    /// assert_eq!(client.post("/", "12345").status(), 413);
    /// ```
    #[must_use]
    pub fn limits(mut self, limits: HttpLimits) -> Web<S> {
        self.limits = limits;
        self
    }
}

impl<S: Send + Sync + 'static> Service for Web<S> {
    fn accept(&mut self, _: Incoming) -> Option<Box<dyn Handler>> {
        if let Some(plan) = mem::take(&mut self.plan) {
            let waiting = if self.own_places > 0 { Waiting::Stays } else { Waiting::GivesWay };
            self.site = Some(Arc::new(Site { waiting, ..plan.build(&self.limits) }));
        }
        let site = self.site.as_ref()?;
        let http = Http::new(Arc::clone(&site.limits));
        Some(Box::new(Framed::new(http, Conversation::new(Arc::clone(site)))))
    }

    /// Returns 16 for [health checks](super::health()), else 0.
    fn own_places(&self) -> usize {
        self.own_places
    }

    /// Checks the routes.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if a pattern breaks a rule, if two routes match the same requests, or if a
    /// body limit is for a path without a route. The message names the routes.
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
