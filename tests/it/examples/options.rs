//! The options of the server examples, and the texts of their errors.

use std::fs::OpenOptions;
use std::process::{Command, Stdio};

use crate::support::output::output_of;
use crate::support::real::{Example, example_path, run_example};

const CLIENTS: [&str; 4] = ["chat_client", "session_client", "ws_client", "ping"];
const PROGRAMS_TO_COPY: [&str; 6] = ["api", "beacon", "frames", "kv", "middleware", "rooms"];
const SERVERS: [&str; 7] =
    ["reactor_web", "reactor_chat", "reactor_session", "tcp_proxy", "echo", "sse", "ws_echo"];

#[test]
fn an_option_error_names_the_option_and_its_valid_values() {
    for (name, arguments, expected) in [
        ("reactor_web", &["--log", "verbose"][..], &["--log", "verbose", "debug"][..]),
        ("chat_client", &["--wait", "x"], &["--wait", "'x'", "seconds"]),
        ("chat_client", &["--once"], &["--once", "a text"]),
        ("chat_client", &["rdm:x"], &["ADDR", "'rdm:x'", "HOST:8080"]),
        ("chat_client", &["a:1", "b:2"], &["'b:2'", "one ADDR"]),
        ("session_client", &["localhost"], &["ADDR", "localhost:8080"]),
        ("session_client", &["--connect-timeout"], &["--connect-timeout", "seconds"]),
        ("ws_client", &["localhost:9001"], &["ADDR", "ws://"]),
        ("ws_client", &["wss://localhost"], &["TLS", "ws://"]),
        ("ping", &["--count", "0", "::1"], &["--count", "'0'", "1 to 65535"]),
        ("ping", &["--count"], &["--count", "1 to 65535"]),
        ("ping", &["--interval", "-1", "::1"], &["--interval", "'-1'", "seconds"]),
        ("ping", &["a", "b"], &["'b'", "one HOST"]),
        ("ping", &[], &["HOST", "127.0.0.1"]),
        ("echo", &["127.0.0.1:1"], &["'127.0.0.1:1'", "options"]),
        ("echo", &["--idle-timeout", "-5"], &["--idle-timeout", "-5", "seconds"]),
        ("echo", &["--drain-timeout"], &["--drain-timeout", "seconds"]),
        ("echo", &["--max-connections", "0"], &["--max-connections", "'0'", "1 to"]),
        ("echo", &["--max-connections-per-peer", "0"], &["--max-connections-per-peer", "1 to"]),
        ("echo", &["--bind", "localhost"], &["--bind", "localhost", "port"]),
        ("echo", &["--bind"], &["--bind", "unix:/path"]),
        ("echo", &["--mode", "magic"], &["--mode", "magic", "reactors"]),
        ("echo", &["--mode"], &["--mode", "reactors"]),
        ("echo", &["--workers", "x"], &["--workers", "'x'", "0 to 1024"]),
        ("echo", &["--workers", "2"], &["--workers", "--mode", "threads"]),
        ("reactor_web", &["--head-timeout", "x"], &["--head-timeout", "'x'", "seconds"]),
        ("reactor_web", &["--drain-delay", "-1"], &["--drain-delay", "-1", "seconds"]),
        ("reactor_web", &["--request-log", "xml"], &["--request-log", "xml", "common", "json"]),
        ("reactor_web", &["--trust-proxy", "x"], &["--trust-proxy", "10.0.0.0/8"]),
        (
            "reactor_web",
            &["--trust-proxy", "10.0.0.1/8"],
            &["--trust-proxy", "prefix", "10.0.0.0/8"],
        ),
        ("reactor_chat", &["--slow-consumer", "x"], &["--slow-consumer", "drop-newest"]),
        ("tcp_proxy", &["--to", "x"], &["--to", "'x'", "HOST:PORT"]),
        ("tcp_proxy", &["--connect-timeout", "x"], &["--connect-timeout", "'x'", "seconds"]),
    ] {
        let output = run_example(name, arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name} {arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        for part in expected {
            assert!(said.contains(part), "{name} {arguments:?}: no {part} in {said}");
        }
    }
}

#[test]
fn a_hint_lists_only_the_forms_of_its_place() {
    for name in ["reactor_web", "reactor_chat", "tcp_proxy", "chat_client", "session_client"] {
        for address in ["rdm:x", "x y", "udp:127.0.0.1:1", "unixgram:/x"] {
            let is_server = !name.ends_with("client");
            let arguments = if is_server { &["--bind", address][..] } else { &[address] };
            let output = run_example(name, arguments);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{name} {arguments:?}: {said}");
            let (_, hint) = said.split_once(": write ").expect(&said);
            assert!(
                hint.starts_with("HOST:8080, 127.0.0.1:8080, [::1]:8080, unix:/path"),
                "{said}"
            );
            for other in ["rdm", "udp", "unixgram"] {
                assert!(!hint.contains(other), "{name} {arguments:?}: {said}");
            }
        }
    }
}

#[test]
fn workers_in_the_mode_without_any_are_mentioned() {
    let mut example = Example::start("echo", &["--mode", "multiplex", "--workers", "2"]);
    example.until_logged("--workers has no effect with --mode multiplex");
}

#[test]
fn every_program_tells_its_version() {
    let with_help = SERVERS.into_iter().chain(CLIENTS);
    for name in with_help.clone().chain(PROGRAMS_TO_COPY) {
        let output = run_example(name, &["--version"]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said, format!("{name} {}\n", env!("CARGO_PKG_VERSION")));
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    }
    for name in with_help {
        let help = String::from_utf8(run_example(name, &["--help"]).stdout).unwrap();
        assert!(help.contains("--version"), "{help}");
    }
}

#[test]
fn a_help_that_cannot_be_written_is_an_error() {
    for name in SERVERS.into_iter().chain(CLIENTS) {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(example_path(name));
        command.arg("--help").stdin(Stdio::null()).stdout(full).stderr(Stdio::piped());
        let output = output_of(command.spawn().unwrap());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
