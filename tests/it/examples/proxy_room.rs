//! The `tcp_proxy` example at its limits: each client needs two places, its own and that of the
//! upstream connection. It waits in the listen queue until both are free, and none is dropped.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use socket2::SockRef;

use crate::hub::queues_words::silent;
use crate::support::real::{Example, PATIENCE, accept, example_path, read_to_end, run_example};
use crate::support::waiting::Stopwatch;

const NAME: &str = "tcp_proxy";

/// An upstream server that sends everything back. Returns its address.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut reader = stream.try_clone().unwrap();
                // The test may have ended.
                let _ = std::io::copy(&mut reader, &mut stream);
                let _ = stream.shutdown(std::net::Shutdown::Write);
            });
        }
    });
    address
}

/// Each client sends something, and stays until it has the echo.
fn each_is_served(mut clients: Vec<TcpStream>, what: &str) {
    for (n, client) in clients.iter_mut().enumerate() {
        write!(client, "{n:04}").unwrap();
    }
    for (n, mut client) in clients.into_iter().enumerate() {
        let mut heard = [0; 4];
        let result = client.read_exact(&mut heard);
        assert!(result.is_ok(), "{what}, client {n}: {result:?}");
        assert_eq!(heard, *format!("{n:04}").as_bytes(), "{what}");
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&mut client), b"", "{what}, client {n}");
    }
}

#[test]
fn clients_are_served_in_turn_at_the_limit() {
    let to = echo();
    for mode in ["multiplex", "threads", "processes", "reactors"] {
        for limit in ["64", "5", "2"] {
            let options = ["--mode", mode, "--workers", "2", "--max-connections", limit];
            let proxy = Example::start(NAME, &[&["--to", &to][..], &options].concat());
            let clients = (0..64).map(|_| proxy.client()).collect();
            each_is_served(clients, &format!("{mode}, {limit} connections"));
        }
    }
}

/// The proxy with this many descriptors.
fn limited(descriptors: usize, to: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("ulimit -n {descriptors}; exec \"$0\" \"$@\""));
    command.arg(example_path(NAME));
    command.args(["--bind", "127.0.0.1:0", "--to", to, "--log", "debug"]);
    command
}

#[test]
#[cfg(target_os = "linux")]
fn none_is_dropped_for_lack_of_descriptors() {
    let to = echo();
    let mut command = limited(64, &to);
    command.args(["--connect-timeout", "0.2"]);
    let proxy = Example::spawn(command, 1);
    let clients: Vec<TcpStream> = (0..40).map(|_| proxy.client()).collect();
    // For longer than an attempt to connect may last.
    let mut last = &clients[39];
    last.set_read_timeout(Some(Duration::from_millis(600))).unwrap();
    let waits = last.read(&mut [0]).expect_err("it waits for its turn");
    assert_eq!(waits.kind(), ErrorKind::WouldBlock);
    last.set_read_timeout(Some(PATIENCE)).unwrap();
    each_is_served(clients, "with 64 descriptors");
}

#[test]
fn a_client_whose_upstream_refuses_gives_its_places_back() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let proxy = Example::start(NAME, &["--to", &closed, "--max-connections", "2"]);
    for _ in 0..10 {
        assert_eq!(read_to_end(&mut proxy.client()), b"");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_proxy_without_room_for_one_client_does_not_start() {
    let output = run_example(NAME, &["--to", "127.0.0.1:1", "--max-connections", "1"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("--max-connections must be at least 2"), "{said}");
    assert_eq!((said.lines().count(), output.stdout.len()), (1, 0), "{said}");

    // It starts with as many descriptors as it needs, whatever that number is.
    for descriptors in 6..32 {
        let mut command = limited(descriptors, "127.0.0.1:1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        child.kill().unwrap();
        let said = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
        if !line.is_empty() {
            return;
        }
        assert_eq!(said.lines().count(), 1, "{descriptors}: {said}");
    }
    panic!("it does not start");
}

/// There is room for one client. Each of those that go would keep it for two seconds.
#[test]
fn a_client_that_goes_before_the_upstream_is_reached_gives_its_places_back() {
    let (_socket, to, _held) = silent();
    let more = ["--max-connections", "2", "--connect-timeout", "2", "--log", "debug"];
    let proxy = Example::start(NAME, &[&["--to", &to.to_string()], &more[..]].concat());
    let begun = Stopwatch::start();
    for n in 0..8 {
        let client = proxy.client();
        if n % 2 == 0 {
            SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }
    assert_eq!(read_to_end(&mut proxy.client()), b"");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// A client that has ended its side without a byte still reads.
#[test]
fn a_client_that_only_listens_gets_the_greeting() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap().to_string();
    let proxy = Example::start(NAME, &["--to", &to]);
    for _ in 0..50 {
        let mut client = proxy.client();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut upstream = accept(&listener);
        assert_eq!(read_to_end(&mut upstream), b"");
        upstream.write_all(b"220 ready").unwrap();
        drop(upstream);
        assert_eq!(read_to_end(&mut client), b"220 ready");
    }
}
