//! The text forms of addresses and peers.

use std::net::SocketAddr;
use std::path::PathBuf;

use socketserver::{Address, Peer};

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

#[test]
fn an_invalid_address_is_reported_in_one_line() {
    for text in [
        "",
        ":",
        "unix:",
        "unixgram:",
        "seqpacket:",
        "udp:",
        "udp:localhost:80",
        "udp:127.0.0.1",
        "udp:unix:/a",
        "tcp:127.0.0.1:80",
        "UDP:127.0.0.1:80",
        "::1:80",
        "127.0.0.1:80\n",
        "127.0.0.1:65536",
    ] {
        let error = text.parse::<Address>().unwrap_err().to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.starts_with(&format!("'{}' is no address: write ", text.escape_debug())));
    }
}

#[test]
fn an_address_of_reliable_datagrams_is_refused_with_an_alternative() {
    for text in ["rdm:127.0.0.1:80", "rdm:[::1]:80", "rdm:/run/a.sock", "rdm:"] {
        let expected = format!(
            "'{text}' is no address: no system has SOCK_RDM for IP or Unix sockets: write udp:ADDR \
             for datagrams, or unixgram:/path or seqpacket:/path for reliable ones"
        );
        assert_eq!(text.parse::<Address>().unwrap_err().to_string(), expected);
    }
}

#[test]
fn an_ipv4_peer_is_one_though_an_ipv6_socket_names_it() {
    let mapped = Peer::from(inet("[::ffff:192.0.2.7]:80"));
    assert_eq!(mapped, Peer::from(inet("192.0.2.7:80")));
    assert!(matches!(Peer::from(inet("[2001:db8::7]:80")), Peer::V6(_)));
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
}
