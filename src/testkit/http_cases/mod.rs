//! Requests of HTTP/1.1 with the answers that the RFCs ask for, to try on any server. Knows no
//! server.
//!
//! The server must answer any method of `/` with 200, but only `GET`, `HEAD` and `OPTIONS` of
//! `/plaintext`, and no other path. Its limits must allow the usual: heads of 1 KiB, bodies of 1
//! KiB. The example `reactor_web` is such a server:
//!
//! ```no_run
//! use socketserver::testkit::http_cases::http_cases;
//! use std::time::Duration;
//!
//! for case in http_cases() {
//!     if let Err(error) = case.run("127.0.0.1:8080", Duration::from_secs(5)) {
//!         println!("{} ({}): {error}", case.name, case.section);
//!     }
//! }
//! ```
//!
//! Where an RFC leaves a choice, the expected answer is that of this crate: it refuses all that two
//! parsers could read in different ways. Another server may choose otherwise.
//!
//! A service can be tried in memory:
//!
//! ```
//! use socketserver::services::web::Web;
//! use socketserver::testkit::Network;
//! use socketserver::testkit::http_cases::http_cases;
//! use socketserver::{Limits, Peer, Service};
//!
//! let mut web = Web::new()
//!     .any("/", |_, reply| reply.text("welcome"))
//!     .get("/plaintext", |_, reply| reply.text("Hello, World!"));
//! let mut network = Network::new(Limits::default());
//! for case in http_cases() {
//!     let client = network.connect(web.accept(Peer::unix().into()).ok_or("not admitted")?);
//!     network.send(client, &case.bytes());
//!     network.settle();
//!     case.judge(&network.received(client))?;
//!     network.close(client);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod case;
mod table;

pub use self::case::{Expected, HttpCase};

/// Returns all cases, in the order of the tables.
///
/// ```
/// use socketserver::testkit::http_cases::http_cases;
///
/// assert!(http_cases().count() > 400);
/// ```
pub fn http_cases() -> impl Iterator<Item = HttpCase> {
    table::cases()
}
