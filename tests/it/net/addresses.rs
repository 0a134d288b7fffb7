//! The text forms of addresses and peers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use socketserver::{Address, AddressError, Destination, Listen, Peer};

fn inet(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn every_form_is_understood_and_written_the_same() {
    let path = PathBuf::from("/run/a b:c.sock");
    let forms = [
        ("127.0.0.1:80", Address::Tcp(inet("127.0.0.1:80"))),
        ("[::1]:80", Address::Tcp(inet("[::1]:80"))),
        ("udp:127.0.0.1:80", Address::Udp(inet("127.0.0.1:80"))),
        ("udp:[::1]:80", Address::Udp(inet("[::1]:80"))),
        ("unix:/run/a b:c.sock", Address::Unix(path.clone())),
        ("unixgram:/run/a b:c.sock", Address::UnixGram(path.clone())),
        ("seqpacket:/run/a b:c.sock", Address::SeqPacket(path)),
    ];
    for (text, address) in forms {
        assert_eq!(text.parse(), Ok(address.clone()), "{text}");
        assert_eq!(address.to_string(), text);
        let of_datagrams = ["udp", "unixgram"].iter().any(|kind| text.starts_with(kind));
        assert_eq!(address.is_datagram(), of_datagrams, "{text}");
    }
}

/// The error when `text` is parsed as a `T`.
fn wrong<T: FromStr<Err = AddressError>>(text: &str) -> String {
    let Err(error) = text.parse::<T>() else { panic!("'{text}' is understood") };
    let error = error.to_string();
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

#[test]
fn an_invalid_address_is_reported_in_one_line() {
    let cases = [
        ("localhost", "'localhost' has no port: write localhost:8080"),
        ("localhost:", "'localhost:' has no port: write localhost:8080"),
        ("127.0.0.1", "'127.0.0.1' has no port: write 127.0.0.1:8080"),
        ("::1", "'::1' has no port: write [::1]:8080"),
        ("80", "'80' has no IP address: write 127.0.0.1:PORT or 0.0.0.0:PORT"),
        ("127.0.0.1:65536", "'127.0.0.1:65536' has a port above 65535"),
        ("[::1]:99999", "'[::1]:99999' has a port above 65535"),
        ("localhost:123456789012", "'localhost:123456789012' has a port above 65535"),
        ("unix:", "'unix:' has no path: write unix:/path"),
        ("seqpacket:", "'seqpacket:' has no path: write seqpacket:/path"),
        ("unix:\0a", "'unix:\\0a' has a zero byte: write unix:/path, or unix:@NAME without a file"),
        (
            "seqpacket:/a\0b",
            "'seqpacket:/a\\0b' has a zero byte: write unix:/path, or unix:@NAME without a file",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(wrong::<Listen>(text), expected);
        assert_eq!(wrong::<Destination>(text), expected);
        assert_eq!(wrong::<Address>(text), expected);
    }
    assert_eq!(
        wrong::<Listen>("udp:[::1]"),
        "'udp:[::1]' is not an address: write 127.0.0.1:8080, [::1]:8080, HOST:8080 or unix:/path (or udp:ADDR, unixgram:/path, seqpacket:/path)"
    );
    assert_eq!(wrong::<Listen>("udp:::1"), "'udp:::1' has no port: write [::1]:8080");
    assert_eq!(wrong::<Listen>("udp:host:1"), "'udp:host:1' has a name: write its IP address");
    for text in [
        ":",
        "--help",
        "udp:unix:/a",
        "tcp:127.0.0.1:80",
        "UDP:127.0.0.1:80",
        "127.0.0.1:80\n",
        "a b:80",
    ] {
        let start = format!("'{}' is not an address: write ", text.escape_debug());
        assert!(wrong::<Address>(text).starts_with(&start), "{text}");
        assert!(wrong::<Listen>(text).starts_with(&start), "{text}");
        assert!(wrong::<Destination>(text).starts_with(&format!("{start}HOST:8080")), "{text}");
    }
    for text in ["", " "] {
        assert!(wrong::<Listen>(text).starts_with("the address is empty: write "), "{text}");
    }
}

#[test]
fn a_destination_is_for_connections() {
    for text in ["udp:127.0.0.1:80", "unixgram:/run/a"] {
        let expected = format!(
            "'{text}' is for datagrams, which have no connections: write HOST:8080, \
             127.0.0.1:8080, [::1]:8080, unix:/path or seqpacket:/path"
        );
        assert_eq!(wrong::<Destination>(text), expected);
    }
}

#[test]
fn an_address_of_reliable_datagrams_is_refused_with_an_alternative() {
    for text in ["rdm:127.0.0.1:80", "rdm:[::1]:80", "rdm:/run/a.sock", "rdm:"] {
        let expected = format!(
            "'{text}' is not an address: no system has SOCK_RDM for IP or Unix sockets: write "
        );
        let any = "127.0.0.1:8080, [::1]:8080 or unix:/path (or udp:ADDR, unixgram:/path, \
                   seqpacket:/path)";
        assert_eq!(wrong::<Address>(text), format!("{expected}{any}"));
        // Only the forms of the place.
        let connections = "HOST:8080, 127.0.0.1:8080, [::1]:8080, unix:/path or seqpacket:/path";
        assert_eq!(wrong::<Destination>(text), format!("{expected}{connections}"));
    }
}

#[test]
fn a_listen_address_is_written_as_it_is_read() {
    for text in ["127.0.0.1:80", "localhost:8080", "udp:[::1]:7", "unix:/run/a", "a.example:1"] {
        assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
    }
}

#[test]
fn an_ipv4_peer_is_one_though_an_ipv6_socket_names_it() {
    let mapped = Peer::from(inet("[::ffff:192.0.2.7]:80"));
    assert_eq!(mapped, Peer::from(inet("192.0.2.7:80")));
    assert!(Peer::from(inet("[2001:db8::7]:80")).ip().unwrap().is_ipv6());
}

#[test]
fn a_peer_is_small_because_every_connection_has_one() {
    assert_eq!(size_of::<Peer>(), 16);
}

#[test]
fn a_peer_cannot_break_a_line_by_its_name() {
    assert_eq!(Peer::unix_named("/run/a\nb").to_string(), "unix:/run/a\\nb");
    assert_eq!(Peer::unix_named("\0abstract").to_string(), "unix:@abstract");
    assert_eq!(Peer::unix_named("/run/a").ip(), None);
    assert_eq!(Peer::unix_named("@file").to_string(), "unix:./@file");
}

#[test]
fn a_peer_is_read_as_it_is_written_and_is_a_key_of_maps() {
    let mut counts = std::collections::HashMap::new();
    let mut sorted = std::collections::BTreeSet::new();
    let texts = [
        "192.0.2.7:80",
        "[2001:db8::7]:80",
        "192.0.2.7",
        "2001:db8::7",
        "unix",
        "unix:/run/a",
        "unix:@abstract",
        "unix:./@a",
    ];
    for text in texts {
        let peer: Peer = text.parse().unwrap();
        assert_eq!(peer.to_string(), text);
        assert!(sorted.insert(peer.clone()));
        *counts.entry(peer).or_insert(0) += 1;
    }
    assert_eq!((counts.len(), sorted.len()), (8, 8));
    let peer = Peer::from(inet("192.0.2.7:80"));
    assert_eq!(
        (peer.port(), peer.socket_addr(), peer.path()),
        (Some(80), Some(inet("192.0.2.7:80")), None)
    );
    let error = wrong::<Peer>("192.0.2");
    assert!(error.contains("write 127.0.0.1:8080"), "{error}");
}
