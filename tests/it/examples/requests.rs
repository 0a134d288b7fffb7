//! The request log of `reactor_web`, its clients behind proxies, and its answers to load balancers.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{ChildStdout, Command, Stdio};

use socketserver::Address;

use crate::support::output::{Lines, Program, end_of};
use crate::support::real::{Example, connect, example_path, exchange, get, read_to_end, tcp};
use crate::support::waiting::until;

const NAME: &str = "reactor_web";

/// Starts the example, and returns the rest of its standard output.
fn start(arguments: &[&str]) -> (Program, Address, BufReader<ChildStdout>) {
    start_at("127.0.0.1:0", arguments)
}

fn start_at(bind: &str, arguments: &[&str]) -> (Program, Address, BufReader<ChildStdout>) {
    let mut command = Command::new(example_path(NAME));
    command.args(["--bind", bind, "--log", "off"]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = Program::spawn(&mut command);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("listening on ").unwrap().parse().unwrap();
    (child, address, out)
}

fn signal(child: &Program, name: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
}

#[test]
fn each_request_is_a_line_that_no_client_can_forge() {
    for form in ["common", "json"] {
        let (mut child, address, out) = start(&["--request-log", form]);
        let mut client = connect(tcp(&address));
        let port = client.local_addr().unwrap().port();
        assert_eq!(get(&mut client, "/plaintext?secret").text(), "Hello, World!");
        let forged = "/%0A%22,x";
        get(&mut client, forged);
        client.write_all(b"\x1b[31m / HTTP/1.1\r\n\"}\n\r\n").unwrap();
        read_to_end(&mut client);
        signal(&child, "TERM");
        assert_eq!(end_of(&mut child).code(), Some(0));
        let lines: Vec<String> = out.lines().map(Result::unwrap).collect();
        assert_eq!(lines.len(), 3, "{lines:?}");
        match form {
            "common" => {
                let (peer, rest) = lines[0].split_once(" - - [").unwrap();
                assert_eq!(peer, "127.0.0.1");
                let (_, rest) = rest.split_once(" +0000] ").unwrap();
                let (request, micros) = rest.rsplit_once(' ').unwrap();
                assert_eq!(request, "\"GET /plaintext HTTP/1.1\" 200 13");
                assert!(micros.parse::<u64>().is_ok(), "{rest}");
                assert!(lines[2].contains("] \"-\" 400 "), "{}", lines[2]);
            }
            _ => {
                for line in &lines {
                    let line: serde_json::Value = serde_json::from_str(line).unwrap();
                    assert_eq!(line["peer"], format!("127.0.0.1:{port}"));
                    assert!(line["duration_us"].is_u64(), "{line}");
                }
                let first: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
                assert_eq!(first["method"], "GET");
                assert_eq!(first["path"], "/plaintext");
                assert_eq!((&first["status"], &first["bytes"]), (&200.into(), &13.into()));
            }
        }
    }
}

#[test]
fn each_kind_of_peer_method_and_version_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web");
    let unix = format!("unix:{}", path.display());
    for (bind, peer) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1"), (&*unix, "unix")] {
        let (mut child, address, out) = start_at(bind, &["--request-log", "common"]);
        let ask = |request: &str| match &address {
            Address::Unix(_) => exchange(&mut UnixStream::connect(&path).unwrap(), request),
            tcp_address => exchange(&mut connect(tcp(tcp_address)), request),
        };
        let target = format!("/{}", "x".repeat(300));
        for (method, status) in [("GET", 404), ("POST", 404), ("HEAD", 404), ("GE'T", 501)] {
            let request = format!("{method} {target} HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(ask(&request).status, status, "{method}");
        }
        signal(&child, "TERM");
        assert_eq!(end_of(&mut child).code(), Some(0));
        let lines: Vec<String> = out.lines().map(Result::unwrap).collect();
        assert_eq!(lines.len(), 4, "{lines:?}");
        for (line, request) in lines.iter().zip(["GET", "POST", "HEAD", "GE'T"]) {
            assert!(line.starts_with(&format!("{peer} - - [")), "{line}");
            assert!(line.contains(&format!("] \"{request} {target} HTTP/1.0\" ")), "{line}");
            let micros: u64 = line.rsplit(' ').next().unwrap().parse().unwrap();
            assert!(micros < 60_000_000, "{line}");
        }
    }
}

#[test]
fn a_request_log_that_nothing_reads_drops_lines_and_reports_them() {
    let (mut child, address, out) = start(&["--request-log", "json"]);
    let mut client = connect(tcp(&address));
    let target = format!("/{}", "x".repeat(4_000));
    for _ in 0..200 {
        assert_eq!(get(&mut client, &target).status, 404);
    }
    let mut lines = Lines::of(out);
    lines.until("{\"dropped\":");
    signal(&child, "TERM");
    assert_eq!(end_of(&mut child).code(), Some(0));
}

#[test]
fn the_client_of_a_trusted_proxy_is_shown_and_logged() {
    let (mut child, address, out) =
        start(&["--request-log", "common", "--trust-proxy", "127.0.0.0/8"]);
    let mut client = connect(tcp(&address));
    let request =
        "GET /peer HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 203.0.113.9, 192.0.2.7\r\n\r\n";
    assert_eq!(exchange(&mut client, request).text(), "192.0.2.7\n");
    signal(&child, "TERM");
    assert_eq!(end_of(&mut child).code(), Some(0));
    let lines: Vec<String> = out.lines().map(Result::unwrap).collect();
    assert!(lines[0].starts_with("192.0.2.7 - - ["), "{lines:?}");
}

#[test]
fn without_trust_the_fields_of_proxies_have_no_effect() {
    let example = Example::start(NAME, &["--log", "off"]);
    let mut client = example.client();
    let own = format!("{}\n", client.local_addr().unwrap());
    let request = "GET /peer HTTP/1.1\r\nHost: h\r\nForwarded: for=192.0.2.7\r\n\r\n";
    assert_eq!(exchange(&mut client, request).text(), own);
}

#[test]
fn during_the_drain_delay_the_server_serves_and_says_that_it_is_not_ready() {
    for mode in [
        &[][..],
        &["--mode", "threads", "--workers", "2"],
        &["--mode", "reactors", "--workers", "2"],
        &["--mode", "processes", "--workers", "2"],
    ] {
        let arguments = [&["--drain-delay", "1"], mode].concat();
        let example = Example::start(NAME, &arguments);
        let mut old = example.client();
        assert_eq!(get(&mut old, "/readyz").status, 200);
        example.signal("TERM");
        until("it is not ready", || match get(&mut old, "/readyz").status {
            503 => Ok(()),
            status => Err(status),
        });
        let answer = get(&mut old, "/livez");
        assert_eq!((answer.status, answer.says_close()), (200, false), "{mode:?}");
        let mut new = example.client();
        assert_eq!(get(&mut new, "/plaintext").text(), "Hello, World!");
        assert_eq!(read_to_end(&mut old), b"", "the delay ends and the server drains");
        let (code, log) = example.join();
        assert_eq!(code, Some(0), "{mode:?}: {log}");
    }
}
