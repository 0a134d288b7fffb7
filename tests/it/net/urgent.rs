//! Urgent data (tcp(7), RFC 6093): a read stops at its mark, so a short read is not always the end.

use std::io::{Read, Write};
use std::net::TcpStream;

use socket2::SockRef;

use crate::modes::all::MODES;
use crate::support::process::Halted;
use crate::support::real::{Example, get, read_answer};

const TIMES: usize = 20;

fn send_urgent(stream: &TcpStream, bytes: &[u8]) {
    assert_eq!(SockRef::from(stream).send_out_of_band(bytes).unwrap(), bytes.len());
}

/// Clients whose bytes arrive while the loop is busy: `before` with an urgent byte at its end, and
/// `after`. Every other one has been greeted before, so it has certainly been accepted.
fn clients(
    example: &Example,
    greet: fn(&mut TcpStream),
    before: &[u8],
    after: &[u8],
) -> Vec<TcpStream> {
    let mut clients: Vec<TcpStream> = (0..TIMES).map(|_| example.client()).collect();
    clients.iter_mut().step_by(2).for_each(greet);
    let _halted = Halted::all_of(example.child.id());
    for mut client in &clients {
        send_urgent(client, before);
        client.write_all(after).unwrap();
    }
    clients
}

fn greet_echo(client: &mut TcpStream) {
    client.write_all(b"hello").unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
}

fn greet_web(client: &mut TcpStream) {
    assert_eq!(get(client, "/plaintext").status, 200);
}

#[test]
fn bytes_after_an_urgent_byte_are_sent_back_in_every_mode() {
    for mode in MODES {
        let example = Example::start("echo", &[mode, &["--log", "off"]].concat());
        for (n, mut client) in clients(&example, greet_echo, b"abC", b"de").iter().enumerate() {
            let mut back = [0; 4];
            let come = read_some(&mut client, &mut back);
            assert_eq!(back[..come].escape_ascii().to_string(), "abde", "{mode:?}, the {n}th");
        }
    }
}

/// Reads until the buffer is full or no more comes. Returns the number of bytes.
fn read_some(stream: &mut impl Read, buffer: &mut [u8]) -> usize {
    let mut come = 0;
    while come < buffer.len() {
        match stream.read(&mut buffer[come..]) {
            Ok(n @ 1..) => come += n,
            _ => break,
        }
    }
    come
}

#[test]
fn a_request_that_follows_an_urgent_byte_is_answered_in_every_mode() {
    const REQUEST: &[u8] = b"GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n";
    for mode in MODES {
        let example = Example::start("reactor_web", &[mode, &["--log", "off"]].concat());
        for mut client in clients(&example, greet_web, &[REQUEST, b"!"].concat(), REQUEST) {
            for _ in 0..2 {
                assert_eq!(read_answer(&mut client, "GET").body, b"Hello, World!", "{mode:?}");
            }
        }
    }
}

#[test]
fn urgent_bytes_that_come_again_and_again_change_nothing() {
    let example = Example::start("echo", &["--log", "off"]);
    let mut client = example.client();
    for n in 0..200 {
        let (before, after) = (format!("{n}-"), format!("+{n}"));
        send_urgent(&client, format!("{before}!").as_bytes());
        client.write_all(after.as_bytes()).unwrap();
        let mut back = vec![0; before.len() + after.len()];
        let come = read_some(&mut client, &mut back);
        assert_eq!(String::from_utf8_lossy(&back[..come]), before + &after);
    }
}

#[test]
fn the_end_that_follows_an_urgent_byte_is_noticed() {
    for mode in MODES {
        let example = Example::start("echo", &[mode, &["--log", "off"]].concat());
        let clients = clients(&example, greet_echo, b"abC", b"de");
        for mut client in clients {
            client.shutdown(std::net::Shutdown::Write).unwrap();
            let mut back = [0; 5];
            let come = read_some(&mut client, &mut back);
            assert_eq!(&back[..come], b"abde", "{mode:?}");
        }
    }
}
