//! Servers at a limit of their connections: an idle one gives way to a new one, in every mode, and
//! a busy one never does.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use socketserver::{Close, Limits, Mode, Server};

use crate::support::process::supervise;
use crate::support::real::{Echo, Example, Running, example_path, get, read_to_end};
use crate::support::waiting::until;

const NAME: &str = "reactor_web";
const FULL: &[&str] = &["--max-connections", "20"];

/// Starts a server with room for 20 connections, all on one worker process.
fn servers() -> Vec<Example> {
    let modes: [&[&str]; 3] = [
        &["--mode", "multiplex"],
        &["--mode", "threads"],
        &["--mode", "reactors", "--workers", "3"],
    ];
    let mut servers: Vec<Example> =
        modes.iter().map(|mode| Example::start(NAME, &[mode, FULL].concat())).collect();
    servers.push(supervise(&example_path(NAME), 1, None, FULL));
    servers
}

fn is_open(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let open = (&*stream).read(&mut [0]).is_err();
    stream.set_nonblocking(false).unwrap();
    open
}

#[test]
fn an_idle_connection_gives_way_to_each_new_one_in_every_mode() {
    for server in servers() {
        let mut busy: Vec<TcpStream> = (0..10).map(|_| server.client()).collect();
        for client in &mut busy {
            client.write_all(b"GET /slow?ms=60000 HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        }
        let mut kept: Vec<TcpStream> = (0..10).map(|_| server.client()).collect();
        kept.iter_mut().for_each(|client| assert_eq!(get(client, "/plaintext").status, 200));
        // Four at once, which are all in the queue before the first one is served.
        let mut late: Vec<TcpStream> = (0..4).map(|_| server.client()).collect();
        late.iter_mut().for_each(|client| assert_eq!(get(client, "/plaintext").status, 200));
        until("as many have given way", || match kept.iter().filter(|it| is_open(it)).count() {
            6 => Ok(()),
            other => Err(other),
        });
        assert!(busy.iter().all(is_open));
        assert!(late.iter().all(is_open));
    }
}

/// The server does not know how many more descriptors it has until it gets no more.
#[test]
fn without_descriptors_an_idle_connection_gives_way_to_each_new_one() {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 60; exec \"$0\" --bind 127.0.0.1:0"]).arg(example_path(NAME));
    let mut server = Example::spawn(command, 1);
    let mut clients: Vec<TcpStream> = (0..70).map(|_| server.client()).collect();
    server.until_logged("cannot accept more");
    for client in &mut clients[..20] {
        assert_eq!(get(client, "/plaintext").status, 200);
    }
    for client in &mut clients[60..] {
        assert_eq!(get(client, "/plaintext").status, 200);
    }
}

/// The event of the last connection that found room may have reported another one, too.
#[test]
fn none_gives_way_to_a_connection_that_does_not_exist() {
    let server = Server::new().listen("127.0.0.1:0", socketserver::services::web::Web::new());
    let limits = Limits::default().connections(3);
    let server = Running::start(server.unwrap().limits(limits).mode(Mode::Multiplex));
    let mut clients: Vec<TcpStream> = (0..3).map(|_| server.client()).collect();
    clients.iter_mut().for_each(|client| assert_eq!(get(client, "/").status, 404));
    // Two newcomers, one after the other: each costs one place, and not one more.
    for count in 1..=2 {
        clients.push(server.client());
        assert_eq!(get(clients.last_mut().unwrap(), "/").status, 404);
        assert_eq!(server.handle.metrics().closed(&Close::Crowded), count);
        assert_eq!(read_to_end(&mut clients.remove(0)), b"");
    }
}

/// Handlers keep their connections unless they say otherwise.
#[test]
fn an_idle_connection_of_another_handler_is_kept() {
    let server = Server::new().listen("127.0.0.1:0", |_| Echo).unwrap();
    let server = Running::start(server.limits(Limits::default().connections(2)));
    let echo = |client: &mut TcpStream| {
        client.write_all(b"x").unwrap();
        client.read_exact(&mut [0]).unwrap();
    };
    let (mut one, mut two) = (server.client(), server.client());
    echo(&mut one);
    echo(&mut two);
    let mut three = server.client();
    three.write_all(b"x").unwrap();
    until("both were asked", || match server.handle.metrics().calls {
        calls @ 0..6 => Err(calls),
        _ => Ok(()),
    });
    echo(&mut one);
    echo(&mut two);
    drop(one);
    three.read_exact(&mut [0]).unwrap();
}
