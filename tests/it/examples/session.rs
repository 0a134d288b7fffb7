//! The `reactor_session` example as users run it, with the calls of the tutorial's clients.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::services::session::{GREETING, OTHER, ZERO};
use crate::support::real::{Example, read_to_end, run_example};

const NAME: &str = "reactor_session";

/// The service in the loop, and with blocking handlers.
const FORMS: [&[&str]; 2] = [&[], &["--blocking", "--workers", "50"]];

/// Runs `check` with both, with these additional arguments.
fn in_both_forms(arguments: &[&str], check: impl Fn(Example)) {
    for form in FORMS {
        check(Example::start(NAME, &[form, arguments].concat()));
    }
}

/// Python's `recv(1024)`: the bytes of one read.
fn recv(client: &mut TcpStream) -> String {
    let mut buffer = [0; 1024];
    let len = loop {
        match client.read(&mut buffer) {
            // A signal of another test, which any thread may get.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => break result.unwrap(),
        }
    };
    String::from_utf8(buffer[..len].to_vec()).unwrap()
}

/// The client of the tutorial: it receives, then sends a command, and again; after `exit` it
/// closes. Each answer comes in a separate read.
fn tutorial(mut client: TcpStream, line_end: &str) {
    assert_eq!(recv(&mut client), GREETING);
    for (command, answer) in [("0", ZERO), ("你好", OTHER), ("0", ZERO), ("quit", OTHER)] {
        client.write_all(format!("{command}{line_end}").as_bytes()).unwrap();
        assert_eq!(recv(&mut client), answer, "{command}{line_end:?}");
    }
    client.write_all(format!("exit{line_end}").as_bytes()).unwrap();
    assert_eq!(recv(&mut client), "");
}

#[test]
fn the_client_of_the_tutorial_is_served_whatever_its_line_end() {
    in_both_forms(&["--log", "off"], |example| {
        for line_end in ["", "\n", "\r\n", ""] {
            tutorial(example.client(), line_end);
        }
    });
}

#[test]
fn a_client_of_lines_may_exit_without_a_line_end() {
    in_both_forms(&["--log", "off"], |example| {
        let mut client = example.client();
        assert_eq!(recv(&mut client), GREETING);
        client.write_all(b"0\n").unwrap();
        assert_eq!(recv(&mut client), ZERO);
        client.write_all(b"exit").unwrap();
        assert_eq!(recv(&mut client), "");
    });
}

#[test]
fn a_pipe_gets_all_its_answers_and_the_end() {
    in_both_forms(&["--log", "off"], |example| {
        for (sent, shut) in [("0\nhello\n0\nexit\nignored\n", false), ("0\nhello\n0", true)] {
            let mut client = example.client();
            client.write_all(sent.as_bytes()).unwrap();
            if shut {
                client.shutdown(Shutdown::Write).unwrap();
            }
            let said = String::from_utf8(read_to_end(&mut client)).unwrap();
            assert_eq!(said, [GREETING, ZERO, OTHER, ZERO].concat());
        }
    });
}

#[test]
fn fifty_sessions_run_side_by_side() {
    in_both_forms(&["--log", "off"], |example| {
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
    });
}

#[test]
fn fifty_clients_of_the_tutorial_share_four_workers() {
    let example = Example::start(NAME, &["--log", "off", "--blocking", "--workers", "4"]);
    std::thread::scope(|scope| {
        for line_end in ["", "\n", "\r\n", ""].into_iter().cycle().take(50) {
            let client = example.client();
            scope.spawn(move || tutorial(client, line_end));
        }
    });
}

#[test]
fn a_client_that_closes_without_exit_leaves_nothing_behind() {
    in_both_forms(&["--log", "debug"], |example| {
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
    });
}

#[test]
fn a_signal_ends_open_sessions_and_exits_0() {
    in_both_forms(&[], |example| {
        let mut client = example.client();
        assert_eq!(recv(&mut client), GREETING);
        client.write_all(b"0").unwrap();
        assert_eq!(recv(&mut client), ZERO);
        example.signal("TERM");
        assert_eq!(recv(&mut client), "");
        drop(client);
        assert_eq!(example.join().0, Some(0));
    });
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
        "--max-connections-per-peer",
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
fn unsupported_options_get_one_clear_line_and_exit_2() {
    for arguments in [
        &["--mode", "fork"][..],
        &["--blocking", "--mode", "multiplex"],
        &["--blocking", "--mode", "reactors"],
        &["--mode", "threads", "--blocking", "--workers", "0"],
        &["--blocking=yes"],
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
