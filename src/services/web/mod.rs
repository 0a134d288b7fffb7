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
mod cookie;
mod draft;
mod failure;
#[cfg(feature = "json")]
mod json;
mod late;
mod lines;
mod memo;
mod param;
mod pattern;
mod pending;
mod plan;
mod reply;
mod request;
mod response;
mod router;
mod scope;
mod service;
mod site;
mod upload;

// The types of arguments and results of routes, so that users need not depend on `http`.
pub use http::{HeaderName, HeaderValue, Method, StatusCode, header};

pub use self::cookie::{Cookie, SameSite};
pub use self::failure::Failure;
pub use self::param::Param;
pub use self::pending::PendingReply;
pub use self::reply::{Answered, Reply, Sent};
pub use self::request::Request;
pub use self::response::Response;
pub use self::service::Web;
