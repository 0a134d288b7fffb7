//! Limits of a request, besides those of the server.

use std::time::Duration;

use crate::setters::setters;

/// What HTTP limits for itself, besides the server's [`Limits`](crate::Limits).
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
    /// Bytes of the request line; a longer one gets 414. Default 8 KiB (RFC 9112 asks for at
    /// least 8,000).
    pub request_line: usize,
    /// Bytes of the whole head; a longer one gets 431, and so does one that does not fit into
    /// [`Limits::pending_input`](crate::Limits::pending_input). At most 64 KiB less one. Default
    /// 16 KiB (Node.js).
    pub head: usize,
    /// Fields of the head; more get 431. Default 100 (hyper, Apache).
    pub fields: usize,
    /// Bytes of the body; a longer one gets 413. Default 1 MiB (nginx).
    pub body: u64,
    /// Bytes of the trailers of a chunked body, which are read and dropped; more get 431.
    /// Default 8 KiB.
    pub trailers: usize,
    /// How long a body may take, counted from its head, besides a second for each
    /// [`body_rate`](HttpLimits::body_rate) bytes of it that have come; `None` for as long as
    /// [`Limits::idle`](crate::Limits::idle) lets it. A later one gets 408. Default 20 s (Apache's
    /// `RequestReadTimeout body=20,MinRate=500`). The decoder knows no time: the web service holds
    /// clients to it.
    pub body_time: Option<Duration>,
    /// Bytes of a body that give it another second. Default 500 (Apache); 0 gives none.
    pub body_rate: u32,
    /// Requests that a connection may make: the last answer says `Connection: close`. Default
    /// `None`, as many as it likes (Go, Node.js, hyper; nginx 1,000, Apache 100): no memory grows
    /// with them here, which is what others have the limit for. It makes clients spread anew over
    /// worker processes, or over servers behind a balancer. The web service holds clients to it.
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
