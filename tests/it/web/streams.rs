//! Answers that are written from anywhere while they are sent.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use socketserver::services::web::{BodyWriter, Method, Web, WriteError};
use socketserver::testkit::{Client, Network, WebClient};
use socketserver::{Limits, Server};

use crate::hub::cuts::{End, end_of, modes};
use crate::support::http::{answer, answers, connect};
use crate::support::real::{PATIENCE, Running, get, read_answer, soon};
use crate::support::waiting::until;

fn request(method: &str, version: &str) -> String {
    format!("{method} /stream HTTP/{version}\r\nHost: h\r\n\r\n")
}

/// A site whose `/stream` hands its writer to the test.
fn streams() -> (Web, Receiver<BodyWriter>) {
    let (sender, writers) = channel();
    let web = Web::new()
        .get("/stream", move |_, reply| {
            let (writer, answered) = reply.header("x-y", "z").stream("text/x");
            sender.send(writer)?;
            answered
        })
        .get("/next", |_, reply| reply.text("next"));
    (web, writers)
}

/// A client in memory that has asked for a stream, and its writer.
fn streaming(network: &mut Network, version: &str) -> (Client, BodyWriter) {
    let (mut web, writers) = streams();
    let client = connect(network, &mut web);
    network.send(client, request("GET", version).as_bytes());
    network.settle();
    (client, writers.try_recv().unwrap())
}

