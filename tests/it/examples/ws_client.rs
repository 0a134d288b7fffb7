//! The `ws_client` example as users run it, with the `ws_echo` example and with another
//! implementation as its server.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::thread::spawn;

use tungstenite::Message;
use tungstenite::protocol::CloseFrame;

use crate::support::output::output_of;
use crate::support::process::signal;
use crate::support::real::{Example, accept, example_path};

/// Starts the client with this URL and input.
fn start(url: &str, input: &str) -> Child {
    let mut command = Command::new(example_path("ws_client"));
    command.arg(url).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(input.as_bytes()).unwrap();
    child
}

/// Runs the client to the end of its input.
fn run(url: &str, input: &str) -> Output {
    let mut child = start(url, input);
    drop(child.stdin.take());
    output_of(child)
}

fn texts(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn lines_come_back_from_the_echo() {
    let example = Example::start("ws_echo", &[]);
    let long = "long ".repeat(10_000);
    let input = format!("hello\n\n{long}\r\n水 without an end");
    let output = run(&format!("ws://{}/", example.addresses[0]), &input);
    let expected = format!("hello\n\n{long}\n水 without an end\n");
    assert_eq!(texts(&output), (Some(0), expected, String::new()));
}

#[test]
fn a_refusal_and_a_dead_address_are_told_in_one_line() {
    let example = Example::start("ws_echo", &[]);
    let address = &example.addresses[0];
    let (code, _, said) = texts(&run(&format!("ws://{address}/other"), ""));
    let expected = format!("cannot connect to {address}: the server answers 404 instead of 101");
    assert!(code == Some(1) && said.starts_with(&expected), "{said}");

    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, _, said) = texts(&run(&format!("ws://{free}/"), ""));
    let expected = format!("cannot connect to {free}: ");
    assert!(code == Some(1) && said.starts_with(&expected), "{said}");
    assert_eq!(said.lines().count(), 1);
}

#[test]
fn the_code_of_the_server_decides_about_success() {
    for (code, expected) in [(1000, Some(0)), (1012, Some(1)), (4000, Some(1))] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/chat?a=b", listener.local_addr().unwrap());
        let server = spawn(move || {
            let mut server = tungstenite::accept(accept(&listener)).unwrap();
            server.send(Message::binary(&b"a\x1b\xff"[..])).unwrap();
            server.close(Some(CloseFrame { code: code.into(), reason: "so".into() })).unwrap();
            while server.read().is_ok() {}
        });
        // The input stays open.
        let output = output_of(start(&url, ""));
        server.join().unwrap();
        assert_eq!(output.status.code(), expected);
        assert_eq!(output.stdout, b"a\x1b\xff\n");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.contains(&format!("closed with code {code} so")), code != 1000, "{said}");
    }
}

#[test]
fn a_signal_closes_with_1001() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut child = start(&format!("ws://{}/", listener.local_addr().unwrap()), "hello\n");
    let mut server = tungstenite::accept(accept(&listener)).unwrap();
    assert_eq!(server.read().unwrap(), Message::text("hello"));
    signal(child.id(), "TERM");
    let Message::Close(Some(close)) = server.read().unwrap() else { panic!("no close frame") };
    assert_eq!(u16::from(close.code), 1001);
    while server.read().is_ok() {}
    drop(server);
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said), (Some(0), String::new()));
}
