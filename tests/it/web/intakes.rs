//! Bodies that are consumed as they arrive.

use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use socketserver::protocol::http::HttpLimits;
use socketserver::services::web::{
    Answered, Failure, Flow, Intake, Method, Reply, Response, Resume, Web,
};
use socketserver::testkit::{Client, Network, WebClient};
use socketserver::{Limits, Server};

use crate::hub::cuts::modes;
use crate::support::http::{answers, ask, connect};
use crate::support::real::{Running, read_answer};

/// The pieces of a body, and its end.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Opened(String),
    Piece(Vec<u8>),
    Ended,
    Dropped,
}

/// Tells the test of its calls. The first byte of a piece selects the result.
struct Teller {
    events: Sender<Event>,
    is_ended: bool,
}

impl Intake for Teller {
    fn piece(&mut self, bytes: &[u8]) -> Result<Flow, Failure> {
        let _ = self.events.send(Event::Piece(bytes.to_vec()));
        match bytes[0] {
            b'F' => Err(Failure::new(409, "no")),
            b'P' => Ok(Flow::Pause),
            b'!' => panic!("on purpose"),
            _ => Ok(Flow::Continue),
        }
    }

    fn end(mut self, reply: Reply<'_>) -> Answered {
        self.is_ended = true;
        let _ = self.events.send(Event::Ended);
        reply.text("taken")
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        if !self.is_ended {
            let _ = self.events.send(Event::Dropped);
        }
    }
}

type Pauses = Arc<Mutex<Option<Resume>>>;

fn site() -> (Web, Receiver<Event>, Pauses) {
    let (events, told) = channel();
    let pauses = Pauses::default();
    let kept = Arc::clone(&pauses);
    let web = Web::new()
        .upload(Method::PUT, "/up/{name}", move |request, resume| {
            if request.param("name").unwrap_or("") == "none" {
                return Err(Failure::new(403, "not this one"));
            }
            *kept.lock().unwrap() = Some(resume);
            let _ = events.send(Event::Opened(request.param("name").unwrap_or("?").to_owned()));
            Ok(Teller { events: events.clone(), is_ended: false })
        })
        .get("/next", |_, reply| reply.text("next"))
        .body_limit("/up/{name}", 1_000_000);
    (web, told, pauses)
}

fn head(length: usize) -> Vec<u8> {
    format!("PUT /up/a HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n").into_bytes()
}

const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n";

fn resume(pauses: &Pauses) {
    pauses.lock().unwrap().as_ref().unwrap().resume();
}

fn started(network: &mut Network, web: &mut Web, length: usize) -> Client {
    let client = connect(network, web);
    network.send(client, &head(length));
    network.settle();
    client
}

#[test]
fn pieces_are_taken_as_they_arrive() {
    for mut network in [
        Network::new(Limits::default()),
        Network::with_workers(Limits::default()),
        Network::with_reactors(Limits::default(), 2),
    ] {
        let (mut web, told, _) = site();
        let client = started(&mut network, &mut web, 9);
        assert_eq!(told.try_recv(), Ok(Event::Opened("a".to_owned())));
        for piece in [b"abc", b"def", b"ghi"] {
            network.send(client, piece);
            network.settle();
            assert_eq!(told.try_recv(), Ok(Event::Piece(piece.to_vec())));
        }
        assert_eq!(told.try_recv(), Ok(Event::Ended));
        network.send(client, NEXT);
        network.settle();
        let answers = answers(&["PUT", "GET"], &network.received(client));
        assert_eq!((answers[0].text(), answers[1].text()), ("taken", "next"));
    }
}

