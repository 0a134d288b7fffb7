//! The web service: routes in, answers out.
//!
//! ```
//! use socketserver::Server;
//! use socketserver::services::web::Web;
//!
//! let web = Web::new()
//!     .get("/", |_, reply| reply.html("<h1>welcome</h1>"))
//!     .get("/hello/{name}", |request, reply| {
//!         let name = request.param("name").unwrap_or("nobody");
//!         reply.text(&format!("Hello, {name}!"))
//!     })
//!     .post("/length", |request, reply| reply.text(&request.body().len().to_string()));
//!
//! let server = Server::bind("127.0.0.1:0")?;
//! # server.handle().stop();
//! server.serve(web)?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod conversation;
mod draft;
mod failure;
mod reply;
mod request;
mod router;
mod site;
mod upload;

use std::fmt;
use std::sync::Arc;

// What routes are given and give: nobody needs to depend on `http` for them.
pub use http::{HeaderName, HeaderValue, Method, StatusCode, header};

pub use self::failure::Failure;
pub use self::reply::{Answered, Reply, Sent};
pub use self::request::Request;

use self::conversation::Conversation;
use self::router::Router;
use self::site::Site;
use crate::handler::framed::Framed;
use crate::handler::{Handler, Service};
use crate::net::incoming::Incoming;
use crate::protocol::http::{Http, HttpLimits};

/// A web service: routes and limits. It is a [`Service`]; each connection gets its own
/// conversation, all share the routes.
///
/// A path is matched segment by segment, percent-decoded; `{name}` stands for any one segment,
/// which [`Request::param`] then gives. Fixed paths go before those with parameters, and of
/// those the first that matches is taken.
///
/// What a server owes its clients comes by itself: `HEAD` where there is `GET`, `OPTIONS`, 404,
/// and 405 with `Allow`.
#[derive(Default)]
pub struct Web {
    router: Router,
    limits: HttpLimits,
    /// Made of the other two when the first client comes.
    site: Option<Arc<Site>>,
}

impl Web {
    /// A service that answers 404 to everything.
    pub fn new() -> Web {
        Web::default()
    }

    /// Answers `GET`, and `HEAD` with the same but for the body.
    #[must_use]
    pub fn get<F>(self, path: &str, route: F) -> Web
    where
        F: for<'q, 'r> Fn(&Request<'q>, Reply<'r>) -> Answered<'r> + Send + Sync + 'static,
    {
        self.route(Method::GET, path, route)
    }

    /// Answers `POST`.
    #[must_use]
    pub fn post<F>(self, path: &str, route: F) -> Web
    where
        F: for<'q, 'r> Fn(&Request<'q>, Reply<'r>) -> Answered<'r> + Send + Sync + 'static,
    {
        self.route(Method::POST, path, route)
    }

    /// Answers one method, whichever.
    #[must_use]
    pub fn route<F>(mut self, method: Method, path: &str, route: F) -> Web
    where
        F: for<'q, 'r> Fn(&Request<'q>, Reply<'r>) -> Answered<'r> + Send + Sync + 'static,
    {
        self.router.add(Some(method), path, Box::new(route));
        self
    }

    /// Answers every method that has no route of its own at this path.
    #[must_use]
    pub fn any<F>(mut self, path: &str, route: F) -> Web
    where
        F: for<'q, 'r> Fn(&Request<'q>, Reply<'r>) -> Answered<'r> + Send + Sync + 'static,
    {
        self.router.add(None, path, Box::new(route));
        self
    }

    /// The limits of requests, instead of [`HttpLimits::default`].
    #[must_use]
    pub fn limits(mut self, limits: HttpLimits) -> Web {
        self.limits = limits;
        self
    }
}

impl Service for Web {
    fn accept(&mut self, _: Incoming) -> Option<Box<dyn Handler>> {
        let site = self.site.get_or_insert_with(|| {
            let router = std::mem::take(&mut self.router);
            Arc::new(Site { router, limits: Arc::new(self.limits.clone()) })
        });
        let http = Http::new(Arc::clone(&site.limits));
        Some(Box::new(Framed::new(http, Conversation::new(Arc::clone(site)))))
    }
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Web").field("limits", &self.limits).finish_non_exhaustive()
    }
}
