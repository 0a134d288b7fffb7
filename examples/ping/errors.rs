//! The errors of ICMP and their names (RFC 792, RFC 1812, RFC 4443). Must not know packets.

use std::fmt;

/// The version of ICMP; each has its own message types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V4,
    V6,
}

/// An error that a router or the host reports about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IcmpError {
    version: Version,
    kind: u8,
    code: u8,
}

impl IcmpError {
    /// Returns the error with this type and code, if the type is that of an error. After a redirect
    /// the request is still under way.
    pub(crate) fn new(version: Version, kind: u8, code: u8) -> Option<IcmpError> {
        let error = IcmpError { version, kind, code };
        error.name().map(|_| error)
    }

    fn name(self) -> Option<&'static str> {
        Some(match (self.version, self.kind) {
            (Version::V4, 3) | (Version::V6, 1) => "destination unreachable",
            (Version::V4, 4) => "source quench",
            (Version::V6, 2) => "packet too big",
            (Version::V4, 11) | (Version::V6, 3) => "time exceeded",
            (Version::V4, 12) | (Version::V6, 4) => "parameter problem",
            _ => return None,
        })
    }

    fn detail(self) -> Option<&'static str> {
        let names: &[&str] = match (self.version, self.kind) {
            (Version::V4, 3) => &[
                "network unreachable",
                "host unreachable",
                "protocol unreachable",
                "port unreachable",
                "fragmentation needed",
                "source route failed",
                "network unknown",
                "host unknown",
                "source host isolated",
                "network prohibited",
                "host prohibited",
                "network unreachable for the type of service",
                "host unreachable for the type of service",
                "communication prohibited",
                "host precedence violation",
                "precedence cutoff",
            ],
            (Version::V6, 1) => &[
                "no route",
                "communication prohibited",
                "beyond the scope of the source address",
                "address unreachable",
                "port unreachable",
                "source address refused by a policy",
                "route rejected",
                "error in the source routing header",
            ],
            (Version::V4, 11) | (Version::V6, 3) => &["hop limit", "reassembly"],
            (Version::V4, 12) => &["wrong field", "missing option", "wrong length"],
            (Version::V6, 4) => &["wrong field", "unknown next header", "unknown option"],
            _ => &[],
        };
        names.get(usize::from(self.code)).copied()
    }
}

impl fmt::Display for IcmpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().unwrap_or("unknown error"))?;
        if let Some(detail) = self.detail() {
            write!(f, ": {detail}")?;
        }
        write!(f, " (type {}, code {})", self.kind, self.code)
    }
}
