//! The service that detects protocols: how bytes, silence and ends decide, in every mode.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socketserver::services::chat::Chat;
use socketserver::services::detect::{Detect, Verdict, http, starts_with};
use socketserver::services::web::Web;
use socketserver::testkit::{Client, Network};
use socketserver::{Close, Context, Handler, Incoming, Limits, Peer, Server, Service};

use crate::hub::network::take_all;

const REQUEST: &[u8] = b"GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

fn site() -> Web {
    Web::new()
        .get("/hello", |_, reply| reply.text("from the web"))
        .any("/", |_, reply| reply.text("any"))
}

fn web_and_chat() -> Detect {
    Detect::new(Chat::new()).when(http, site())
}

fn join(network: &mut Network, service: &mut impl Service) -> Client {
    let handler = service.accept(Incoming::from(Peer::unix()));
    network.connect(handler.expect("a handler"))
}

fn text(network: &mut Network, client: Client) -> String {
    String::from_utf8(take_all(network, client)).unwrap()
}

/// A network of each mode.
fn networks() -> [Network; 3] {
    let limits = Limits::default;
    [Network::new(limits()), Network::with_workers(limits()), Network::with_reactors(limits(), 2)]
}

/// Says its name when it opens, repeats its input, and says when the peer has ended.
struct Named(&'static str);

impl Handler for Named {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        write!(cx, "{}:", self.0);
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        cx.write(input);
        Ok(input.len())
    }

    fn on_eof(&mut self, cx: &mut Context<'_>) {
        cx.write_str("|");
        cx.close(Close::Eof);
    }
}

fn named() -> Detect {
    Detect::new(|_: Incoming| Named("other"))
        .when(http, |_: Incoming| Named("http"))
        .when(starts_with(b"SSH-"), |_: Incoming| Named("ssh"))
}

#[test]
fn a_request_goes_to_the_web_and_a_line_to_the_chat_in_every_mode() {
    for mut network in networks() {
        let mut service = web_and_chat();
        for size in [1, 2, 7, 1000] {
            let [web, chat] = [(); 2].map(|()| join(&mut network, &mut service));
            for bytes in REQUEST.chunks(size) {
                network.send(web, bytes);
                network.settle();
            }
            for bytes in b"Good morning\n/who\n".chunks(size) {
                network.send(chat, bytes);
                network.settle();
            }
            let answer = text(&mut network, web);
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            assert!(answer.ends_with("\r\n\r\nfrom the web"), "{answer}");
            assert!(network.is_closed(web));
            let heard = text(&mut network, chat);
            assert!(heard.starts_with("* welcome: you are guest-"), "{heard}");
            assert_eq!(heard.lines().count(), 2, "{heard}");
            network.close(chat);
            network.settle();
        }
    }
}

#[test]
fn each_prefix_leaves_it_open_until_a_byte_decides() {
    // Each text, the number of its bytes that leave it open, and the verdict.
    let cases: [(&[u8], usize, Verdict); 13] = [
        (b"GET / HTTP/1.1\r\n", 10, Verdict::Yes),
        (b"BREW /pot HTTP/1.0\r\n", 14, Verdict::Yes),
        (b"OPTIONS * HTTP/1.1\r\n", 14, Verdict::Yes),
        (b"PRI * HTTP/2.0\r\n", 10, Verdict::Yes),
        (b"Good morning\n", 12, Verdict::No),
        (b"GET / and more", 6, Verdict::No),
        (b"GET / HTTPS", 10, Verdict::No),
        (b"GET /\r\n", 5, Verdict::No),
        (b"GET  / HTTP/1.1", 4, Verdict::No),
        (b"/join tea\n", 0, Verdict::No),
        (b"\r\nGET / HTTP/1.1", 0, Verdict::No),
        (b"\x16\x03\x01", 0, Verdict::No),
        (&[b'A'; 40], 32, Verdict::No),
    ];
    for (input, open, verdict) in cases {
        for len in 1..=input.len() {
            let shown = input[..len].escape_ascii();
            match len <= open {
                true => assert_eq!(http(&input[..len]), Verdict::NeedMore, "{shown}"),
                false => assert_eq!(http(&input[..len]), verdict, "{shown}"),
            }
        }
    }
}

#[test]
fn a_silent_peer_is_greeted_after_the_stated_time_and_not_before() {
    for mut network in networks() {
        let mut service = web_and_chat();
        let client = join(&mut network, &mut service);
        network.advance(Duration::from_millis(299));
        assert_eq!(text(&mut network, client), "");
        network.advance(Duration::from_millis(1));
        assert!(text(&mut network, client).starts_with("* welcome"));
        // It is a line client from now on, whatever it sends.
        network.send(client, REQUEST);
        assert!(!text(&mut network, client).contains("HTTP/1.1 200"));
    }
}

#[test]
fn a_request_just_before_the_end_of_the_silence_is_a_request() {
    let mut network = Network::new(Limits::default());
    let client = join(&mut network, &mut named());
    network.advance(Duration::from_millis(299));
    network.send(client, b"G");
    network.advance(Duration::from_millis(4_999));
    assert_eq!(text(&mut network, client), "");
    network.send(client, b"ET / HTTP/1.1");
    assert_eq!(text(&mut network, client), "http:GET / HTTP/1.1");
    // The handler that has decided has left no timer.
    network.advance(Duration::from_secs(10));
    assert_eq!(text(&mut network, client), "");
}

