//! The web service and the life of a connection: bodies that are too long or unused, clients that
//! half-close or wait for the go-ahead, the date, and stopping.

use std::time::Duration;

use socketserver::Limits;
use socketserver::protocol::http::HttpLimits;
use socketserver::services::web::Web;
use socketserver::testkit::{Client, Network};

use crate::support::http::{Answer, answers, ask, connect};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const LATER: &[u8] = b"GET /later HTTP/1.1\r\nHost: h\r\n\r\n";

fn site() -> Web {
    Web::new()
        .get("/", |_, reply| reply.text("root"))
        .post("/echo", |request, reply| reply.bytes("text/x", request.body()))
        .get("/later", |_, reply| reply.after(Duration::from_secs(5)).text("later"))
        .get("/pieces", |_, reply| {
            reply.pieces("text/x", std::iter::repeat_n(vec![b'x'; 10_000], 100))
        })
}

fn client(limits: Limits) -> (Network, Client) {
    let mut network = Network::new(limits);
    let client = connect(&mut network, &mut site());
    (network, client)
}

fn heard(network: &mut Network, client: Client) -> Answer {
    network.settle();
    answers(&["GET"], &network.received(client)).remove(0)
}

/// Version and fields of a request, and the Connection field of the answer, if there is one.
const CONNECTION: &[(&str, &str, Option<&str>)] = &[
    ("1.1", "", None),
    ("1.1", "Connection: close\r\n", Some("close")),
    ("1.1", "Connection: keep-alive\r\n", None),
    ("1.0", "", Some("close")),
    ("1.0", "Connection: keep-alive\r\n", Some("keep-alive")),
    ("1.0", "Connection: keep-alive, close\r\n", Some("close")),
];

#[test]
fn an_answer_says_whether_the_connection_stays_open() {
    for (version, fields, connection) in CONNECTION {
        for path in ["/", "/nothing", "/later"] {
            let (mut network, client) = client(Limits::default());
            let input = format!("GET {path} HTTP/{version}\r\nHost: h\r\n{fields}\r\n");
            network.send(client, input.as_bytes());
            network.advance(Duration::from_secs(5));
            let answer = heard(&mut network, client);
            assert_eq!(answer.field("connection"), *connection, "{input:?}");
            assert_eq!(network.is_closed(client), answer.says_close(), "{input:?}");
        }
    }
}

