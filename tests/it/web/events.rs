//! Server-sent events in memory: their form, and clients that come back.

use std::sync::mpsc::channel;
use std::time::Duration;

use socketserver::services::web::{Method, Web};
use socketserver::testkit::{Client, Network, WebClient};
use socketserver::{History, Limits, Position};

use crate::support::http::{answer, answers, connect};

fn site(history: &History) -> Web<History> {
    Web::with_state(history.clone())
        .get("/events", |request, reply| reply.events(request.state(), request.last_event_id()))
        .get("/all", |request, reply| reply.events(request.state(), Some(request.state().start())))
        .post("/events", |request, reply| {
            reply.text(request.state().append(request.body()).to_string())
        })
}

/// A client in memory that has asked for the events after this id.
fn listen(network: &mut Network, history: &History, id: impl AsRef<[u8]>) -> Client {
    let client = connect(network, &mut site(history));
    let head = b"GET /events HTTP/1.0\r\nHost: h\r\nLast-Event-ID: ";
    network.send(client, &[head, id.as_ref(), b"\r\n\r\n"].concat());
    network.settle();
    client
}

/// The text that has come since, without the head and the opening block.
fn heard(network: &mut Network, client: Client) -> String {
    network.settle();
    let text = String::from_utf8(network.received(client)).unwrap();
    match text.split_once("\r\n\r\nretry: ") {
        Some((_, body)) => body.split_once("\n\n").unwrap().1.to_owned(),
        None => text,
    }
}

#[test]
fn the_opening_has_the_fields_a_retry_time_and_an_id() {
    let history = History::new(10, 1000);
    history.append("old");
    let mut network = Network::new(Limits::default());
    let client = connect(&mut network, &mut site(&history));
    network.send(client, b"GET /events HTTP/1.0\r\n\r\n");
    network.settle();
    let answer = answers(&["GET"], &network.received(client)).remove(0);
    assert_eq!(answer.field("content-type"), Some("text/event-stream"));
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    assert_eq!(answer.field("x-accel-buffering"), Some("no"));
    let (retry, id) = answer.text().split_once('\n').unwrap();
    let retry: u32 = retry.strip_prefix("retry: ").unwrap().parse().unwrap();
    assert!((1000..2000).contains(&retry), "{retry}");
    assert_eq!(id, format!("id: {}\n\n", history.end()));
    // From now on.
    let position = history.append("new");
    network.settle();
    assert_eq!(network.received(client), format!("id: {position}\ndata: new\n\n").as_bytes());
}

#[test]
fn each_line_of_a_message_is_a_line_of_data() {
    let history = History::new(100, 1000);
    let mut network = Network::new(Limits::default());
    let client = listen(&mut network, &history, history.end().to_string());
    for (message, data) in [
        (&b""[..], "data: \n"),
        (b"a", "data: a\n"),
        (b" a: b", "data:  a: b\n"),
        (b"a\nb\r\nc\rd", "data: a\ndata: b\ndata: c\ndata: d\n"),
        (b"a\n", "data: a\ndata: \n"),
        (b"\r\n\n", "data: \ndata: \ndata: \n"),
        (b"id: 1\n\nevent: x", "data: id: 1\ndata: \ndata: event: x\n"),
        (b"\xff\xc3\xa4", "data: \u{fffd}ä\n"),
    ] {
        let position = history.append(message);
        let expected = format!("id: {position}\n{data}\n");
        assert_eq!(heard(&mut network, client), expected, "{}", message.escape_ascii());
    }
}

#[test]
fn a_client_continues_after_its_last_event() {
    let history = History::new(10, 1000);
    let positions: Vec<Position> = (0..5).map(|n| history.append(n.to_string())).collect();
    let mut network = Network::new(Limits::default());
    for (at, position) in positions.iter().enumerate() {
        let client = listen(&mut network, &history, position.to_string());
        let later = positions.iter().enumerate().skip(at + 1);
        let expected: String = later.map(|(n, p)| format!("id: {p}\ndata: {n}\n\n")).collect();
        assert_eq!(heard(&mut network, client), expected);
    }
}

#[test]
fn missing_events_are_announced() {
    let history = History::new(2, 1000);
    let mut network = Network::new(Limits::default());
    let early = history.end();
    let last: Vec<Position> = (0..5).map(|n| history.append(n.to_string())).collect();
    let kept = format!("id: {}\ndata: 3\n\nid: {}\ndata: 4\n\n", last[3], last[4]);
    let id = history.start();
    let client = listen(&mut network, &history, early.to_string());
    let expected = format!("event: gap\nid: {id}\ndata: trimmed 3\n\n{kept}");
    assert_eq!(heard(&mut network, client), expected);
    let other = History::new(1, 1).end().to_string();
    for unknown in ["", "7", "é", &other] {
        let client = listen(&mut network, &history, unknown);
        let expected = format!("event: gap\nid: {id}\ndata: epoch\n\n{kept}");
        assert_eq!(heard(&mut network, client), expected, "{unknown}");
    }
}

