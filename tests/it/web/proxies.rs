//! Clients that trusted proxies name.

use socketserver::Subnet;
use socketserver::services::web::{Method, Response, Web};
use socketserver::testkit::WebClient;

/// The client of the testkit has a Unix socket.
fn web(nets: &[&str]) -> WebClient {
    let nets: Vec<Subnet> = nets.iter().map(|net| net.parse().unwrap()).collect();
    let web = Web::new()
        .any("/peer", |request, reply| reply.text(request.peer().to_string()))
        .get("/guarded", |_, reply| reply.empty())
        .guard(|request| match request.peer().to_string().as_str() {
            "192.0.2.66" => Err(Response::new(403)),
            _ => Ok(()),
        })
        .trust_proxies(nets);
    WebClient::new(web)
}

fn peer(client: &mut WebClient, fields: &[(&str, &str)]) -> String {
    let mut request = client.request(Method::POST, "/peer").body("x");
    for (name, value) in fields {
        request = request.header(name, value);
    }
    request.send().text().to_owned()
}

const FOR: &str = "X-Forwarded-For";

#[test]
fn fields_of_peers_that_are_not_trusted_are_ignored() {
    for nets in [&[][..], &["10.0.0.0/8", "::/0"]] {
        let mut client = web(nets);
        let own = peer(&mut client, &[]);
        assert_eq!(own, "unix");
        assert_eq!(peer(&mut client, &[(FOR, "192.0.2.9")]), own);
        assert_eq!(peer(&mut client, &[("Forwarded", "for=192.0.2.9")]), own);
    }
}

#[test]
fn the_client_is_the_last_entry_that_is_not_a_trusted_proxy() {
    let mut client = web(&["unix", "0.0.0.0/0", "2001:db8:1::/48"]);
    let mut only_v6 = |value| peer(&mut client, &[(FOR, value)]);
    assert_eq!(only_v6("2001:db8::9, 2001:db8::7, 2001:db8:1::1"), "2001:db8::7");
    assert_eq!(only_v6("2001:db8::9, [2001:db8::7]:4711 ,10.0.0.1"), "[2001:db8::7]:4711");
    assert_eq!(only_v6("10.0.0.1, 10.0.0.2"), "10.0.0.1", "the first of proxies alone");
    assert_eq!(only_v6("2001:db8::9, unknown, 10.0.0.2"), "10.0.0.2");
}

#[test]
fn both_fields_are_read_in_every_form_that_they_allow() {
    let mut client = web(&["unix", "0.0.0.0/0"]);
    let own = peer(&mut client, &[]);
    for (name, value, expected) in [
        (FOR, "2001:db8::7", "2001:db8::7"),
        (FOR, "[2001:db8::7]", "2001:db8::7"),
        ("x-forwarded-for", ",, 2001:db8::7 ,", "2001:db8::7"),
        ("Forwarded", "for=\"[2001:db8::7]:4711\"", "[2001:db8::7]:4711"),
        ("forwarded", "proto=https;FOR=\"[2001:db8::7]\";by=_x", "2001:db8::7"),
        ("forwarded", "for=\"[2001:db8::7]:_port\"", "2001:db8::7"),
        ("forwarded", "for=\"[2001:db8::9]\", for=10.0.0.1", "2001:db8::9"),
        ("forwarded", "for=\"[2001:db8::9]\";for=\"[2001:db8::7]\"", ""),
        ("forwarded", "by=\"x;for=10.0.0.1;y\";proto=http", ""),
        ("forwarded", "host=\"x;for=10.0.0.1;y\";for=\"[2001:db8::7]\"", "2001:db8::7"),
        ("forwarded", "host=\"x\\\";for=10.0.0.1;y\";for=\"[2001:db8::7]\"", "2001:db8::7"),
        ("forwarded", "for=unknown", ""),
        ("forwarded", "for=_hidden", ""),
        ("forwarded", "for=", ""),
        ("forwarded", "by=\"[2001:db8::9]\"", ""),
        (FOR, "2001:db8::7, nonsense", ""),
        (FOR, "", ""),
    ] {
        let expected = if expected.is_empty() { &own } else { expected };
        assert_eq!(peer(&mut client, &[(name, value)]), expected, "{name}: {value}");
    }
    let two = [(FOR, "2001:db8::9"), (FOR, "2001:db8::7")];
    assert_eq!(peer(&mut client, &two), "2001:db8::7", "two lines are one list");
}

#[test]
fn a_client_cannot_swallow_the_entry_of_the_proxy_or_use_the_other_field() {
    let mut client = web(&["unix", "0.0.0.0/0"]);
    let own = peer(&mut client, &[]);
    for forged in ["for=\"", "for=\"x", "for=\"\\", "for=2001:db8::9;x=\"", "x=\"a\",for=\""] {
        for honest in ["for=\"[2001:db8::7]\"", "for=\"[2001:db8::7]:1\";by=\"[2001:db8::8]\""] {
            let value = format!("{forged}, {honest}");
            let seen = peer(&mut client, &[("forwarded", &value)]);
            assert!(seen == own || seen.contains("db8::7"), "{value}: {seen}");
        }
    }
    let both = [(FOR, "2001:db8::7"), ("Forwarded", "for=\"[2001:db8::9]\"")];
    assert_eq!(peer(&mut client, &both), own);
    let same = [(FOR, "2001:db8::7"), ("Forwarded", "for=\"[2001:db8::7]\"")];
    assert_eq!(peer(&mut client, &same), "2001:db8::7");
    // A proxy may write the port in one of them only.
    let same = [(FOR, "2001:db8::7"), ("Forwarded", "for=\"[2001:db8::7]:4711\"")];
    assert_eq!(peer(&mut client, &same), "[2001:db8::7]:4711");
    let same = [(FOR, "[2001:db8::7]:4711"), ("Forwarded", "for=\"[2001:db8::7]\"")];
    assert_eq!(peer(&mut client, &same), "[2001:db8::7]:4711");
}

#[test]
fn guards_see_the_client_too() {
    let mut client = web(&["unix"]);
    let mut status =
        |from: &str| client.request(Method::GET, "/guarded").header(FOR, from).send().status();
    assert_eq!((status("192.0.2.66"), status("192.0.2.65")), (403, 200));
}

#[test]
fn networks_have_a_text_and_no_bits_after_the_prefix() {
    for text in ["0.0.0.0/0", "10.0.0.0/8", "192.0.2.7/32", "::/0", "2001:db8::/32", "unix"] {
        assert_eq!(text.parse::<Subnet>().unwrap().to_string(), text);
    }
    for text in [
        "",
        "/",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/+8",
        "10.0.0.0/08",
        "::/129",
        "10.0.0/8",
        "localhost",
        "10.0.0.0/8/8",
        " 10.0.0.0/8",
        "unix:/x",
    ] {
        let error = text.parse::<Subnet>().unwrap_err().to_string();
        assert!(error.contains("10.0.0.0/8"), "{text}: {error}");
    }
    for (text, network) in [
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("2001:db8::1/32", "2001:db8::/32"),
        ("1.2.3.4/0", "0.0.0.0/0"),
    ] {
        let error = text.parse::<Subnet>().unwrap_err().to_string();
        let expected =
            format!("'{text}' has bits after the prefix: write {network}, or one address");
        assert_eq!(error, expected);
    }
}
