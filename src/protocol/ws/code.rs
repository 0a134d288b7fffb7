//! Close codes (RFC 6455, section 7.4). Knows numbers only.

use std::fmt;

use crate::close::Close;

/// The code of a close frame: the reason of an end as a number (RFC 6455, section 7.4.1, and the
/// registry of IANA). Codes from 3000 on belong to libraries, those from 4000 on to applications.
///
/// ```
/// use socketserver::protocol::ws::CloseCode;
///
/// let code = CloseCode::from(1001);
/// assert_eq!(code, CloseCode::GOING_AWAY);
/// assert_eq!((code.number(), code.to_string()), (1001, "1001".to_owned()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: CloseCode = CloseCode(1000);
    /// 1001: a server is stopping, or a browser has left the page.
    pub const GOING_AWAY: CloseCode = CloseCode(1001);
    /// 1002: the peer has broken the protocol.
    pub const PROTOCOL: CloseCode = CloseCode(1002);
    /// 1003: a message of this kind, text or binary, is not accepted.
    pub const UNSUPPORTED: CloseCode = CloseCode(1003);
    /// 1005: the close frame had no code. It is never sent.
    pub const NO_STATUS: CloseCode = CloseCode(1005);
    /// 1006: the connection ended without a close frame. It is never sent.
    pub const ABNORMAL: CloseCode = CloseCode(1006);
    /// 1007: a text is not UTF-8.
    pub const NOT_UTF8: CloseCode = CloseCode(1007);
    /// 1008: a message is against the rules of the endpoint.
    pub const POLICY: CloseCode = CloseCode(1008);
    /// 1009: a message is too long.
    pub const TOO_BIG: CloseCode = CloseCode(1009);
    /// 1011: the server has met an unexpected condition.
    pub const INTERNAL: CloseCode = CloseCode(1011);
    /// 1012: the server is restarting; the client should connect again.
    pub const RESTART: CloseCode = CloseCode(1012);
    /// 1013: the server is overloaded; the client should come back later.
    pub const TRY_LATER: CloseCode = CloseCode(1013);

    /// Returns the number. [`CloseCode`] has an example.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Returns true if a close frame may carry this code (RFC 6455, section 7.4.2). 1004 to 1006
    /// and 1015 are reserved, numbers below 3000 belong to the protocol and its extensions, and
    /// those from 5000 on mean nothing.
    ///
    /// ```
    /// use socketserver::protocol::ws::CloseCode;
    ///
    /// assert!(CloseCode::NORMAL.is_sendable());
    /// assert!(CloseCode::from(4321).is_sendable());
    /// assert!(!CloseCode::ABNORMAL.is_sendable());
    /// ```
    #[must_use]
    pub const fn is_sendable(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    /// Returns the reason for an end after which this code is sent.
    pub(super) fn fault(self, why: &'static str) -> Close {
        Close::Malformed { code: self.0, why }
    }
}

impl From<u16> for CloseCode {
    fn from(number: u16) -> CloseCode {
        CloseCode(number)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
