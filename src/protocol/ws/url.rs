//! The URL of a WebSocket (RFC 6455, section 3). Knows no request.

use std::net::Ipv6Addr;

/// Returns the host with the port, and the path with the query; or the reason why there are none.
pub(super) fn parse(url: &str) -> Result<(Box<str>, Box<str>), &'static str> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err("does not begin with ws://: write ws://HOST:PORT/PATH");
    };
    if scheme.eq_ignore_ascii_case("wss") {
        return Err(
            "needs TLS, which this crate does not have: let a proxy speak it, and use ws://",
        );
    }
    if !scheme.eq_ignore_ascii_case("ws") {
        return Err("does not begin with ws://: write ws://HOST:PORT/PATH");
    }
    let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if target.contains('#') {
        return Err("has a fragment: leave out the # and all after it");
    }
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("has a byte that must be percent-encoded");
    }
    if authority.contains('@') {
        return Err("has user information: send an Authorization field instead");
    }
    let slash = if target.starts_with('/') { "" } else { "/" };
    Ok((with_port(authority)?, format!("{slash}{target}").into()))
}

/// Returns the host and the port, which is 80 if there is none.
fn with_port(authority: &str) -> Result<Box<str>, &'static str> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority, ""),
    };
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            let is_allowed =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            !host.is_empty() && host.bytes().all(is_allowed)
        }
    };
    if !is_host {
        return Err("has no valid host: write ws://HOST:PORT/PATH");
    }
    let digits = if port.is_empty() { "80" } else { port };
    match digits.parse::<u16>() {
        Ok(port @ 1..) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok(format!("{host}:{port}").into())
        }
        _ => Err("has no valid port: it is a number from 1 to 65535"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_strictly() {
        for (url, authority, target) in [
            ("ws://example.com", "example.com:80", "/"),
            ("WS://example.com:/", "example.com:80", "/"),
            ("ws://example.com:9001?a=b", "example.com:9001", "/?a=b"),
            ("ws://[::1]/a/b?c", "[::1]:80", "/a/b?c"),
            ("ws://[::1]:80/", "[::1]:80", "/"),
            ("ws://127.0.0.1:9001/%20", "127.0.0.1:9001", "/%20"),
        ] {
            assert_eq!(parse(url), Ok((authority.into(), target.into())), "{url}");
        }
        for url in [
            "",
            "example.com",
            "http://example.com",
            "wss://example.com",
            "ws://",
            "ws:///path",
            "ws://a b/",
            "ws://a/b c",
            "ws://a/\r\nX: y",
            "ws://a/ü",
            "ws://user@a/",
            "ws://a/#b",
            "ws://a:0/",
            "ws://a:+1/",
            "ws://a:65536/",
            "ws://::1/",
            "ws://[::1/",
            "ws://[a]/",
        ] {
            assert!(parse(url).is_err(), "{url}");
        }
    }
}
