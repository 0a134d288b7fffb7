//! Answers that are produced piece by piece: their framing, and how they wait for their reader.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use socketserver::services::web::{Response, Web};
use socketserver::testkit::Network;
use socketserver::{Limits, Server};

use crate::hub::cuts::{End, end_of, modes};
use crate::support::http::{answer, answers, ask, connect};
use crate::support::real::Running;

fn request(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")
}

/// A site with one answer of `count` pieces of `size` bytes, and the number of pieces produced.
fn pieces(count: usize, size: usize) -> (Web, Arc<AtomicUsize>) {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&made);
    let web = Web::new()
        .get("/", move |_, reply| {
            let counter = Arc::clone(&counter);
            reply.pieces(
                "text/x",
                (0..count).map(move |n| {
                    counter.fetch_add(1, Ordering::Relaxed);
                    vec![b'a' + (n % 26) as u8; size]
                }),
            )
        })
        .get("/next", |_, reply| reply.text("next"));
    (web, made)
}

#[test]
fn pieces_are_not_sent_where_the_status_allows_no_body() {
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED] {
        let web = Web::new()
            .get("/", move |_, reply| {
                reply.status(status).pieces("text/x", [b"nobody may see this".to_vec()])
            })
            .get("/next", |_, reply| reply.text("next"));
        let (said, _) = ask(web, [request("/"), request("/next")].concat().as_bytes());
        let answers = answers(&["GET"; 2], &said);
        assert_eq!(answers[0].status, status.as_u16());
        // RFC 9112, section 6.1: none with 204; and with 304 there is no need.
        assert_eq!(answers[0].field("transfer-encoding"), None);
        assert_eq!(answers[1].text(), "next");
    }
}

#[test]
fn pieces_are_chunks_and_an_empty_one_does_not_end_them() {
    let web = Web::new().get("/", |_, reply| {
        reply.pieces("text/x", [b"a".to_vec(), Vec::new(), vec![b'b'; 17], Vec::new()])
    });
    let mut network = Network::new(Limits::default());
    let client = connect(&mut network, &mut { web });
    network.send(client, request("/").as_bytes());
    network.advance(Duration::from_millis(20));
    let (said, is_closed) = (network.received(client), network.is_closed(client));
    assert!(said.ends_with(b"\r\n\r\n1\r\na\r\n11\r\nbbbbbbbbbbbbbbbbb\r\n0\r\n\r\n"));
    assert!(!is_closed);
    assert_eq!(answers(&["GET"], &said)[0].field("transfer-encoding"), Some("chunked"));
}

#[test]
fn pieces_for_an_old_client_end_with_the_connection() {
    for fields in ["", "Connection: keep-alive\r\n"] {
        let (web, _) = pieces(3, 2);
        let (said, is_closed) = ask(web, format!("GET / HTTP/1.0\r\n{fields}\r\n").as_bytes());
        let answer = answers(&["GET"], &said).remove(0);
        assert_eq!(answer.text(), "aabbcc");
        assert_eq!(answer.field("transfer-encoding"), None);
        assert!(answer.says_close() && is_closed);
    }
}

#[test]
fn pieces_are_not_made_for_head() {
    let (web, made) = pieces(3, 2);
    let (said, is_closed) = ask(web, request("/").replace("GET", "HEAD").as_bytes());
    assert_eq!(answers(&["HEAD"], &said)[0].field("transfer-encoding"), Some("chunked"));
    assert!(!is_closed);
    assert_eq!(made.load(Ordering::Relaxed), 0);
}

#[test]
fn the_answer_to_head_of_http_1_0_says_whether_the_connection_stays_open() {
    for fields in ["", "Connection: keep-alive\r\n"] {
        let (web, _) = pieces(3, 2);
        let (said, is_closed) = ask(web, format!("HEAD / HTTP/1.0\r\n{fields}\r\n").as_bytes());
        let answer = answers(&["HEAD"], &said).remove(0);
        assert_eq!(answer.says_close(), is_closed, "{answer:?}");
    }
}

