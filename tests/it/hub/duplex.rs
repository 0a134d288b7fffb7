//! A proxy with traffic in both directions and small buffers: neither direction blocks the other.
//! `tests/faults/duplex.py` does the same with more proxies.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use crate::modes::all::ONE_OF_EACH;
use crate::support::real::{Example, wait_no_longer_than_patience};

/// The size of the socket buffers of the upstream server.
const BUFFER: usize = 16 * 1024;
/// Several times the capacity of all buffers on the way.
const BYTES: usize = 5_000_000;
const CLIENTS: usize = 5;
/// A client with no byte on either side for this long is stuck.
const STUCK: Duration = Duration::from_secs(30);

/// Sends the input back and ends the output after it, on TCP and Unix sockets alike.
fn echo_until_the_end(mut from: impl Read, mut to: impl Write) {
    let mut buffer = [0; 64 * 1024];
    // Does not read until the answer is written.
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..n]).is_err() {
            return;
        }
    }
}

/// Starts an echo server with small buffers, which ends with the test.
fn tcp_upstream() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming().map(Result::unwrap) {
            SockRef::from(&stream).set_recv_buffer_size(BUFFER).unwrap();
            SockRef::from(&stream).set_send_buffer_size(BUFFER).unwrap();
            thread::spawn(move || {
                echo_until_the_end(&stream, &stream);
                let _ = stream.shutdown(Shutdown::Write);
            });
        }
    });
    address
}

fn unix_upstream(path: PathBuf) -> String {
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map(Result::unwrap) {
            SockRef::from(&stream).set_send_buffer_size(BUFFER).unwrap();
            thread::spawn(move || {
                echo_until_the_end(&stream, &stream);
                let _ = stream.shutdown(Shutdown::Write);
            });
        }
    });
    format!("unix:{}", path.display())
}

fn byte_at(at: usize) -> u8 {
    (at.wrapping_mul(0x9e37_79b1) >> 13) as u8
}

/// Sends in one thread and reads in another. Returns the fault, if there is one.
fn talk(stream: TcpStream) -> Result<(), String> {
    stream.set_read_timeout(Some(STUCK)).unwrap();
    stream.set_write_timeout(Some(STUCK)).unwrap();
    let mut sending = stream.try_clone().unwrap();
    let sender = thread::spawn(move || {
        let all: Vec<u8> = (0..BYTES).map(byte_at).collect();
        sending.write_all(&all).map_err(|error| error.to_string())?;
        sending.shutdown(Shutdown::Write).map_err(|error| format!("all sent, then {error}"))
    });
    let received = hear_all(stream);
    let sent = sender.join().unwrap();
    match (&received, &sent) {
        (Ok(()), Ok(())) => Ok(()),
        _ => Err(format!("of {BYTES} bytes: received {received:?}, sent {sent:?}")),
    }
}

fn hear_all(mut stream: TcpStream) -> Result<(), String> {
    let mut buffer = vec![0; 64 * 1024];
    let mut received = 0;
    loop {
        match stream.read(&mut buffer) {
            Ok(0) if received == BYTES => return Ok(()),
            Ok(0) => return Err(format!("{received}, then the end")),
            Ok(n) => {
                let is_right = (received..).zip(&buffer[..n]).all(|(at, b)| byte_at(at) == *b);
                received += n;
                if !is_right {
                    return Err(format!("a wrong byte before {received}"));
                }
            }
            Err(error) => return Err(format!("{received}, then {error}")),
        }
    }
}

fn nobody_is_stuck(to: &str, mode: &[&str]) {
    let proxy = Example::start("tcp_proxy", &[&["--to", to, "--log", "off"], mode].concat());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let client = proxy.client();
            wait_no_longer_than_patience(&client);
            thread::spawn(move || talk(client))
        })
        .collect();
    let ends: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    let stuck: Vec<_> = ends.iter().filter_map(|end| end.as_ref().err()).collect();
    assert!(stuck.is_empty(), "{mode:?} to {to}: {} of {CLIENTS}: {stuck:#?}", stuck.len());
}

#[test]
fn both_sides_of_a_proxy_may_talk_at_once_over_tcp_in_every_mode() {
    let to = tcp_upstream();
    ONE_OF_EACH.iter().for_each(|mode| nobody_is_stuck(&to, mode));
}

#[test]
fn both_sides_of_a_proxy_may_talk_at_once_over_unix_sockets_in_every_mode() {
    let folder = tempfile::tempdir().unwrap();
    let to = unix_upstream(folder.path().join("echo"));
    ONE_OF_EACH.iter().for_each(|mode| nobody_is_stuck(&to, mode));
}
