//! Limits of HTTP requests.

use std::time::Duration;

use crate::setters::setters;

/// The limits of HTTP, in addition to the server's [`Limits`](crate::Limits).
///
/// ```
/// use socketserver::protocol::http::HttpLimits;
///
/// let limits = HttpLimits::default().body(10 * 1024 * 1024);
/// assert_eq!(limits.head, 16 * 1024);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpLimits {
    /// The longest request line, in bytes; a longer one gets 414. Default 8 KiB (RFC 9112 asks for
    /// at least 8,000).
    pub request_line: usize,
    /// The longest head, in bytes. A longer one gets 431, and so does one that does not fit into
    /// [`Limits::pending_input`](crate::Limits::pending_input). At most 64 KiB less one. Default 16
    /// KiB (Node.js).
    pub head: usize,
    /// The most fields of a head; more get 431. Default 100 (hyper, Apache).
    pub fields: usize,
    /// The longest body, in bytes; a longer one gets 413. Default 1 MiB (nginx).
    pub body: u64,
    /// The most bytes of trailers of a chunked body, which are read and dropped; more get 431.
    /// Default 8 KiB.
    pub trailers: usize,
    /// The time that a body may take after its head, in addition to one second for each
    /// [`body_rate`](HttpLimits::body_rate) bytes of it that have arrived. A later one gets 408.
    /// `None`: limited only by [`Limits::idle`](crate::Limits::idle). Default 20 s (Apache's
    /// `RequestReadTimeout body=20,MinRate=500`). The decoder has no clock: the web service
    /// enforces this limit.
    pub body_time: Option<Duration>,
    /// The bytes of a body that extend its time by a second. Default 500 (Apache); 0 means no
    /// extension. The time left is never more than 60 s, or `body_time` if that is longer: a body
    /// that came fast may not stop.
    pub body_rate: u32,
    /// The most requests of one connection: the last answer carries `Connection: close`. Default
    /// `None`, no limit (Go, Node.js, hyper; nginx 1,000, Apache 100). Other servers limit the
    /// memory of a connection with it; here memory does not grow with the number of requests. A
    /// limit makes clients reconnect, which spreads them over worker processes, or over servers
    /// that share a load balancer. The web service enforces it.
    pub keep_alive_requests: Option<u32>,
}

setters!(HttpLimits {
    request_line: usize,
    head: usize,
    fields: usize,
    body: u64,
    trailers: usize,
    body_time: Option<Duration>,
    body_rate: u32,
    keep_alive_requests: Option<u32>,
});

impl Default for HttpLimits {
    fn default() -> HttpLimits {
        HttpLimits {
            request_line: 8 * 1024,
            head: 16 * 1024,
            fields: 100,
            body: 1024 * 1024,
            trailers: 8 * 1024,
            body_time: Some(Duration::from_secs(20)),
            body_rate: 500,
            keep_alive_requests: None,
        }
    }
}
