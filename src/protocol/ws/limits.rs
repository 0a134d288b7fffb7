//! Limits of WebSocket connections.

use std::time::Duration;

use crate::setters::setters;

/// The limits of WebSocket, in addition to the server's [`Limits`](crate::Limits).
///
/// ```
/// use socketserver::protocol::ws::WsLimits;
///
/// let limits = WsLimits::default().message(16 * 1024 * 1024).frame(16 * 1024 * 1024);
/// assert_eq!(limits.fragments, 4096);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WsLimits {
    /// The longest payload of one frame, in bytes; a longer one ends the connection with code 1009
    /// as soon as its header has arrived. Default 1 MiB.
    pub frame: usize,
    /// The longest message, in bytes, all frames of it together; a longer one ends the connection
    /// with code 1009. Default 1 MiB, as the body of a request.
    pub message: usize,
    /// The most frames of one message, empty ones included; more end the connection with code
    /// 1008. Default 4,096.
    pub fragments: u32,
    /// The most pings and pongs that a peer may send in one second of the server's clock; more end
    /// the connection with code 1008. Default 64. The decoder has no clock: the service enforces
    /// this limit and those that follow.
    pub controls: u32,
    /// How long a peer may be silent. After this time, or at most twice as long, it gets a ping;
    /// if it is silent for as long again, the connection ends. A frame counts when it is complete,
    /// so this is also the time for one frame. While its handler [pauses](crate::Context::pause) it
    /// or output waits for it, it does not count as silent. The time must be less than half of
    /// [`Limits::idle`](crate::Limits::idle), which ends connections without a ping. `None`: no
    /// pings. Default 25 s: proxies end silent connections after 60 s (nginx `proxy_read_timeout`).
    pub ping: Option<Duration>,
    /// How long the peer may take to answer a close frame with its own. Default 5 s.
    pub close: Duration,
    /// How long a server may take to answer the handshake of a client. Default 10 s, as for
    /// [`Limits::connect`](crate::Limits::connect).
    pub handshake: Duration,
}

setters!(WsLimits {
    frame: usize,
    message: usize,
    fragments: u32,
    controls: u32,
    ping: Option<Duration>,
    close: Duration,
    handshake: Duration,
});

impl Default for WsLimits {
    fn default() -> WsLimits {
        WsLimits {
            frame: 1024 * 1024,
            message: 1024 * 1024,
            fragments: 4096,
            controls: 64,
            ping: Some(Duration::from_secs(25)),
            close: Duration::from_secs(5),
            handshake: Duration::from_secs(10),
        }
    }
}
