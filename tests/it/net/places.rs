//! A peer with a limit of one connection that reconnects as soon as the last one has ended is
//! accepted: its place is free before it can see the end.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use socketserver::{BlockingHandler, Close, Context, Handler, Limits, Mode, Server, Stream};

use crate::net::per_peer::client_from;
use crate::support::queue::{End, Stage};
use crate::support::real::{Running, read_to_end};

/// Greets, and closes at any input.
struct OneWord;

impl Handler for OneWord {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.write(b"!");
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        cx.close(Close::Done);
        Ok(input.len())
    }
}

impl BlockingHandler for OneWord {
    fn handle(&mut self, stream: &mut Stream) -> std::io::Result<()> {
        stream.write_all(b"!")?;
        stream.flush()?;
        stream.read_exact(&mut [0])
    }
}

fn limits() -> Limits {
    Limits::default().connections_per_peer(Some(1))
}

/// Connects again and again; `leave` is the client's action after it has seen the end.
fn comes_again(server: &Running, times: usize, leave: fn(&TcpStream), what: &str) {
    let mut left = Vec::new();
    for n in 0..times {
        let mut client = server.client();
        let mut greeting = [0];
        let greeted = client.read(&mut greeting);
        assert!(matches!(greeted, Ok(1)), "{what}: the {n}th was not let in: {greeted:?}");
        client.write_all(b"x").unwrap();
        assert_eq!(read_to_end(&mut client), b"", "{what}");
        leave(&client);
        left.push(client);
        left.drain(..left.len().saturating_sub(50));
    }
    assert_eq!(server.handle.metrics().refused_by_limit, 0, "{what}");
}

#[test]
fn a_peer_that_reconnects_after_the_end_is_accepted() {
    for mode in [Mode::Multiplex, Mode::Threads(2)] {
        let server = Server::new().listen("127.0.0.1:0", |_| OneWord).unwrap();
        let server = Running::start(server.limits(limits()).mode(mode));
        // The server has closed, or waits for the client to do so.
        let leave = |client: &TcpStream| drop(client.shutdown(Shutdown::Both));
        comes_again(&server, 300, leave, &format!("{mode:?}"));
    }
}

/// The connection ends in another reactor, and its place belongs to the whole server.
#[test]
fn a_peer_that_reconnects_is_accepted_by_several_reactors() {
    let server = Server::new().listen("127.0.0.1:0", |_| OneWord).unwrap();
    let server = Running::start(server.limits(limits()).mode(Mode::Reactors(3)));
    comes_again(&server, 2_000, |client| drop(client.shutdown(Shutdown::Both)), "reactors");
}

/// Many times, because the critical interval is a matter of microseconds.
#[test]
fn a_peer_that_reconnects_to_a_blocking_handler_is_accepted() {
    let server = Server::new().listen_blocking("127.0.0.1:0", |_| OneWord).unwrap();
    let server = Running::start(server.limits(limits()).mode(Mode::Threads(2)));
    comes_again(&server, 3_000, |_| {}, "blocking");
}

/// The new connection is accepted in one turn, and the end of the previous one is read only in the
/// next turn: there are more events than one turn handles.
#[test]
fn a_peer_that_reconnects_early_is_accepted_once_the_end_is_seen() {
    const MANY: usize = 300;
    let stage = Stage::new(Mode::Multiplex, limits(), End::Drain, false);
    let enter = |from: [u8; 4]| {
        let mut client = client_from(from, &stage.server);
        client.read_exact(&mut [0]).expect("a greeting");
        client
    };
    let mut holder = enter([127, 0, 2, 1]);
    let mut crowd: Vec<TcpStream> =
        (0..MANY).map(|n| enter([127, 1, (n / 200) as u8, (n % 200) as u8 + 1])).collect();
    let old = enter([127, 0, 0, 9]);
    holder.write_all(b"b").unwrap();
    stage.keeper.is_held_up();
    // In the order of the events: another client connects, the many, and the end.
    let _early = client_from([127, 0, 3, 1], &stage.server);
    for client in &mut crowd {
        client.write_all(b"x").unwrap();
    }
    old.shutdown(Shutdown::Both).unwrap();
    let mut again = client_from([127, 0, 0, 9], &stage.server);
    stage.keeper.let_go();
    let greeted = again.read(&mut [0]);
    assert!(matches!(greeted, Ok(1)), "it was not let in: {greeted:?}");
    assert_eq!(stage.server.handle.metrics().refused_by_limit, 0);
}