#[test]
fn pieces_wait_for_a_slow_reader() {
    const SIZE: usize = 10_000;
    let (mut web, made) = pieces(1_000, SIZE);
    let limits = Limits::default().output_low(20_000).output_high(40_000);
    let mut network = Network::new(limits);
    let client = connect(&mut network, &mut web);
    network.window(client, 100_000);
    network.send(client, [request("/"), request("/next")].concat().as_bytes());
    let mut said = Vec::new();
    let mut rounds = 0;
    loop {
        network.settle();
        let more = network.received(client);
        if more.is_empty() {
            break;
        }
        rounds += 1;
        said.extend_from_slice(&more);
        // The watermark, and the piece and the head beyond it.
        let ahead = made.load(Ordering::Relaxed) * SIZE;
        assert!(ahead <= said.len() + 40_000 + 2 * SIZE, "{ahead} made, {} taken", said.len());
    }
    assert!(rounds >= 100, "the reader was not slow");
    let answers = answers(&["GET"; 2], &said);
    assert_eq!(answers[0].body.len(), 1_000 * SIZE);
    let letters = answers[0].body.chunks(SIZE).enumerate();
    assert!(
        letters.into_iter().all(|(n, piece)| piece.iter().all(|b| *b == b'a' + (n % 26) as u8))
    );
    assert_eq!(answers[1].text(), "next");
}

#[test]
fn pieces_whose_maker_panics_are_cut_off_and_not_ended() {
    let web = Web::new().get("/", |_, reply| {
        let first = std::iter::once(b"first".to_vec());
        reply.pieces("text/x", first.chain(std::iter::once_with(|| panic!("on purpose"))))
    });
    let (said, is_closed) = ask(web, request("/").as_bytes());
    // A client must be able to tell that the body is incomplete.
    assert!(said.ends_with(b"5\r\nfirst\r\n"), "{}", said.escape_ascii());
    assert!(answer("GET", &said).is_none() && is_closed);
}

#[test]
fn an_endless_answer_does_not_hold_up_other_clients() {
    let mut web = Web::new()
        .get("/", |_, reply| reply.pieces("text/x", std::iter::repeat(vec![b'x'; 1000])))
        .get("/next", |_, reply| reply.text("next"));
    let mut network = Network::new(Limits::default());
    let endless = connect(&mut network, &mut web);
    let other = connect(&mut network, &mut web);
    network.send(endless, request("/").as_bytes());
    network.turn();
    network.send(other, request("/next").as_bytes());
    for _ in 0..3 {
        network.turn();
        assert!(!network.received(endless).is_empty());
    }
    assert_eq!(answers(&["GET"], &network.received(other))[0].text(), "next");
    network.reset(endless);
    network.settle();
    assert_eq!(network.connections(), 1);
}

/// A connection whose answer has no length must not end like a complete one.
#[test]
fn an_answer_of_untold_length_that_is_cut_ends_by_a_reset() {
    let web = || {
        Web::new().get("/", |_, reply| {
            let first = std::iter::once(b"first".to_vec());
            reply.pieces("text/x", first.chain(std::iter::once_with(|| panic!("on purpose"))))
        })
    };
    // Without its last chunk an answer in chunks is incomplete in any case.
    for (version, is_reset) in [("1.0", true), ("1.1", false)] {
        for mut network in
            [Network::new(Limits::default()), Network::with_workers(Limits::default())]
        {
            let client = connect(&mut network, &mut web());
            let request = format!("GET / HTTP/{version}\r\nHost: h\r\n\r\n");
            network.send(client, request.as_bytes());
            network.settle();
            assert!(network.is_closed(client), "{version}");
            assert_eq!(network.is_reset(client), is_reset, "{version}");
        }
    }
}

/// The answer to a panic is an answer like any other.
#[test]
fn the_answer_to_a_panic_may_be_in_pieces() {
    let web = || {
        Web::new().get("/", |_, _| panic!("on purpose")).on_failure(|_, failure| {
            let pieces = [b"sor".to_vec(), Vec::new(), b"ry".to_vec()];
            Response::new(failure.status()).pieces("text/x", pieces)
        })
    };
    for version in ["1.0", "1.1"] {
        for mut network in
            [Network::new(Limits::default()), Network::with_workers(Limits::default())]
        {
            let client = connect(&mut network, &mut web());
            let request = format!("GET / HTTP/{version}\r\nHost: h\r\n\r\n");
            network.send(client, request.as_bytes());
            network.advance(Duration::from_secs(1));
            let answer = answers(&["GET"], &network.received(client)).remove(0);
            assert_eq!((answer.status, answer.text()), (500, "sorry"), "{version}");
            assert!(answer.says_close() && network.is_closed(client), "{version}");
            assert!(!network.is_reset(client), "{version}");
        }
    }
}

