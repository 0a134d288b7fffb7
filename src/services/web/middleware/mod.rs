//! Ready-made guards and mappers for [`Web`](super::Web). Each is a value of a few lines, which a
//! method turns into the function that [`Web::guard`](super::Web::guard) or
//! [`Web::map_response`](super::Web::map_response) takes.
//!
//! | piece | is | does |
//! |---|---|---|
//! | [`RequestIds`] | a mapper | gives each answer an id, for the log and for the client |
//! | [`Cors`] | a mapper | lets pages of other origins use the answers (Fetch) |
//! | `Compression` (feature `deflate`) | a mapper | compresses text with gzip (RFC 9110) |
//! | [`static_headers`](static_headers()) | a mapper | adds the same fields to all answers |
//! | [`BasicAuth`] | a guard | asks for a name and a password (RFC 7617) |
//! | [`RateLimit`] | a guard | refuses the requests of a peer that sends too many (RFC 6585) |
//!
//! Guards and mappers hold for all routes of a service. For some of the routes only,
//! [nest](super::Web::nest) a service that has them. [`Web::body_limit`](super::Web::body_limit)
//! limits the bodies of one route, and [`Reply::within`](super::Reply::within) the time of an
//! answer.
//!
//! Guards are called in the order in which they were added: a rate limit before the passwords also
//! limits the guesses. Mappers see the answers of guards.
//!
//! ```
//! use socketserver::services::web::Web;
//! use socketserver::services::web::middleware::{BasicAuth, Cors, RateLimit, RequestIds};
//! use socketserver::services::web::middleware::static_headers;
//! use socketserver::testkit::WebClient;
//! use std::time::Duration;
//!
//! let admin = Web::new()
//!     .get("/", |_, reply| reply.text("settings"))
//!     .guard(RateLimit::new(5, Duration::from_secs(60)).guard())
//!     .guard(BasicAuth::new("admin").user("ann", "secret").guard());
//! let web = Web::new()
//!     .get("/", |_, reply| reply.text("hello"))
//!     .nest("/admin", admin)
//!     .map_response(static_headers([("x-content-type-options", "nosniff")]))
//!     .map_response(Cors::any().mapper())
//!     .map_response(RequestIds::new().mapper());
//!
//! let mut client = WebClient::new(web);
//! let answer = client.get("/");
//! assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
//! assert_eq!(answer.header("x-request-id").unwrap().len(), 32);
//! assert_eq!(client.get("/admin").status(), 401);
//! ```

mod basic_auth;
#[cfg(feature = "deflate")]
mod compression;
mod cors;
mod rate_limit;
mod request_ids;
mod static_headers;

pub use self::basic_auth::BasicAuth;
#[cfg(feature = "deflate")]
pub use self::compression::Compression;
pub use self::cors::Cors;
pub use self::rate_limit::RateLimit;
pub use self::request_ids::RequestIds;
pub use self::static_headers::static_headers;
