//! The `reactor_session` example as people run it, with the calls that clients of the tutorial
//! make.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use super::real_kit::{Example, read_to_end, run_example};
use super::session::{GREETING, OTHER, ZERO};

const NAME: &str = "reactor_session";

/// Python's `recv(1024)`: what one read gives.
fn recv(client: &mut TcpStream) -> String {
    let mut buffer = [0; 1024];
    let len = client.read(&mut buffer).unwrap();
    String::from_utf8(buffer[..len].to_vec()).unwrap()
}

/// The client of the tutorial: it receives, then sends a command, and once more; after `exit` it
/// leaves. The answers come back by themselves, each in one read.
fn tutorial(client: &mut TcpStream, line_end: &str) {
    assert_eq!(recv(client), GREETING);
    for (command, answer) in [("0", ZERO), ("你好", OTHER), ("0", ZERO), ("quit", OTHER)] {
        client.write_all(format!("{command}{line_end}").as_bytes()).unwrap();
        assert_eq!(recv(client), answer, "{command}{line_end:?}");
    }
    client.write_all(format!("exit{line_end}").as_bytes()).unwrap();
    assert_eq!(recv(client), "");
}

#[test]
fn the_client_of_the_tutorial_is_served_whatever_its_line_end() {
    let example = Example::start(NAME, &["--log", "off"]);
    for line_end in ["", "\n", "\r\n", ""] {
        tutorial(&mut example.client(), line_end);
    }
}

#[test]
fn who_sent_lines_may_still_leave_without_one() {
    let example = Example::start(NAME, &["--log", "off"]);
    let mut client = example.client();
    assert_eq!(recv(&mut client), GREETING);
    client.write_all(b"0\n").unwrap();
    assert_eq!(recv(&mut client), ZERO);
    client.write_all(b"exit").unwrap();
    assert_eq!(recv(&mut client), "");
}

#[test]
fn a_pipe_gets_all_its_answers_and_the_end() {
    let example = Example::start(NAME, &["--log", "off"]);
    for (sent, shut) in [("0\nhello\n0\nexit\nignored\n", false), ("0\nhello\n0", true)] {
        let mut client = example.client();
        client.write_all(sent.as_bytes()).unwrap();
        if shut {
            client.shutdown(Shutdown::Write).unwrap();
        }
        let said = String::from_utf8(read_to_end(&mut client)).unwrap();
        assert_eq!(said, [GREETING, ZERO, OTHER, ZERO].concat());
    }
}

#[test]
fn fifty_sessions_run_side_by_side() {
    let example = Example::start(NAME, &["--log", "off"]);
    let mut clients: Vec<_> = (0..50).map(|_| example.client()).collect();
    for client in &mut clients {
        assert_eq!(recv(client), GREETING);
    }
    for (command, answer) in [("0", ZERO), ("1", OTHER), ("exit", "")] {
        for client in &mut clients {
            client.write_all(command.as_bytes()).unwrap();
        }
        for client in &mut clients {
            assert_eq!(recv(client), answer);
        }
    }
}

#[test]
fn who_leaves_without_exit_leaves_nothing_behind() {
    let example = Example::start(NAME, &["--log", "debug"]);
    for sent in ["", "0", "hel", "0\nhel"] {
        let mut client = example.client();
        assert_eq!(recv(&mut client), GREETING);
        client.write_all(sent.as_bytes()).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        read_to_end(&mut client);
    }
    example.signal("TERM");
    let (code, log) = example.join();
    assert_eq!(code, Some(0));
    assert_eq!(log.matches("end of input").count(), 4, "{log}");
}

#[test]
fn a_signal_ends_open_sessions_and_exits_0() {
    let example = Example::start(NAME, &[]);
    let mut client = example.client();
    assert_eq!(recv(&mut client), GREETING);
    client.write_all(b"0").unwrap();
    assert_eq!(recv(&mut client), ZERO);
    example.signal("TERM");
    assert_eq!(recv(&mut client), "");
    drop(client);
    assert_eq!(example.join().0, Some(0));
}

#[test]
fn help_tells_what_it_serves_and_every_option() {
    let output = run_example(NAME, &["--help"]);
    let help = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()));
    for known in [
        GREETING,
        ZERO,
        OTHER,
        "exit",
        "--bind",
        "--mode",
        "--workers",
        "--blocking",
        "--max-connections",
        "--idle-timeout",
        "--drain-timeout",
        "--log",
        "--help",
        "127.0.0.1:8009",
        "nc ",
    ] {
        assert!(help.contains(known), "{known}");
    }
}

#[test]
fn what_it_cannot_do_gets_one_clear_line_and_exit_2() {
    for arguments in [
        &["--blocking"][..],
        &["--mode", "reactors"],
        &["--blocking"],
        &["--head-timeout", "1"],
        &["--faults"],
        &["--bind", "8009"],
        &["exit"],
    ] {
        let output = run_example(NAME, arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
        assert_eq!(output.stdout, b"", "{arguments:?}");
    }
}