/// The same when a stop cuts it, though no output is unsent.
#[test]
fn an_answer_of_untold_length_is_cut_by_a_stop_in_every_mode() {
    for mode in modes() {
        let web = Web::new().get("/", move |_, reply| {
            let first = std::iter::once(b"first".to_vec());
            reply.pieces("text/x", first.chain(std::iter::repeat_with(Vec::new)))
        });
        let limits = Limits::default().drain(Duration::from_millis(200));
        let server = Server::new().mode(mode).limits(limits);
        let server = Running::start(server.listen("127.0.0.1:0", web).unwrap());
        let mut client = server.client();
        client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut said = Vec::new();
        while !said.ends_with(b"first") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            said.extend(byte);
        }
        server.handle.stop();
        assert_eq!(end_of(client), End::Cut, "{mode:?}");
    }
}

#[test]
fn an_empty_piece_is_asked_again_after_a_pause() {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&made);
    let mut web = Web::new()
        .get("/", move |_, reply| {
            let counter = Arc::clone(&counter);
            let next = move || match counter.fetch_add(1, Ordering::Relaxed) {
                10 => b"ten".to_vec(),
                _ => Vec::new(),
            };
            reply.pieces("text/x", std::iter::repeat_with(next).take(21))
        })
        .get("/next", |_, reply| reply.text("next"));
    let mut network = Network::new(Limits::default());
    let client = connect(&mut network, &mut web);
    let other = connect(&mut network, &mut web);
    network.send(client, request("/").as_bytes());
    network.send(other, request("/next").as_bytes());
    network.settle();
    assert_eq!(answers(&["GET"], &network.received(other))[0].text(), "next");
    assert_eq!(made.load(Ordering::Relaxed), 1);
    let mut said = network.received(client);
    for count in 1..=9 {
        assert_eq!(made.load(Ordering::Relaxed), count);
        network.advance(Duration::from_millis(10));
    }
    network.advance(Duration::from_millis(10));
    said.extend(network.received(client));
    assert!(said.ends_with(b"\r\n\r\n3\r\nten\r\n"), "{}", said.escape_ascii());
    for _ in 0..11 {
        network.advance(Duration::from_millis(10));
    }
    said.extend(network.received(client));
    assert_eq!(answers(&["GET"], &said)[0].text(), "ten");
    // The connection continues.
    network.send(client, request("/next").as_bytes());
    network.settle();
    assert_eq!(answers(&["GET"], &network.received(client))[0].text(), "next");
}

#[test]
fn many_small_pieces_do_not_hold_the_loop() {
    let (mut web, made) = pieces(5000, 1);
    let mut network = Network::new(Limits::default());
    let client = connect(&mut network, &mut web);
    network.send(client, request("/").as_bytes());
    network.turn();
    let at_once = made.load(Ordering::Relaxed);
    assert!((1..=256).contains(&at_once), "{at_once} calls in one turn");
    network.advance(Duration::from_secs(1));
    assert_eq!(answers(&["GET"], &network.received(client))[0].body.len(), 5000);
}

/// Notes that the source of an answer was dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(1, Ordering::Relaxed);
    }
}

#[test]
fn a_source_is_dropped_soon_after_its_client_has_gone() {
    for piece in [&b""[..], b"x"] {
        let (calls, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counter, drops) = (Arc::clone(&calls), Arc::clone(&dropped));
        let mut web = Web::new().get("/", move |_, reply| {
            let (counter, drops) = (Arc::clone(&counter), Dropped(Arc::clone(&drops)));
            reply.pieces(
                "text/x",
                std::iter::repeat_with(move || {
                    let _ = &drops;
                    counter.fetch_add(1, Ordering::Relaxed);
                    piece.to_vec()
                }),
            )
        });
        let mut network = Network::new(Limits::default());
        let client = connect(&mut network, &mut web);
        network.send(client, request("/").as_bytes());
        network.turn();
        // Unread input, so that the connection waits for its handler after the failure.
        network.send(client, request("/").as_bytes());
        network.close(client);
        for _ in 0..20 {
            network.turn();
        }
        let before = calls.load(Ordering::Relaxed);
        network.advance(Duration::from_secs(10));
        let case = piece.escape_ascii();
        if !piece.is_empty() {
            assert_eq!((dropped.load(Ordering::Relaxed), network.connections()), (1, 0), "{case}");
            assert!(calls.load(Ordering::Relaxed) <= before + 256, "{case}");
        }
        network.reset(client);
        network.settle();
        assert_eq!((dropped.load(Ordering::Relaxed), network.connections()), (1, 0), "{case}");
    }
}
