//! The client that trusted proxies name, in `Forwarded` (RFC 7239) or `X-Forwarded-For`. Knows no
//! connection.

use std::net::{IpAddr, SocketAddr};

use crate::net::peer::Peer;
use crate::net::subnet::Subnet;
use crate::protocol::http::Head;

/// The networks of the proxies that are trusted.
#[derive(Default)]
pub(super) struct Proxies {
    nets: Vec<Subnet>,
}

impl Proxies {
    pub(super) fn add(&mut self, nets: impl IntoIterator<Item = Subnet>) {
        self.nets.extend(nets);
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.nets.is_empty()
    }

    /// Returns the client that the proxy at `peer` names. Returns `None` if `peer` is not trusted
    /// or names no client.
    #[inline(always)]
    pub(super) fn client(&self, head: &Head<'_>, peer: &Peer) -> Option<Peer> {
        if self.is_empty() { None } else { self.named(head, peer) }
    }

    #[inline(never)]
    fn named(&self, head: &Head<'_>, peer: &Peer) -> Option<Peer> {
        if !self.trusts(peer) {
            return None;
        }
        let (mut standard, mut common) = (Walk::new(self), Walk::new(self));
        for (name, value) in head.fields() {
            if name.eq_ignore_ascii_case("forwarded") {
                standard.read_forwarded(value);
            } else if name.eq_ignore_ascii_case("x-forwarded-for") {
                common.read_common(value);
            }
        }
        let ip = |client: &Option<Peer>| client.as_ref().and_then(Peer::ip);
        match (standard.is_given, common.is_given) {
            (true, false) => standard.client,
            (false, true) => common.client,
            // A proxy writes one of them and may pass on the other one as the client sent it.
            (true, true) if ip(&standard.client) != ip(&common.client) => None,
            _ => standard.client.filter(|client| client.port().is_some()).or(common.client),
        }
    }

    /// Returns true if `peer` is a trusted proxy.
    pub(super) fn trusts(&self, peer: &Peer) -> bool {
        self.nets.iter().any(|net| net.contains(peer))
    }
}

/// The way from the client over its proxies to this server: each entry names the sender of the
/// request to the proxy that wrote it. The client is the last entry that is not a trusted proxy.
struct Walk<'a> {
    proxies: &'a Proxies,
    is_given: bool,
    client: Option<Peer>,
}

impl<'a> Walk<'a> {
    fn new(proxies: &'a Proxies) -> Walk<'a> {
        Walk { proxies, is_given: false, client: None }
    }

    /// Follows an entry. One without an address hides all before it.
    fn follow(&mut self, entry: Option<Peer>) {
        self.is_given = true;
        match entry {
            None => self.client = None,
            Some(peer) if self.client.is_some() && self.proxies.trusts(&peer) => {}
            Some(peer) => self.client = Some(peer),
        }
    }

    fn read_common(&mut self, value: &[u8]) {
        let entries = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        for entry in entries.filter(|entry| !entry.is_empty()) {
            self.follow(address(entry));
        }
    }

    fn read_forwarded(&mut self, mut value: &[u8]) {
        loop {
            let (entry, rest) = part(value, b',');
            match entry {
                Ok(entry) if entry.trim_ascii().is_empty() => {}
                Ok(entry) => self.follow(for_parameter(entry)),
                Err(Unterminated) => self.follow(None),
            }
            match rest {
                Some(rest) => value = rest,
                None => return,
            }
        }
    }
}

/// A quoted text without its end.
struct Unterminated;

/// Returns the text up to the next delimiter outside of quotes, and the text after it.
fn part(value: &[u8], delimiter: u8) -> (Result<&[u8], Unterminated>, Option<&[u8]>) {
    let mut is_quoted = false;
    let mut bytes = value.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\\' if is_quoted => drop(bytes.next()),
            _ if *byte == delimiter && !is_quoted => {
                return (Ok(&value[..at]), Some(&value[at + 1..]));
            }
            _ => {}
        }
    }
    (if is_quoted { Err(Unterminated) } else { Ok(value) }, None)
}

/// Returns the address of the only `for` parameter of an element.
fn for_parameter(element: &[u8]) -> Option<Peer> {
    let mut node = None;
    let mut rest = Some(element);
    // A quoted text may come from the client, as a host does: its semicolons delimit nothing.
    while let Some((pair, after)) = rest.map(|rest| part(rest, b';')) {
        rest = after;
        let pair = pair.ok()?.trim_ascii();
        if pair.len() >= 4 && pair[..4].eq_ignore_ascii_case(b"for=") {
            if node.is_some() {
                return None;
            }
            node = Some(&pair[4..]);
        }
    }
    let node = node?;
    match node.strip_prefix(b"\"") {
        Some(rest) => address(rest.strip_suffix(b"\"")?),
        None => address(node),
    }
}

/// Parses an address with or without a port: `192.0.2.7`, `192.0.2.7:4711`, `2001:db8::1`,
/// `[2001:db8::1]`, `[2001:db8::1]:4711`. A port may be obfuscated (`_x`), and then counts as
/// missing.
fn address(text: &[u8]) -> Option<Peer> {
    let text = std::str::from_utf8(text).ok()?;
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.into());
    }
    let text = text.split_once(":_").map_or(text, |(host, _)| host);
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>().ok().map(Peer::from)
}
