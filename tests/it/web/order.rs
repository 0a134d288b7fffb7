//! The web service and many requests at once: answers in the order of the requests, however these
//! are cut and however long each answer takes.

use std::time::Duration;

use socketserver::Limits;
use socketserver::services::web::Web;
use socketserver::testkit::Network;

use crate::support::http::{Answer, answers, ask, connect};

fn request(method: &str, target: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n")
}

#[test]
fn a_hundred_requests_in_one_packet_are_answered_in_order() {
    let web =
        Web::new().get("/{n}", |request, reply| reply.text(request.param("n").unwrap_or("?")));
    let input: String = (0..100).map(|n| request("GET", &format!("/{n}"))).collect();
    let (said, is_closed) = ask(web, input.as_bytes());
    let texts: Vec<_> =
        answers(&["GET"; 100], &said).iter().map(|answer| answer.text().to_owned()).collect();
    assert_eq!(texts, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(!is_closed);
}

fn mixed() -> Web {
    Web::new()
        .any("/echo", |request, reply| reply.bytes("text/x", request.body()))
        .get("/later", |_, reply| reply.after(Duration::from_secs(3)).text("later"))
        .get("/pieces", |_, reply| {
            reply.pieces("text/x", ["one, ", "two, ", "three"].map(|piece| piece.into()))
        })
        .get("/now", |_, reply| reply.text("now"))
}

fn many() -> (Vec<u8>, Vec<&'static str>) {
    let chunked = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
                   2;x\r\nfi\r\n3\r\nrst\r\n0\r\nT: t\r\n\r\n";
    let length = "PUT /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nsecond\r\n";
    let input = [
        chunked,
        length,
        &request("GET", "/later"),
        &request("GET", "/now"),
        &request("GET", "/pieces"),
        &request("HEAD", "/pieces"),
        &request("GET", "/nothing"),
        "GET /now HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        &request("GET", "/now"),
    ];
    (input.concat().into(), vec!["POST", "PUT", "GET", "GET", "GET", "HEAD", "GET", "GET"])
}

#[test]
fn answers_keep_the_order_of_their_requests_whatever_they_wait_for() {
    let (input, methods) = many();
    let mut network = Network::new(Limits::default());
    let client = connect(&mut network, &mut mixed());
    network.send(client, &input);
    network.advance(Duration::from_secs(2));
    let early = network.received(client);
    assert_eq!(answers(&methods[..2], &early)[1].text(), "second");
    network.advance(Duration::from_secs(1));
    let answers = answers(&methods[2..], &network.received(client));
    let texts: Vec<_> = answers.iter().map(Answer::text).collect();
    assert_eq!(texts, ["later", "now", "one, two, three", "", "404 Not Found\n", "now"]);
    assert!(answers[5].says_close() && network.is_closed(client));
}

#[test]
fn requests_may_be_cut_anywhere() {
    let (input, methods) = many();
    let mut whole = None;
    for cut in 0..input.len() {
        let mut network = Network::new(Limits::default());
        let client = connect(&mut network, &mut mixed());
        // Time passes in between, so that either part may meet a delayed answer.
        network.send(client, &input[..cut]);
        network.advance(Duration::from_secs(3));
        network.send(client, &input[cut..]);
        network.advance(Duration::from_secs(3));
        assert!(network.is_closed(client));
        let mut answers = answers(&methods, &network.received(client));
        for answer in &mut answers {
            answer.fields.retain(|(name, _)| name != "Date");
        }
        assert_eq!(*whole.get_or_insert_with(|| answers.clone()), answers, "cut at {cut}");
    }
}

#[test]
fn a_body_may_come_byte_by_byte() {
    let mut network = Network::new(Limits::default());
    let client = connect(&mut network, &mut mixed());
    let (input, methods) = many();
    network.grain(client, 1);
    network.send(client, &input);
    network.advance(Duration::from_secs(3));
    assert_eq!(answers(&methods, &network.received(client))[0].text(), "first");
    assert!(network.is_closed(client));
}

#[test]
fn routes_are_shared_by_all_connections_and_answer_each_its_own() {
    let mut network = Network::new(Limits::default());
    let mut web = Web::new().get("/users/{id}", |request, reply| {
        reply.text(format!("user {}", request.param("id").unwrap_or("?")))
    });
    let clients: Vec<_> = (0..10).map(|_| connect(&mut network, &mut web)).collect();
    for (n, client) in clients.iter().enumerate() {
        network.send(*client, request("GET", &format!("/users/{n}")).as_bytes());
    }
    network.settle();
    for (n, client) in clients.iter().enumerate() {
        let said = network.received(*client);
        assert_eq!(answers(&["GET"], &said)[0].text(), format!("user {n}"));
    }
}
