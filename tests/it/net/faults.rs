//! Faults of the system and of peers, in every mode: descriptors run out, clients vanish, workers
//! are all busy, addresses cannot be bound. `tests/faults/` has the tests that take longer.

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::SockRef;

use crate::modes::all::MODES;
use crate::support::real::{Example, example_path, get, read_answer, run_example};

const NAME: &str = "reactor_web";

fn start(arguments: &[&[&str]]) -> Example {
    Example::start(NAME, &arguments.concat())
}

#[test]
fn a_connection_that_waits_for_a_descriptor_is_served_after_others_in_every_mode() {
    for mode in MODES {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 40; exec \"$0\" \"$@\""]).arg(example_path(NAME));
        command.args(["--bind", "127.0.0.1:0", "--idle-timeout", "0"]).args(mode);
        let mut example = Example::spawn(command, 1);
        let mut clients: Vec<TcpStream> = (0..100).map(|_| example.client()).collect();
        example.until_logged("cannot accept");
        for client in &mut clients {
            client.write_all(b"GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        }
        // Each client closes after its answer, which makes room for another one. They were accepted
        // in the order in which they came, but in any order by processes that share a queue.
        let mut waiting: Vec<JoinHandle<u16>> = Vec::new();
        for mut client in clients {
            waiting.push(thread::spawn(move || read_answer(&mut client, "GET").status));
        }
        for client in waiting {
            assert_eq!(client.join().unwrap(), 200, "{mode:?}");
        }
        assert_eq!(get(&mut example.client(), "/plaintext").status, 200, "{mode:?}");
    }
}

/// The states in which a client may reset.
const MIDDLES: [&str; 4] = [
    "GET /plaintext HTTP/1.1\r\nHos",
    "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\n\r\nhello",
    "GET /slow?ms=60000 HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /slow?ms=60000 HTTP/1.1\r\nHost: h\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n",
];

#[test]
fn a_stop_does_not_wait_for_reset_connections_in_any_mode() {
    for mode in MODES {
        let example = start(&[mode, &["--drain-timeout", "3600"]]);
        for n in 0..200 {
            let mut client = example.client();
            client.write_all(MIDDLES[n % MIDDLES.len()].as_bytes()).unwrap();
            SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        }
        assert_eq!(get(&mut example.client(), "/plaintext").status, 200);
        example.signal("TERM");
        // It ends when the last connection has.
        assert_eq!(example.join().0, Some(0), "{mode:?}");
    }
}

#[test]
fn when_all_workers_are_busy_connections_wait_and_none_is_refused() {
    let mode = &["--mode", "threads", "--workers", "2", "--faults", "--max-connections", "10"];
    let example = start(&[mode]);
    let mut clients: Vec<TcpStream> = (0..50).map(|_| example.client()).collect();
    for client in &mut clients {
        client
            .write_all(b"GET /work?ms=5 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            .unwrap();
    }
    for client in &mut clients {
        assert_eq!(read_answer(client, "GET").text(), "worked\n");
    }
}

#[test]
fn a_socket_that_cannot_be_made_gets_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let folder = folder.path().display();
    for (path, code) in [
        (format!("unix:{folder}/nowhere/socket"), 1),
        (format!("unix:{folder}/file/socket"), 1),
        (format!("unix:{folder}"), 1),
        ("unix:/proc/socket".to_owned(), 1),
        // A limit of every system is a wrong argument.
        (format!("unix:{folder}/{}", "x".repeat(200)), 2),
    ] {
        for mode in [MODES[0], MODES[5]] {
            let output = run_example(NAME, &[&["--bind", &path], mode].concat());
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(code), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
            assert!(said.contains(&format!("cannot listen on {path}")), "{said}");
            assert!(!said.contains("panicked"), "{said}");
            assert_eq!(output.stdout, b"");
        }
    }
    assert!(file.exists());
}