#[test]
fn bytes_that_leave_it_open_for_too_long_go_to_the_other_service() {
    let mut network = Network::new(Limits::default());
    let client = join(&mut network, &mut named());
    network.send(client, b"SSH");
    network.advance(Duration::from_millis(3_000));
    network.send(client, b"");
    network.advance(Duration::from_millis(1_999));
    assert_eq!(text(&mut network, client), "");
    network.advance(Duration::from_millis(1));
    assert_eq!(text(&mut network, client), "other:SSH");
}

#[test]
fn bytes_that_leave_it_open_for_too_many_go_to_the_other_service() {
    for mut network in networks() {
        let mut service = named().open(100, Duration::from_secs(5));
        let client = join(&mut network, &mut service);
        let long = format!("GET /{}", "x".repeat(95));
        network.send(client, long.as_bytes());
        assert_eq!(text(&mut network, client), "");
        network.send(client, b"y");
        assert_eq!(text(&mut network, client), format!("other:{long}y"));
        // More bytes than that at once may decide.
        let client = join(&mut network, &mut service);
        let request = format!("{long} HTTP/1.1\r\n");
        network.send(client, request.as_bytes());
        assert_eq!(text(&mut network, client), format!("http:{request}"));
    }
}

#[test]
fn an_end_decides_and_takes_no_bytes_away() {
    for mut network in networks() {
        for said in ["", "G", "SSH", "GET /"] {
            let client = join(&mut network, &mut named());
            network.send(client, said.as_bytes());
            network.settle();
            network.shut(client);
            assert_eq!(text(&mut network, client), format!("other:{said}|"));
            assert!(network.is_closed(client));
        }
        let client = join(&mut network, &mut named());
        network.send(client, b"SSH-2.0-x\r\n");
        network.shut(client);
        assert_eq!(text(&mut network, client), "ssh:SSH-2.0-x\r\n|");
    }
}

#[test]
fn without_a_time_for_silence_the_limit_of_the_first_byte_holds() {
    let limits = Limits::default().first_byte(Some(Duration::from_secs(20)));
    let mut network = Network::new(limits);
    let client = join(&mut network, &mut named().silence(None));
    network.advance(Duration::from_secs(19));
    assert!(!network.is_closed(client));
    network.advance(Duration::from_secs(3));
    assert!(network.is_closed(client));
    assert_eq!(text(&mut network, client), "");
}

#[test]
fn an_undecided_connection_gives_way_and_stops() {
    let mut network = Network::new(Limits::default());
    let client = join(&mut network, &mut named().silence(None));
    network.advance(Duration::from_secs(2));
    assert!(network.make_room());
    assert!(network.is_closed(client));

    let client = join(&mut network, &mut named());
    network.send(client, b"SS");
    network.settle();
    network.stop();
    // A second of grace for the rest of the message.
    network.advance(Duration::from_secs(2));
    assert!(network.is_closed(client));
}

#[test]
fn of_a_packet_socket_the_first_packet_decides() {
    let mut network = Network::new(Limits::default());
    let client = join(&mut network, &mut named());
    network.packets(client, 100);
    network.send(client, b"SSH-2.0\r\n");
    network.settle();
    let packets = std::iter::from_fn(|| network.received_packet(client));
    assert_eq!(packets.collect::<Vec<_>>(), [&b"ssh:"[..], b"SSH-2.0\r\n"]);
}

#[test]
fn a_service_that_refuses_or_panics_ends_one_connection() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let refusing = move |_: Incoming| match count.fetch_add(1, Ordering::Relaxed) {
        0 => None,
        1 => panic!("the service panics"),
        _ => Some(Named("third")),
    };
    let mut service = Detect::new(|_: Incoming| Named("other")).when(http, refusing);
    let mut network = Network::new(Limits::default());
    for heard in ["", "", "third:GET / HTTP/1.1"] {
        let client = join(&mut network, &mut service);
        network.send(client, b"GET / HTTP/1.1");
        assert_eq!(text(&mut network, client), heard);
        assert_eq!(network.is_closed(client), heard.is_empty());
    }
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

/// A service that needs `0` places and finds `1` wrong.
struct Checked(usize, Option<&'static str>);

impl Service for Checked {
    fn accept(&mut self, _: Incoming) -> Option<Box<dyn Handler>> {
        None
    }

    fn places(&self) -> usize {
        self.0
    }

    fn check(&self) -> std::io::Result<()> {
        self.1.map_or(Ok(()), |why| Err(std::io::Error::other(why)))
    }
}

#[test]
fn the_inner_services_are_checked_and_their_places_count() {
    let service = Detect::new(Checked(1, None)).when(http, Checked(3, None));
    assert_eq!(service.places(), 3);
    assert!(service.check().is_ok());
    let service = Detect::new(Checked(1, Some("no rooms"))).when(http, site());
    assert_eq!(service.check().unwrap_err().to_string(), "no rooms");
    let twice = site().get("/hello", |_, reply| reply.empty());
    let server = Server::new().listen("127.0.0.1:0", Detect::new(Chat::new()).when(http, twice));
    let error = server.unwrap().check().unwrap_err();
    assert_eq!(error.to_string(), "the route GET /hello is there twice");
}
