//! The web service and clients that are slow or never done: their answers, and the times of these.

use std::time::Duration;

use socketserver::Limits;
use socketserver::protocol::http::HttpLimits;
use socketserver::services::web::{Response, Web};
use socketserver::testkit::{Client, Network};

use crate::support::http::{Answer, answers, connect};

fn site() -> Web {
    Web::new()
        .get("/", |_, reply| reply.text("root"))
        .post("/echo", |request, reply| reply.bytes("text/x", request.body()))
}

fn client(web: &mut Web, limits: Limits) -> (Network, Client) {
    let mut network = Network::new(limits);
    let client = connect(&mut network, web);
    network.settle();
    (network, client)
}

/// The only answer, after which the connection is closed.
fn last_answer(network: &mut Network, client: Client) -> Answer {
    let answer = answers(&["GET"], &network.received(client)).remove(0);
    assert!(answer.says_close() && network.is_closed(client), "{answer:?}");
    network.shut(client);
    network.settle();
    assert_eq!((network.connections(), network.is_reset(client)), (0, false));
    answer
}

#[test]
fn a_head_that_comes_too_slowly_is_answered_with_408() {
    let limits = Limits::default().message(Some(Duration::from_secs(10)));
    let (mut network, client) = client(&mut site(), limits);
    for byte in b"GET / HTTP/1.1\r\n" {
        network.send(client, &[*byte]);
        network.advance(Duration::from_millis(500));
    }
    assert_eq!(network.received(client), b"");
    network.advance(Duration::from_secs(3));
    assert_eq!(last_answer(&mut network, client).status, 408);
}

#[test]
fn a_client_that_sent_no_byte_gets_no_answer() {
    let (mut network, client) = client(&mut site(), Limits::default());
    network.advance(Duration::from_secs(62));
    assert_eq!((network.received(client), network.connections()), (Vec::new(), 0));
}

#[test]
fn a_head_that_does_not_fit_into_the_input_is_answered_with_431() {
    let limits = Limits::default().pending_input(1000);
    let (mut network, client) = client(&mut site(), limits);
    network.send(client, b"GET / HTTP/1.1\r\nHost: h\r\nX: ");
    network.send(client, &[b'x'; 2000]);
    network.settle();
    assert_eq!(last_answer(&mut network, client).status, 431);
}

const LONG_POST: &[u8] = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n";
const POST: &[u8] = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n";

/// Sends `bytes` of a body every second until the server closes, or for a number of `seconds`.
/// Returns the seconds that passed.
fn trickle(network: &mut Network, client: Client, bytes: usize, seconds: usize) -> usize {
    for second in 0..seconds {
        if network.is_closed(client) {
            return second;
        }
        network.send(client, &vec![b'x'; bytes]);
        network.advance(Duration::from_secs(1));
    }
    seconds
}

#[test]
fn a_body_that_comes_too_slowly_is_answered_with_408() {
    // A byte earns 2 ms. A body at 400 of 500 bytes a second earns 0.8 s in each, which extends 20
    // s to 100 s.
    for (path, bytes, seconds) in [("/echo", 0, 20), ("/echo", 1, 21), ("/nothing", 400, 100)] {
        let (mut network, client) = client(&mut site(), Limits::default().idle(None));
        let head = format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
        network.send(client, head.as_bytes());
        assert_eq!(trickle(&mut network, client, bytes, 200), seconds);
        assert_eq!(last_answer(&mut network, client).status, 408);
    }
}

