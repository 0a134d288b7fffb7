//! The sides of a connection.

/// The side of a connection that a decoder is on.
///
/// ```
/// use socketserver::protocol::ws::{Role, Ws, WsLimits};
/// use socketserver::Protocol;
/// use std::sync::Arc;
///
/// let limits = Arc::new(WsLimits::default());
/// let mut not_masked = *b"\x81\x05Hello";
/// assert!(Ws::new(Role::Client, Arc::clone(&limits)).decode(&mut not_masked).is_ok());
/// assert!(Ws::new(Role::Server, limits).decode(&mut not_masked).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The peer is a client: its frames must be masked (RFC 6455, section 5.1).
    Server,
    /// The peer is a server: its frames must not be masked.
    Client,
}