#[test]
fn chunks_and_empty_bodies_are_taken() {
    let (web, told, _) = site();
    let body = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let head = "PUT /up/c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (said, _) = ask(web, [head, body].concat().as_bytes());
    assert_eq!(answers(&["PUT"], &said)[0].text(), "taken");
    let expected = [
        Event::Opened("c".to_owned()),
        Event::Piece(b"abc".to_vec()),
        Event::Piece(b"de".to_vec()),
        Event::Ended,
    ];
    assert_eq!(told.try_iter().collect::<Vec<_>>(), expected);
    for length in ["", "Content-Length: 0\r\n"] {
        let (web, told, _) = site();
        let head = format!("PUT /up/e HTTP/1.1\r\nHost: h\r\n{length}\r\n");
        assert_eq!(answers(&["PUT"], &ask(web, head.as_bytes()).0)[0].text(), "taken");
        let expected = [Event::Opened("e".to_owned()), Event::Ended];
        assert_eq!(told.try_iter().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_pause_holds_the_client_until_it_is_resumed() {
    for mut network in [Network::new(Limits::default()), Network::with_workers(Limits::default())] {
        let (mut web, told, pauses) = site();
        let client = started(&mut network, &mut web, 6);
        network.send(client, b"P1");
        network.settle();
        network.send(client, b"P2");
        // The client is not slow meanwhile.
        network.advance(Duration::from_secs(600));
        assert_eq!(told.try_iter().count(), 2);
        resume(&pauses);
        network.settle();
        assert_eq!(told.try_recv(), Ok(Event::Piece(b"P2".to_vec())));
        // The pause was ended twice: the second time counts for the next pause.
        resume(&pauses);
        resume(&pauses);
        network.settle();
        network.send(client, b"P3");
        network.settle();
        assert_eq!(told.try_recv(), Ok(Event::Piece(b"P3".to_vec())));
        assert_eq!(told.try_recv(), Ok(Event::Ended), "no pause after the last piece");
        assert_eq!(answers(&["PUT"], &network.received(client))[0].text(), "taken");
        resume(&pauses);
        network.send(client, NEXT);
        network.settle();
        assert_eq!(answers(&["GET"], &network.received(client))[0].text(), "next");
    }
}

#[test]
fn a_client_that_is_slow_after_a_pause_is_refused() {
    let (mut web, told, pauses) = site();
    let mut network = Network::new(Limits::default());
    let client = started(&mut network, &mut web, 6);
    network.send(client, b"P1");
    network.advance(Duration::from_secs(600));
    resume(&pauses);
    network.advance(Duration::from_secs(600));
    assert_eq!(answers(&["PUT"], &network.received(client))[0].status, 408);
    assert!(network.is_closed(client));
    assert_eq!(told.try_iter().last(), Some(Event::Dropped));
}

#[test]
fn a_failure_or_a_panic_is_the_answer_and_the_rest_is_not_read() {
    for (first, status) in [(b"F", 409), (b"!", 500)] {
        for mut network in
            [Network::new(Limits::default()), Network::with_workers(Limits::default())]
        {
            let (mut web, told, _) = site();
            let client = started(&mut network, &mut web, 100);
            network.send(client, first);
            network.settle();
            network.send(client, NEXT);
            network.settle();
            let said = network.received(client);
            let answers = answers(&["PUT"], &said);
            assert_eq!((answers.len(), answers[0].status), (1, status));
            assert!(answers[0].says_close());
            assert_eq!(told.try_iter().last(), Some(Event::Dropped));
        }
    }
}

#[test]
fn a_route_that_fails_and_a_guard_refuse_before_the_body() {
    let head = "PUT /up/none HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n";
    let (web, told, _) = site();
    assert_eq!(answers(&["PUT"], &ask(web, head.as_bytes()).0)[0].status, 403);
    assert!(told.try_recv().is_err());
    let (web, told, _) = site();
    let web = web.guard(|_| Err(Response::new(401)));
    assert_eq!(answers(&["PUT"], &ask(web, &self::head(10)).0)[0].status, 401);
    assert!(told.try_recv().is_err());
}

#[test]
fn bodies_above_the_limit_are_refused() {
    let (web, told, _) = site();
    assert_eq!(answers(&["PUT"], &ask(web, &head(1_000_001)).0)[0].status, 413);
    assert!(told.try_recv().is_err());
    let (web, told, _) = site();
    let web = web.limits(HttpLimits::default().body(10));
    let chunks = "PUT /up/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    let input = [chunks, "f4240\r\n", &"x".repeat(1_000_000), "\r\n1\r\nx\r\n"].concat();
    assert_eq!(answers(&["PUT"], &ask(web, input.as_bytes()).0)[0].status, 413);
    assert_eq!(told.try_iter().last(), Some(Event::Dropped));
}

#[test]
fn a_client_that_goes_drops_the_consumer() {
    let ends: [fn(&mut Network, Client); 3] = [Network::close, Network::reset, Network::shut];
    for end in ends {
        let (mut web, told, _) = site();
        let mut network = Network::new(Limits::default());
        let client = started(&mut network, &mut web, 100);
        network.send(client, b"abc");
        network.settle();
        end(&mut network, client);
        network.settle();
        assert_eq!(told.try_iter().last(), Some(Event::Dropped));
        assert_eq!(network.connections(), 0);
    }
}

#[test]
fn the_expectation_is_met_and_mappers_are_called_and_the_record_is_made() {
    let (web, _, _) = site();
    let (sender, records) = channel();
    let web = web
        .map_response(|_, response| response.set_header("x-mapped", "yes"))
        .on_answer(move |record| drop(sender.send((record.path().to_owned(), record.bytes()))));
    let input =
        "PUT /up/a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    let (said, _) = ask(web, [input, "abc"].concat().as_bytes());
    assert!(said.starts_with(b"HTTP/1.1 100 Continue\r\n\r\n"));
    let answer = answers(&["PUT"], &said[25..]).remove(0);
    assert_eq!((answer.text(), answer.field("x-mapped")), ("taken", Some("yes")));
    assert_eq!(records.try_recv(), Ok(("/up/a".to_owned(), 5)));
}

#[test]
fn a_nested_route_has_its_own_state() {
    struct Name(String);
    impl Intake for Name {
        fn piece(&mut self, _: &[u8]) -> Result<Flow, Failure> {
            Ok(Flow::Continue)
        }
        fn end(self, reply: Reply<'_>) -> Answered {
            reply.text(self.0)
        }
    }
    let inner = Web::with_state("inner").upload(Method::POST, "/{x}", |request, _| {
        let x: String = request.param("x").parse()?;
        Ok(Name(format!("{} {x}", request.state())))
    });
    let mut client = WebClient::new(Web::with_state("outer").nest("/in", inner));
    assert_eq!(client.post("/in/y", "body").text(), "inner y");
    assert_eq!(client.post("/in/y", "").text(), "inner y");
}

/// A thread that takes the pieces one by one holds the client: the consumer never has two.
#[test]
fn a_slow_thread_takes_a_long_body_in_every_mode() {
    const LENGTH: usize = 3_000_000;
    struct Handing(Sender<Vec<u8>>, Receiver<usize>, Arc<Mutex<usize>>);
    impl Intake for Handing {
        fn piece(&mut self, bytes: &[u8]) -> Result<Flow, Failure> {
            let mut waiting = self.2.lock().unwrap();
            assert_eq!(*waiting, 0, "a piece during a pause");
            *waiting += 1;
            self.0.send(bytes.to_vec())?;
            Ok(Flow::Pause)
        }
        fn end(self, reply: Reply<'_>) -> Answered {
            let Handing(pieces, sum, _) = self;
            drop(pieces);
            reply.offload(move || Ok(Response::new(200).text(sum.recv()?.to_string())))
        }
    }
    for mode in modes() {
        let web =
            Web::new().body_limit("/", LENGTH as u64).upload(Method::PUT, "/", |_, resume| {
                let (sender, pieces) = channel::<Vec<u8>>();
                let (total, sum) = channel();
                let waiting = Arc::new(Mutex::new(0));
                let taken = Arc::clone(&waiting);
                thread::spawn(move || {
                    let mut sum = 0;
                    for piece in pieces {
                        sum += piece.len();
                        *taken.lock().unwrap() -= 1;
                        resume.resume();
                    }
                    let _ = total.send(sum);
                });
                Ok(Handing(sender, sum, waiting))
            });
        let server = Running::start(Server::new().mode(mode).listen("127.0.0.1:0", web).unwrap());
        let mut client = server.client();
        let head = format!("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: {LENGTH}\r\n\r\n");
        client.write_all(head.as_bytes()).unwrap();
        client.write_all(&vec![b'x'; LENGTH]).unwrap();
        assert_eq!(read_answer(&mut client, "PUT").text(), LENGTH.to_string(), "{mode:?}");
    }
}