#[test]
fn pieces_arrive_as_they_are_written_and_the_connection_goes_on() {
    for mut network in [
        Network::new(Limits::default()),
        Network::with_workers(Limits::default()),
        Network::with_reactors(Limits::default(), 2),
    ] {
        let (client, writer) = streaming(&mut network, "1.1");
        let head = String::from_utf8(network.received(client)).unwrap();
        assert!(head.contains("\r\nx-y: z\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        for _ in 0..3 {
            writer.write("a").unwrap();
            writer.write("").unwrap();
            writer.write("bc").unwrap();
            network.settle();
            assert_eq!(network.received(client), b"3\r\nabc\r\n");
        }
        assert!(writer.finish());
        network.settle();
        assert_eq!(network.received(client), b"0\r\n\r\n");
        network.send(client, b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
        network.settle();
        assert_eq!(answers(&["GET"], &network.received(client))[0].text(), "next");
    }
}

#[test]
fn a_body_can_be_written_before_the_route_returns() {
    let web = Web::new().get("/", |_, reply| {
        let (writer, answered) = reply.stream("text/x");
        writer.write("all of it")?;
        writer.finish();
        answered
    });
    assert_eq!(WebClient::new(web).get("/").text(), "all of it");
}

#[test]
fn an_old_client_gets_the_body_without_chunks() {
    let mut network = Network::new(Limits::default());
    let (client, writer) = streaming(&mut network, "1.0");
    writer.write("abc").unwrap();
    network.settle();
    assert!(network.received(client).ends_with(b"\r\n\r\nabc"));
    assert!(!network.is_closed(client));
    writer.write("def").unwrap();
    assert!(writer.finish());
    network.settle();
    assert_eq!(network.received(client), b"def");
    assert!(network.is_closed(client) && !network.is_reset(client));
}

#[test]
fn an_answer_without_a_body_has_no_writer() {
    let (web, writers) = streams();
    let mut client = WebClient::new(web);
    let answer = client.request(Method::HEAD, "/stream").send();
    assert_eq!((answer.status(), answer.header("content-type")), (200, Some("text/x")));
    let writer = writers.try_recv().unwrap();
    assert!(writer.is_gone());
    assert_eq!(writer.write("a"), Err(WriteError::Gone));
    assert_eq!(writer.wait(PATIENCE), Err(WriteError::Gone));
    assert!(!writer.finish());
}

#[test]
fn a_dropped_writer_leaves_an_incomplete_body() {
    for (version, is_reset) in [("1.0", true), ("1.1", false)] {
        for mut network in
            [Network::new(Limits::default()), Network::with_workers(Limits::default())]
        {
            let (client, writer) = streaming(&mut network, version);
            writer.write("abc").unwrap();
            drop(writer);
            network.settle();
            let said = network.received(client);
            assert!(said.ends_with(if is_reset { b"abc" } else { b"3\r\nabc\r\n" }), "{version}");
            assert!(network.is_closed(client), "{version}");
            assert_eq!(network.is_reset(client), is_reset, "{version}");
        }
    }
}

#[test]
fn both_ends_of_a_client_end_the_body() {
    let ends: [fn(&mut Network, Client); 3] = [Network::close, Network::reset, Network::shut];
    for end in ends {
        let mut network = Network::new(Limits::default());
        let (client, writer) = streaming(&mut network, "1.1");
        assert!(!writer.is_gone());
        end(&mut network, client);
        network.settle();
        assert!(writer.is_gone());
        assert_eq!(network.connections(), 0);
    }
}

#[test]
fn a_slow_reader_fills_the_queue_and_makes_room_again() {
    let limits = Limits::default().output_low(10_000).output_high(20_000);
    let mut network = Network::new(limits);
    let (client, writer) = streaming(&mut network, "1.1");
    network.window(client, 5_000);
    let mut written = 0;
    let (called, calls) = channel();
    let mut said = Vec::new();
    for round in 0..10 {
        while writer.write([b'x'; 1000]).is_ok() {
            written += 1000;
            network.settle();
            let most = BodyWriter::LIMIT + 200_000;
            assert!(written <= said.len() + most, "no bound: {written}");
        }
        assert_eq!(writer.write("y"), Err(WriteError::Full));
        assert_eq!(writer.wait(Duration::ZERO), Err(WriteError::Full));
        let called = called.clone();
        writer.on_room(move || called.send(round).unwrap());
        assert!(calls.try_recv().is_err());
        until("there is room", || {
            said.extend(network.received(client));
            network.settle();
            calls.try_recv()
        });
        assert_eq!(writer.wait(Duration::ZERO), Ok(()));
    }
    assert!(writer.finish());
    until("the body is complete", || {
        said.extend(network.received(client));
        network.settle();
        answer("GET", &said).ok_or(said.len())
    });
    assert_eq!(answers(&["GET"], &said)[0].body.len(), written);
}

#[test]
fn a_callback_is_called_at_once_with_room_and_when_the_client_has_gone() {
    let mut network = Network::new(Limits::default());
    let (client, writer) = streaming(&mut network, "1.1");
    network.window(client, 1);
    let (sender, calls) = channel();
    let first = sender.clone();
    writer.on_room(move || first.send("room").unwrap());
    assert_eq!(calls.try_recv(), Ok("room"));
    writer.on_room(|| panic!("on purpose"));
    while writer.write(vec![0; 100_000]).is_ok() {
        network.settle();
    }
    let replaced = sender.clone();
    writer.on_room(move || replaced.send("replaced").unwrap());
    writer.on_room(move || sender.send("gone").unwrap());
    network.reset(client);
    network.settle();
    assert_eq!(calls.try_recv(), Ok("gone"));
    assert!(calls.try_recv().is_err());
}

#[test]
fn a_request_that_waits_is_answered_after_the_stream() {
    let mut network = Network::new(Limits::default());
    let (client, writer) = streaming(&mut network, "1.1");
    network.send(client, b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
    network.settle();
    writer.write("abc").unwrap();
    writer.finish();
    network.settle();
    let answers = answers(&["GET"; 2], &network.received(client));
    assert_eq!((answers[0].text(), answers[1].text()), ("abc", "next"));
}

#[test]
fn a_silent_stream_is_not_idle() {
    let mut network = Network::new(Limits::default());
    let (client, writer) = streaming(&mut network, "1.1");
    network.advance(Duration::from_secs(1000));
    assert!(writer.finish());
    network.settle();
    assert!(!network.is_closed(client));
}

#[test]
fn a_stream_is_told_of_a_stop_and_can_finish() {
    for mut network in [Network::new(Limits::default()), Network::with_workers(Limits::default())] {
        let (client, writer) = streaming(&mut network, "1.1");
        assert!(!writer.is_stopping());
        network.stop();
        network.settle();
        assert!(writer.is_stopping());
        writer.write("the end").unwrap();
        assert!(writer.finish());
        network.settle();
        assert_eq!(answers(&["GET"], &network.received(client))[0].text(), "the end");
        assert!(network.is_closed(client));
    }
}

#[test]
fn the_record_of_a_stream_is_made_at_its_end() {
    let (web, writers) = streams();
    let (sender, records) = channel();
    let web = web.on_answer(move |record| {
        let _ = sender.send((record.path().to_owned(), record.bytes()));
    });
    let mut client = WebClient::new(web);
    let exchange = client.request(Method::GET, "/stream").start();
    let writer = writers.try_recv().unwrap();
    writer.write("12345").unwrap();
    assert!(client.answer(exchange).is_none() && records.try_recv().is_err());
    writer.finish();
    assert!(client.answer(exchange).is_some());
    assert_eq!(records.try_recv(), Ok(("/stream".to_owned(), 5)));
    let exchange = client.request(Method::GET, "/stream").start();
    writers.try_recv().unwrap().write("123").unwrap();
    client.abandon(exchange);
    assert!(records.try_recv().is_ok() && records.try_recv().is_err());
}

#[test]
fn threads_stream_to_real_clients_in_every_mode() {
    const LINES: usize = 20_000;
    for mode in modes() {
        let web = Web::new().get("/", |_, reply| {
            let (writer, answered) = reply.stream("text/x");
            thread::spawn(move || -> Result<(), WriteError> {
                for n in 0..LINES {
                    writer.wait(PATIENCE)?;
                    writer.write(format!("line {n:06}\n"))?;
                }
                writer.finish();
                Ok(())
            });
            answered
        });
        let server = Running::start(Server::new().mode(mode).listen("127.0.0.1:0", web).unwrap());
        let mut client = server.client();
        client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        let mut said = Vec::new();
        let mut buffer = vec![0; 10_000];
        let answer = loop {
            let n = client.read(&mut buffer).unwrap();
            assert_ne!(n, 0, "{mode:?}");
            said.extend_from_slice(&buffer[..n]);
            if said.ends_with(b"\r\n0\r\n\r\n") {
                break answers(&["GET"], &said).remove(0);
            }
        };
        let expected: String = (0..LINES).map(|n| format!("line {n:06}\n")).collect();
        assert!(answer.text() == expected, "{mode:?}");
    }
}

#[test]
fn the_end_of_a_real_client_is_noticed_while_nothing_is_written() {
    for mode in modes() {
        let (web, writers) = streams();
        let server = Running::start(Server::new().mode(mode).listen("127.0.0.1:0", web).unwrap());
        for how in [Shutdown::Write, Shutdown::Both] {
            let mut client = server.client();
            client.write_all(request("GET", "1.1").as_bytes()).unwrap();
            let writer = soon(&writers);
            let mut head = [0; 20];
            client.read_exact(&mut head).unwrap();
            client.shutdown(how).unwrap();
            until("the writer knows", || writer.is_gone().then_some(()).ok_or(mode));
        }
    }
}

#[test]
fn a_stream_that_does_not_finish_is_cut_at_the_end_of_the_drain() {
    for mode in modes() {
        let (web, writers) = streams();
        let limits = Limits::default().drain(Duration::from_millis(200));
        let server = Server::new().mode(mode).limits(limits).listen("127.0.0.1:0", web);
        let server = Running::start(server.unwrap());
        let mut client = server.client();
        client.write_all(request("GET", "1.0").as_bytes()).unwrap();
        let writer = soon(&writers);
        writer.write("first").unwrap();
        let mut said = Vec::new();
        while !said.ends_with(b"first") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            said.extend(byte);
        }
        server.handle.stop();
        until("the writer is told", || writer.is_stopping().then_some(()).ok_or(mode));
        assert_eq!(end_of(client), End::Cut, "{mode:?}");
        until("the writer knows", || writer.is_gone().then_some(()).ok_or(mode));
    }
}

/// The pieces of one request must not reach the next one of the same connection.
#[test]
fn a_late_wake_up_does_no_harm() {
    let (web, writers) = streams();
    let server = Running::start(Server::new().listen("127.0.0.1:0", web).unwrap());
    let mut client = server.client();
    for n in 0..200 {
        client.write_all(request("GET", "1.1").as_bytes()).unwrap();
        let writer = soon(&writers);
        writer.write(n.to_string()).unwrap();
        writer.finish();
        assert_eq!(read_answer(&mut client, "GET").text(), n.to_string());
        assert_eq!(get(&mut client, "/next").text(), "next");
    }
}
