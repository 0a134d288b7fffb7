//! Calls that hold the loop: which of them are logged, with which connection, and how often. With a
//! limit of zero every call is slow, so no test has to be.

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use socketserver::services::web::Web;
use socketserver::{Close, Context, DatagramContext, Handler, Limits, Mode, Server};

use crate::support::log::listen;
use crate::support::real::{Echo, PATIENCE, Running};

/// An echo server for which a call longer than `slow_call` is slow.
fn start(mode: Mode, slow_call: Option<Duration>) -> Running {
    let limits = Limits::default().slow_call(slow_call);
    let server = Server::new().listen("127.0.0.1:0", |_| Echo).unwrap();
    Running::start(server.mode(mode).limits(limits))
}

/// Waits for a record that contains all of `texts`.
fn until(log: &Receiver<String>, texts: &[&str]) -> String {
    let mut logged = Vec::new();
    loop {
        let line = log.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            panic!("no record with {texts:?}; there were {logged:#?}");
        });
        if texts.iter().all(|text| line.contains(text)) {
            return line;
        }
        logged.push(line);
    }
}

#[test]
fn a_slow_call_is_logged_with_its_connection_and_counted() {
    let log = listen();
    let server = start(Mode::Multiplex, Some(Duration::ZERO));
    let mut client = server.client();
    let peer = client.local_addr().unwrap().to_string();
    client.write_all(b"hello").unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
    let line = until(&log, &["WARN ", &peer, ": the service held the loop for "]);
    assert!(line.ends_with(" ms"), "{line}");
    // After the first slow call, each call is timed separately.
    until(&log, &["WARN 0.1 ", &peer, ": on_open held the loop for "]);
    let metrics = server.handle.metrics();
    assert!(metrics.slow_calls > metrics.calls, "that of the service, too: {metrics:?}");
    assert_eq!(metrics.slow_jobs, 0);
    assert!(metrics.longest_call > Duration::ZERO);
}

#[test]
fn the_record_of_a_web_request_names_its_route() {
    let log = listen();
    let named = ": on_data for GET /report held the loop for ";
    // If another call is slow by chance, it takes the place of the route in the log.
    let is_named = (0..10).any(|_| {
        let web = Web::new().get("/report", |_, reply| {
            let (_silent, never) = std::sync::mpsc::channel::<()>();
            let _ = never.recv_timeout(Duration::from_millis(60));
            reply.text("done")
        });
        let limits = Limits::default().slow_call(Some(Duration::from_millis(40)));
        let server = Server::new().listen("127.0.0.1:0", web).unwrap().limits(limits);
        let server = Running::start(server);
        let mut client = server.client();
        for _ in 0..2 {
            client.write_all(b"GET /report?day=1 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            let mut answer = [0; 4096];
            let len = client.read(&mut answer).unwrap();
            assert!(answer[..len].ends_with(b"done"));
        }
        let peer = client.local_addr().unwrap().to_string();
        drop(server);
        log.try_iter().any(|line| line.contains(&peer) && line.contains(named))
    });
    assert!(is_named);
}

#[test]
fn the_record_names_the_connection() {
    let log = listen();
    let slow = |_: &[u8], cx: &mut DatagramContext<'_>| cx.reply(b"!");
    let limits = Limits::default().slow_call(Some(Duration::ZERO));
    let server = Server::new().listen_datagrams("udp:127.0.0.1:0", slow).unwrap().limits(limits);
    let server = Running::start(server);
    let socketserver::Address::Udp(address) = server.addresses[0] else { panic!() };
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(b"?", address).unwrap();
    client.recv(&mut [0]).unwrap();
    let peer = client.local_addr().unwrap().to_string();
    until(&log, &["WARN ", &peer, ": on_datagram held the loop for "]);

    // A connection that was made, not accepted: it is alone in its turn.
    let there = start(Mode::Multiplex, None);
    let client = Server::new().connect(there.addresses[0].clone(), Leaves);
    let limits = Limits::default().slow_call(Some(Duration::ZERO));
    client.limits(limits).run().unwrap();
    let peer = there.addresses[0].to_string();
    until(&log, &["WARN 0.1 ", &peer, ": held the loop for "]);
}

/// Closes at once.
struct Leaves;

impl Handler for Leaves {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.close(Close::Done);
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }
}

/// Makes `count` exchanges on one connection; returns its address.
fn echoes(server: &Running, count: usize) -> String {
    let mut client = server.client();
    for _ in 0..count {
        client.write_all(b"hello").unwrap();
        client.read_exact(&mut [0; 5]).unwrap();
    }
    client.local_addr().unwrap().to_string()
}

#[test]
fn a_handler_that_is_slow_with_every_call_does_not_fill_the_log() {
    let log = listen();
    let server = start(Mode::Multiplex, Some(Duration::ZERO));
    let peer = echoes(&server, 500);
    assert!(server.handle.metrics().slow_calls >= 500);
    drop(server);
    let told = log.try_iter().filter(|line| line.contains(&peer) && line.contains("held"));
    // One in ten seconds.
    assert!((1..50).contains(&told.count()));
}

#[test]
fn a_slow_call_on_a_worker_is_counted_and_not_logged() {
    let log = listen();
    let server = start(Mode::Threads(2), Some(Duration::ZERO));
    let peer = echoes(&server, 3);
    let handle = server.handle.clone();
    drop(server);
    let metrics = handle.metrics();
    // The last calls may still be on a worker.
    assert!(metrics.slow_jobs >= 3 && metrics.slow_jobs <= metrics.calls, "{metrics:?}");
    let told: Vec<_> = log.try_iter().filter(|line| line.contains(&peer)).collect();
    assert!(told.iter().all(|line| !line.contains(": on_")), "{told:?}");
}

#[test]
fn nothing_is_timed_unless_asked_for_and_nothing_is_slow_within_the_limit() {
    for (slow_call, is_timed) in [(None, false), (Some(PATIENCE), true)] {
        let server = start(Mode::Multiplex, slow_call);
        echoes(&server, 3);
        let metrics = server.handle.metrics();
        assert_eq!(metrics.slow_calls, 0);
        assert_eq!(metrics.longest_call > Duration::ZERO, is_timed);
    }
}
