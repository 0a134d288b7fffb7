//! The web service and those who are slow, or never done: what they are answered, and when.

use std::time::Duration;

use socketserver::Limits;
use socketserver::services::web::Web;
use socketserver::testkit::{Client, Network};

use super::http_kit::{Answer, answers, connect};

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

/// The one answer, after which the connection ends.
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
    let limits = Limits { message: Some(Duration::from_secs(10)), ..Limits::default() };
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
fn who_never_said_a_byte_gets_no_answer() {
    let (mut network, client) = client(&mut site(), Limits::default());
    network.advance(Duration::from_secs(62));
    assert_eq!((network.received(client), network.connections()), (Vec::new(), 0));
}

#[test]
fn a_head_that_does_not_fit_into_the_input_is_answered_with_431() {
    let limits = Limits { pending_input: 1000, ..Limits::default() };
    let (mut network, client) = client(&mut site(), limits);
    network.send(client, b"GET / HTTP/1.1\r\nHost: h\r\nX: ");
    network.send(client, &[b'x'; 2000]);
    network.settle();
    assert_eq!(last_answer(&mut network, client).status, 431);
}
