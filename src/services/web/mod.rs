//! The web service: routes in, answers out.
//!
//! ```
//! use socketserver::Server;
//! use socketserver::services::web::Web;
//!
//! let web = Web::new()
//!     .get("/", |_, reply| reply.html("<h1>welcome</h1>"))
//!     .get("/hello/{name}", |request, reply| {
//!         reply.text(format!("Hello, {}!", request.param("name").unwrap_or("you")))
//!     })
//!     .post("/length", |request, reply| reply.text(request.body().len().to_string()));
//!
//! let server = Server::bind("127.0.0.1:0")?;
//! # server.handle().stop();
//! server.serve(web)?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # A route as a function
//!
//! A route is a closure or a function of a [`Request`] and a [`Reply`]. This is the signature to
//! copy; with a state of type `App`, the request is a `&Request<App>`.
//!
//! ```
//! use socketserver::services::web::{Answered, Reply, Request, Web};
//!
//! fn show(request: &Request, reply: Reply) -> Answered {
//!     let id: u32 = request.param("id").parse()?;
//!     reply.text(format!("item {id}"))
//! }
//!
//! let web = Web::new().get("/items/{id}", show);
//! ```
//!
//! A crate that warns about `elided_lifetimes_in_paths` writes `&Request<'_>` and `Reply<'_>`. A
//! closure that is stored in a variable before it becomes a route needs the types of its
//! arguments: `|request: &Request, reply: Reply| ...`.
//!
//! A route answers by a method of its [`Reply`] and returns the result of that method. It must
//! answer exactly once; the compiler checks it.
//!
//! # State
//!
//! Routes share the value that [`Web::with_state`] was given; [`Request::state`] returns it.
//! Routes run at the same time in `Mode::Threads` and `Mode::Reactors`, so a state that changes
//! needs a lock or atomics. In `Mode::Processes` each process has its own.
//!
//! ```
//! use socketserver::services::web::{Answered, Failure, Reply, Request, Web};
//! use std::collections::HashMap;
//! use std::sync::Mutex;
//!
//! #[derive(Default)]
//! struct App {
//!     items: Mutex<HashMap<u32, String>>,
//! }
//!
//! fn show(request: &Request<App>, reply: Reply) -> Answered {
//!     let id = request.param("id").parse()?;
//!     let items = request.state().items.lock().unwrap();
//!     let item = items.get(&id).ok_or_else(|| Failure::new(404, "no such item"))?;
//!     reply.text(item)
//! }
//!
//! fn put(request: &Request<App>, reply: Reply) -> Answered {
//!     let id = request.param("id").parse()?;
//!     let item = String::from_utf8(request.body().to_vec())
//!         .map_err(|_| Failure::bad_request("the item is not UTF-8"))?;
//!     request.state().items.lock().unwrap().insert(id, item);
//!     reply.status(204).empty()
//! }
//!
//! let web = Web::with_state(App::default()).get("/items/{id}", show).put("/items/{id}", put);
//! ```
//!
//! # Errors and statuses
//!
//! A route that cannot answer returns a [`Failure`], which has a status and a reason. `?` makes one
//! with status 500 of any error. [`Param::parse`] and the like make one with status 400, so that
//! `request.param("id").parse()?` is all that a route needs for a wrong number.
//!
//! | the route returns | the client gets | the log has |
//! |---|---|---|
//! | a failure with a 4xx status | that status, and the reason | the reason, at level debug |
//! | a failure with a 5xx status | that status, without the reason | the reason, at level error |
//! | another error, by `?` | 500 | its text, at level error |
//! | a panic | 500, and the connection ends | the panic, at level error |
//!
//! [`Web::on_failure`] gives failures an answer in the words of the service, and
//! [`Web::not_found`] does so for paths without a route.
//!
//! # Answers that take time
//!
//! A route runs in the loop of the server, so it must not block. Blocking work runs
//! on a worker, by [`Reply::offload`]; the response that it returns is the answer. A reply that
//! waits for something else (another request, a message, a computation of a thread) is kept by
//! [`Reply::keep`]. [`Reply::after`] answers after a time, [`Reply::pieces`] bit by bit. The body
//! of [`Reply::stream`] is written from anywhere, and [`Reply::events`] sends the messages of a
//! history to browsers.
//!
//! # Guards
//!
//! [`Web::guard`] has requests checked before their route is called and before their body is read.
//! [`Web::map_response`] has answers changed. Both hold for all routes of a service, and for those
//! [nested](Web::nest) in it.
//!
//! # JSON
//!
//! With the feature `json`, `Request::json` reads a body, and `Reply::json` and `Response::json`
//! write one, of any type that `serde` knows.
//!
//! # Tests
//!
//! [`testkit::WebClient`](crate::testkit::WebClient) asks a service without a socket and without
//! waiting, offloaded work and kept replies included.
//!
//! ```
//! use socketserver::services::web::Web;
//! use socketserver::testkit::WebClient;
//!
//! let web = Web::new().get("/twice/{n}", |request, reply| {
//!     let n: u32 = request.param("n").parse()?;
//!     reply.text((2 * n).to_string())
//! });
//! let mut client = WebClient::new(web);
//! assert_eq!(client.get("/twice/21").text(), "42");
//! assert_eq!(client.get("/twice/x").status(), 400);
//! ```

#[cfg(any(feature = "deflate", feature = "files"))]
pub(in crate::services) mod coding;
mod conversation;
mod cookie;
mod draft;
mod events;
mod failure;
mod forwarded;
mod health;
mod intake;
#[cfg(feature = "json")]
mod json;
mod late;
mod lines;
mod memo;
pub mod middleware;
mod param;
mod pattern;
mod pending;
mod plan;
mod record;
mod reply;
mod request;
mod response;
mod router;
mod scope;
mod service;
mod site;
pub(super) mod source;
mod stream;
mod upload;
#[cfg(feature = "ws")]
mod websocket;

// The types of arguments and results of routes, so that users need not depend on `http`.
pub use http::{HeaderName, HeaderValue, Method, StatusCode, header};

pub use self::cookie::{Cookie, SameSite};
pub use self::failure::Failure;
pub use self::health::health;
pub use self::intake::{Flow, Intake, Resume};
pub use self::param::Param;
pub use self::pending::PendingReply;
pub use self::record::RequestRecord;
pub use self::reply::{Answered, Reply, Sent};
pub use self::request::Request;
pub use self::response::Response;
pub use self::service::Web;
pub use self::stream::{BodyWriter, WriteError};
#[cfg(feature = "ws")]
pub use self::websocket::WebSocket;