#[test]
fn a_comment_follows_each_15_seconds_of_silence() {
    let history = History::new(10, 1000);
    let mut network = Network::new(Limits::default());
    let client = listen(&mut network, &history, history.end().to_string());
    heard(&mut network, client);
    network.advance(Duration::from_millis(14_900));
    assert_eq!(heard(&mut network, client), "");
    network.advance(Duration::from_millis(200));
    assert_eq!(heard(&mut network, client), ":\n\n");
    network.advance(Duration::from_secs(10));
    history.append("x");
    assert!(heard(&mut network, client).starts_with("id: "));
    network.advance(Duration::from_secs(14));
    assert_eq!(heard(&mut network, client), "");
    network.advance(Duration::from_secs(47));
    assert_eq!(heard(&mut network, client), ":\n\n".repeat(4));
}

#[test]
fn a_slow_client_costs_a_bounded_output_and_is_told_of_its_gap() {
    let history = History::new(100, 100_000);
    let limits = Limits::default().output_low(4_000).output_high(8_000);
    let mut network = Network::new(limits);
    let client = listen(&mut network, &history, history.end().to_string());
    heard(&mut network, client);
    network.window(client, 0);
    for n in 0..1_000 {
        history.append(format!("{n:0500}"));
        network.settle();
        assert!(network.unsent(client) <= 8_000 + 20_000, "{}", network.unsent(client));
    }
    network.window(client, 1_000_000);
    let mut said = heard(&mut network, client);
    said.push_str(&heard(&mut network, client));
    let (mut expected, mut gaps) = (0, 0);
    for block in said.split("\n\n").filter(|block| !block.is_empty()) {
        if let Some((_, missing)) = block.split_once("\ndata: trimmed ") {
            expected += missing.parse::<usize>().unwrap();
            gaps += 1;
        } else {
            let (_, data) = block.split_once("\ndata: ").unwrap();
            assert_eq!(data.parse::<usize>().unwrap(), expected);
            expected += 1;
        }
    }
    assert_eq!((expected, gaps), (1_000, 1));
}

#[test]
fn events_have_no_body_for_head_and_chunks_for_1_1() {
    let history = History::new(10, 1000);
    let mut client = WebClient::new(site(&history));
    assert_eq!(client.request(Method::HEAD, "/events").send().body(), b"");
    let mut network = Network::new(Limits::default());
    let listener = connect(&mut network, &mut site(&history));
    network.send(listener, b"GET /events HTTP/1.1\r\nHost: h\r\n\r\n");
    network.settle();
    let said = network.received(listener);
    assert!(answer("GET", &said).is_none() && said.ends_with(b"\n\n\r\n"));
    history.append("x");
    network.settle();
    assert!(network.received(listener).ends_with(b"\ndata: x\n\n\r\n"));
}

#[test]
fn a_stop_sends_the_last_events_and_ends_in_good_order() {
    for mut network in [
        Network::new(Limits::default()),
        Network::with_workers(Limits::default()),
        Network::with_reactors(Limits::default(), 2),
    ] {
        let history = History::new(1000, 100_000);
        let start = history.end();
        let client = listen(&mut network, &history, start.to_string());
        heard(&mut network, client);
        for n in 0..500 {
            history.append(n.to_string());
        }
        network.stop();
        network.settle();
        assert!(network.is_closed(client) && !network.is_reset(client));
        assert!(heard(&mut network, client).ends_with("data: 499\n\n"));
        // One that comes now gets the messages of the history, and the end.
        let client = connect(&mut network, &mut site(&history));
        network.send(client, b"GET /all HTTP/1.1\r\nHost: h\r\n\r\n");
        network.settle();
        let said = network.received(client);
        assert!(answers(&["GET"], &said)[0].text().ends_with("data: 499\n\n"));
        assert!(network.is_closed(client));
    }
}

#[test]
fn the_clients_that_have_gone_leave_no_watcher() {
    let history = History::new(10, 1000);
    let mut network = Network::new(Limits::default());
    let (sender, records) = channel();
    let mut site = site(&history).on_answer(move |record| {
        let _ = sender.send(record.status().as_u16());
    });
    let client = connect(&mut network, &mut site);
    network.send(client, b"GET /events HTTP/1.1\r\nHost: h\r\n\r\n");
    network.settle();
    let before = format!("{history:?}");
    network.close(client);
    network.settle();
    assert_eq!(network.connections(), 0);
    assert_eq!(records.try_recv(), Ok(200));
    // Nothing is called for the next message.
    history.append("x");
    assert!(format!("{history:?}") != before && before.contains("watchers: 1"));
    assert!(format!("{history:?}").contains("watchers: 0"));
}

#[test]
fn an_id_that_is_not_text_is_told_of_a_gap() {
    let history = History::new(10, 1000);
    history.append("one");
    let mut network = Network::new(Limits::default());
    let client = listen(&mut network, &history, b"\xff\xfe");
    assert!(heard(&mut network, client).starts_with("event: gap\n"));
}