#[test]
fn a_chunked_body_is_held_to_the_rate_too() {
    let (mut network, client) = client(&mut site(), Limits::default());
    network.send(client, b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..21 {
        assert!(!network.is_closed(client));
        network.send(client, b"1\r\nx\r\n");
        network.advance(Duration::from_secs(1));
    }
    assert_eq!(last_answer(&mut network, client).status, 408);
}

#[test]
fn a_body_that_keeps_the_rate_may_take_its_time() {
    let (mut network, client) = client(&mut site(), Limits::default());
    network.send(client, POST);
    assert_eq!(trickle(&mut network, client, 500, 200), 200);
    let answer = answers(&["POST"], &network.received(client)).remove(0);
    assert_eq!((answer.status, answer.body.len()), (200, 100_000));
    // Its timer does not end the next request either.
    network.send(client, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    network.advance(Duration::from_secs(60));
    assert_eq!(answers(&["GET"], &network.received(client))[0].text(), "root");
    assert!(!network.is_closed(client));
}

#[test]
fn the_timer_of_a_body_does_not_give_later_answers_early() {
    let mut web = site()
        .get("/later", |_, reply| reply.after(Duration::from_secs(30)).text("later"))
        .get("/work", |_, reply| reply.offload(|| Ok(Response::new(200).text("worked"))));
    let limits = Limits::default().idle(None);
    for (path, text) in [("/later", "later"), ("/work", "worked")] {
        let (mut network, client) = client(&mut web, limits.clone());
        network.send(client, b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
        network.advance(Duration::from_millis(19_999));
        assert_eq!(answers(&["POST"], &network.received(client))[0].text(), "hello");
        network.send(client, format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
        network.advance(Duration::from_secs(29));
        let early = network.received(client);
        assert!(path == "/work" || early.is_empty());
        network.advance(Duration::from_secs(2));
        let said = [early, network.received(client)].concat();
        assert_eq!(answers(&["GET"], &said)[0].text(), text);
    }
}

#[test]
fn each_body_has_its_own_time() {
    let (mut network, client) = client(&mut site(), Limits::default());
    for _ in 0..10 {
        network.send(client, b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel");
        network.advance(Duration::from_secs(15));
        network.send(client, b"lo");
        network.settle();
        assert_eq!(answers(&["POST"], &network.received(client))[0].text(), "hello");
    }
    assert!(!network.is_closed(client));
}

#[test]
fn without_a_time_for_bodies_silence_counts() {
    let limits = HttpLimits::default().body_time(None);
    let (mut network, client) = client(&mut site().limits(limits), Limits::default());
    network.send(client, POST);
    assert_eq!(trickle(&mut network, client, 1, 200), 200);
    network.advance(Duration::from_secs(76));
    assert_eq!((network.received(client), network.connections()), (Vec::new(), 0));
}

#[test]
fn the_last_request_of_a_connection_is_told_so() {
    let limits = HttpLimits::default().keep_alive_requests(Some(3));
    let (mut network, client) = client(&mut site().limits(limits), Limits::default());
    network.send(client, &b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(5));
    network.settle();
    let answers = answers(&["GET"; 3], &network.received(client));
    assert_eq!(answers.iter().map(Answer::says_close).collect::<Vec<_>>(), [false, false, true]);
    assert!(network.is_closed(client));
    network.shut(client);
    network.settle();
    assert_eq!((network.connections(), network.is_reset(client)), (0, false));
}

#[test]
fn the_time_earned_by_one_body_does_not_help_the_next() {
    let (mut network, client) = client(&mut site(), Limits::default());
    let head = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n";
    network.send(client, head.as_bytes());
    network.send(client, &[b'x'; 999_999]);
    network.advance(Duration::from_secs(25));
    network.send(client, b"x");
    network.settle();
    assert_eq!(answers(&["POST"], &network.received(client)).remove(0).status, 200);
    network.send(client, head.as_bytes());
    for _ in 0..45 {
        network.send(client, b"y");
        network.advance(Duration::from_secs(1));
    }
    assert_eq!(last_answer(&mut network, client).status, 408);
}

#[test]
fn a_rate_of_zero_gives_a_body_no_more_time() {
    let limits = HttpLimits::default().body_rate(0);
    let (mut network, client) = client(&mut site().limits(limits), Limits::default());
    network.send(client, POST);
    assert_eq!(trickle(&mut network, client, 4000, 200), 20);
    assert_eq!(last_answer(&mut network, client).status, 408);
}

/// The time earned by a fast start must not be spent in silence: a megabyte would earn 35 minutes.
#[test]
fn a_body_that_came_fast_may_not_stop() {
    let (mut network, client) = client(&mut site(), Limits::default());
    network.send(client, LONG_POST);
    network.send(client, &[b'x'; 999_000]);
    let took = trickle(&mut network, client, 1, 3000);
    assert!((20..=80).contains(&took), "{took} s");
    assert_eq!(last_answer(&mut network, client).status, 408);
}

/// A pause is allowed as long as the rate holds again after it.
#[test]
fn a_body_may_pause_for_a_while() {
    let (mut network, client) = client(&mut site(), Limits::default());
    network.send(client, LONG_POST);
    for _ in 0..9 {
        network.send(client, &[b'x'; 100_000]);
        network.advance(Duration::from_secs(35));
    }
    network.send(client, &[b'x'; 100_000]);
    network.settle();
    assert_eq!(answers(&["POST"], &network.received(client))[0].status, 200);
}