#[test]
fn a_client_that_half_closes_after_its_request_gets_the_answer() {
    for (path, body) in [("/", 4), ("/later", 5), ("/pieces", 1_000_000)] {
        let (mut network, client) = client(Limits::default());
        network.window(client, 30_000);
        network.send(client, format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
        network.shut(client);
        let mut said = Vec::new();
        for _ in 0..100 {
            network.advance(Duration::from_secs(1));
            said.extend_from_slice(&network.received(client));
        }
        assert_eq!(answers(&["GET"], &said)[0].body.len(), body, "{path}");
        assert!(network.is_closed(client));
        assert_eq!(network.connections(), 0);
    }
}

#[test]
fn a_client_that_half_closes_within_a_request_gets_nothing() {
    for part in
        ["GET / HTTP/1.1\r\nHos", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel"]
    {
        let (mut network, client) = client(Limits::default());
        network.send(client, part.as_bytes());
        network.shut(client);
        network.settle();
        assert_eq!(network.received(client), b"");
        assert_eq!(network.connections(), 0);
    }
}

#[test]
fn an_early_413_is_readable_though_the_client_goes_on_sending() {
    for framing in ["Content-Length: 2000000", "Transfer-Encoding: chunked"] {
        let (mut network, client) = client(Limits::default());
        let head = format!("POST /echo HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n1e8480\r\n");
        network.send(client, head.as_bytes());
        network.settle();
        for _ in 0..20 {
            network.send(client, &[b'x'; 10_000]);
            network.settle();
            assert_eq!(network.unread(client), 0);
        }
        let answer = heard(&mut network, client);
        assert_eq!(answer.status, 413);
        assert!(answer.says_close());
        network.shut(client);
        network.settle();
        assert!(!network.is_reset(client));
        assert_eq!(network.connections(), 0);
    }
}

#[test]
fn a_body_at_the_limit_of_the_site_reaches_its_route() {
    let body = vec![b'x'; 1_000];
    for (len, status) in [(1_000, 200), (999, 413)] {
        let limits = HttpLimits::default().body(len);
        let head = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n";
        let (said, _) = ask(site().limits(limits), &[head.as_bytes(), &body].concat());
        assert_eq!(answers(&["POST"], &said)[0].status, status);
    }
}

#[test]
fn an_unused_body_is_skipped() {
    for (method, path, status) in
        [("POST", "/nothing", 404), ("PUT", "/echo", 405), ("GET", "/", 200)]
    {
        let (mut network, client) = client(Limits::default());
        let head = format!("{method} {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n");
        network.send(client, head.as_bytes());
        for _ in 0..30 {
            network.send(client, &[b'x'; 10_000]);
            network.settle();
        }
        network.send(client, GET);
        network.settle();
        let answers = answers(&[method, "GET"], &network.received(client));
        assert_eq!((answers[0].status, answers[1].status), (status, 200));
    }
}

fn waiting(method: &str, path: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    )
}

#[test]
fn the_go_ahead_is_given_where_there_is_a_route() {
    let (mut network, client) = client(Limits::default());
    network.send(client, waiting("POST", "/echo").as_bytes());
    network.settle();
    assert_eq!(network.received(client), b"HTTP/1.1 100 Continue\r\n\r\n");
    network.send(client, b"hello");
    assert_eq!(heard(&mut network, client).text(), "hello");
    assert!(!network.is_closed(client));
}

#[test]
fn the_go_ahead_waits_for_the_answers_before_it() {
    let (mut network, client) = client(Limits::default());
    network.send(client, &[LATER, waiting("POST", "/echo").as_bytes()].concat());
    network.advance(Duration::from_secs(4));
    assert_eq!(network.received(client), b"");
    network.advance(Duration::from_secs(1));
    let said = network.received(client);
    let len = said.len() - "HTTP/1.1 100 Continue\r\n\r\n".len();
    assert_eq!(answers(&["GET"], &said[..len])[0].text(), "later");
    assert_eq!(&said[len..], b"HTTP/1.1 100 Continue\r\n\r\n");
}

#[test]
fn the_go_ahead_is_not_given_where_there_is_no_route() {
    for (method, path, status) in [("POST", "/nothing", 404), ("PUT", "/echo", 405)] {
        let (mut network, client) = client(Limits::default());
        network.send(client, waiting(method, path).as_bytes());
        let answer = heard(&mut network, client);
        assert_eq!(answer.status, status);
        // The body may come or not, so no request can follow on this connection, and a client that
        // keeps connections open must know.
        assert!(network.is_closed(client));
        assert!(answer.says_close(), "{answer:?}");
    }
}

#[test]
fn a_client_that_sent_its_body_early_can_read_the_404() {
    let (mut network, client) = client(Limits::default());
    network.send(client, waiting("POST", "/nothing").as_bytes());
    assert_eq!(heard(&mut network, client).status, 404);
    assert_eq!(network.connections(), 1, "closed for good, so the body would be met by a reset");
    network.send(client, b"hello");
    network.settle();
    network.shut(client);
    network.settle();
    assert_eq!((network.is_reset(client), network.connections()), (false, 0));
}

#[test]
fn the_date_is_right_and_moves_with_the_clock() {
    let (mut network, client) = client(Limits::default());
    let mut date = |wait: Duration| {
        network.advance(wait);
        network.send(client, GET);
        heard(&mut network, client).field("date").unwrap().to_owned()
    };
    assert_eq!(date(Duration::ZERO), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(date(Duration::from_millis(999)), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(date(Duration::from_millis(1)), "Sun, 06 Nov 1994 08:49:38 GMT");
    assert_eq!(date(Duration::from_secs(60)), "Sun, 06 Nov 1994 08:50:38 GMT");
}

#[test]
fn a_delayed_answer_is_dated_when_it_is_given() {
    let (mut network, client) = client(Limits::default());
    network.send(client, LATER);
    network.advance(Duration::from_secs(5));
    let answer = heard(&mut network, client);
    assert_eq!(answer.field("date"), Some("Sun, 06 Nov 1994 08:49:42 GMT"));
}

#[test]
fn stopping_closes_idle_clients_and_answers_the_others() {
    let mut network = Network::new(Limits::default());
    let mut web = site();
    let [idle, uploading, waiting, typing] = [(); 4].map(|()| connect(&mut network, &mut web));
    network.send(idle, GET);
    network.send(uploading, b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel");
    network.send(waiting, LATER);
    network.send(typing, &GET[..20]);
    assert_eq!(heard(&mut network, idle).text(), "root");
    network.stop();
    network.settle();
    assert!(network.is_closed(idle));
    assert_eq!(network.connections(), 3);
    network.send(uploading, b"lo");
    network.send(typing, &GET[20..]);
    network.advance(Duration::from_secs(5));
    for (client, text) in [(uploading, "hello"), (waiting, "later"), (typing, "root")] {
        let answer = heard(&mut network, client);
        assert_eq!(answer.text(), text);
        assert!(answer.says_close() && network.is_closed(client), "{text}");
        network.shut(client);
    }
    network.settle();
    assert_eq!(network.connections(), 0);
}

#[test]
fn stopping_lets_an_answer_in_pieces_come_to_its_end() {
    let (mut network, client) = client(Limits::default());
    network.window(client, 50_000);
    network.send(client, b"GET /pieces HTTP/1.1\r\nHost: h\r\n\r\n");
    network.settle();
    network.stop();
    let mut said = Vec::new();
    loop {
        network.settle();
        let more = network.received(client);
        if more.is_empty() {
            break;
        }
        said.extend_from_slice(&more);
    }
    assert_eq!(answers(&["GET"], &said)[0].body.len(), 1_000_000);
    assert!(network.is_closed(client));
    network.shut(client);
    network.settle();
    assert_eq!(network.connections(), 0);
}
