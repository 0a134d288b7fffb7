//! The `reactor_web` example as users run it: its routes, its options, its signals, and its
//! robustness.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use socket2::SockRef;
use socketserver::Address;

use crate::support::real::{
    Example, command, connect, example_path, exchange, finish_upload, get, read_to_end,
    run_example, tcp, until_refused,
};
use crate::support::waiting::until;

const NAME: &str = "reactor_web";

#[test]
fn every_route_answers() {
    let example = Example::start(NAME, &["--log", "off"]);
    let mut client = example.client();
    let welcome = get(&mut client, "/");
    assert_eq!(welcome.field("content-type"), Some("text/html; charset=utf-8"));
    assert!(welcome.text().contains("<h1>"));
    assert!(welcome.field("content-security-policy").unwrap().starts_with("default-src 'none'"));
    // The policy permits files of this server only, and the page names no others.
    for (at, _) in welcome.text().match_indices("=\"/") {
        let target = welcome.text()[at + 2..].split('"').next().unwrap();
        let answer = get(&mut client, target);
        assert!(answer.status == 200 || target == "/slow", "{target}");
    }
    assert!(!welcome.text().contains("style=") && !welcome.text().contains("<script>"));
    for method in ["POST", "DELETE", "OPTIONS"] {
        let answer = exchange(&mut client, &format!("{method} / HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!((answer.status, &answer.body), (200, &welcome.body));
    }
    let plain = get(&mut client, "/plaintext");
    assert_eq!((plain.field("content-type"), plain.text()), (Some("text/plain"), "Hello, World!"));
    let json = get(&mut client, "/json");
    assert_eq!(json.field("content-type"), Some("application/json"));
    assert_eq!(json.text(), r#"{"message":"Hello, World!"}"#);
    assert_eq!(get(&mut client, "/slow?ms=1").status, 200);
    for target in ["/slow", "/slow?ms=", "/slow?ms=x", "/slow?ms=-1", "/slow?ms=60001"] {
        assert_eq!(get(&mut client, target).status, 400, "{target}");
    }
    for target in ["/nothing", "/work?ms=1", "/panic"] {
        assert_eq!(get(&mut client, target).status, 404, "{target}");
    }
    let post = "POST /plaintext HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_eq!(exchange(&mut client, post).status, 405);
}

#[test]
fn counters_come_as_events_until_the_server_stops() {
    let example = Example::start(NAME, &["--log", "off"]);
    let mut client = example.client();
    client.write_all(b"GET /counters HTTP/1.0\r\nHost: h\r\n\r\n").unwrap();
    let mut lines = BufReader::new(&mut client).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.eq_ignore_ascii_case("content-type: text/event-stream")));
    for accepted in [1, 2] {
        let awaited = format!("data: socketserver_accepted_total {accepted}");
        assert!(lines.any(|line| line == awaited), "{awaited}");
        get(&mut example.client(), "/plaintext");
    }
    example.signal("TERM");
    lines.for_each(drop);
    assert_eq!(example.join().0, Some(0));
}

#[test]
fn echo_gives_the_body_back_whatever_the_method() {
    let example = Example::start(NAME, &["--log", "off"]);
    let mut client = example.client();
    for method in ["POST", "PUT", "GET", "BREW"] {
        let answer = exchange(
            &mut client,
            &format!(
                "{method} /echo HTTP/1.1\r\nHost: h\r\nContent-Type: text/x\r\n\
                 Content-Length: 5\r\n\r\nhello"
            ),
        );
        assert_eq!((answer.field("content-type"), answer.text()), (Some("text/x"), "hello"));
    }
    let chunks = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
                  3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    let answer = exchange(&mut client, chunks);
    assert_eq!(answer.field("content-type"), Some("application/octet-stream"));
    assert_eq!(answer.text(), "hello");
}

#[test]
fn a_slow_answer_holds_up_no_other_client() {
    let example = Example::start(NAME, &["--log", "off"]);
    let mut slow = example.client();
    slow.write_all(b"GET /slow?ms=60000 HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert_eq!(get(&mut example.client(), "/plaintext").status, 200);
}

#[test]
fn faults_are_served_when_asked_for() {
    let mut example = Example::start(NAME, &["--faults"]);
    let mut client = example.client();
    assert_eq!(get(&mut client, "/work?ms=1").text(), "worked\n");
    let answer = get(&mut client, "/panic");
    assert_eq!(answer.status, 500);
    assert!(answer.says_close());
    assert_eq!(read_to_end(&mut client), b"");
    example.until_logged("requested by /panic");
    assert_eq!(get(&mut example.client(), "/plaintext").status, 200);
}

#[test]
fn several_addresses_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.sock");
    let mut command = Command::new(example_path(NAME));
    command.args(["--bind", "127.0.0.1:0", "--bind", "127.0.0.1:0", "--bind"]);
    command.arg(format!("unix:{}", path.display()));
    let example = Example::spawn(command, 3);
    assert_ne!(example.addresses[0], example.addresses[1]);
    assert_eq!(example.addresses[2], Address::Unix(path.clone()));
    for address in &example.addresses[..2] {
        assert_eq!(get(&mut connect(tcp(address)), "/plaintext").status, 200);
    }
    let mut client = UnixStream::connect(&path).unwrap();
    assert_eq!(get(&mut client, "/plaintext").status, 200);
    drop(client);
    example.signal("TERM");
    assert_eq!(example.join().0, Some(0));
    assert!(!path.exists());
}

#[test]
fn help_tells_every_option_and_ends() {
    let output = run_example(NAME, &["--help"]);
    let help = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()));
    for known in [
        "--bind",
        "--mode",
        "--workers",
        "--max-connections",
        "--max-connections-per-peer",
        "--head-timeout",
        "--idle-timeout",
        "--drain-timeout",
        "--drain-delay",
        "--trust-proxy",
        "--request-log",
        "--version",
        "/peer",
        "/livez",
        "/readyz",
        "--faults",
        "--log",
        "--help",
        "/plaintext",
        "/metrics",
        "127.0.0.1:8080",
        "curl",
    ] {
        assert!(help.contains(known), "{known}");
    }
}

#[test]
fn bad_arguments_get_one_clear_line_and_exit_2() {
    for arguments in [
        &["--nonsense"][..],
        &["--ev\nil\u{1b}[31m"],
        &["--workers", "1025"],
        &["nonsense"],
        &["-x"],
        &["--bind"],
        &["--bind", "localhost"],
        &["--bind", "127.0.0.1:99999"],
        &["--bind", "unix:"],
        &["--mode", "magic"],
        &["--workers", "many"],
        &["--max-connections", "0"],
        &["--max-connections", "-1"],
        &["--max-connections-per-peer", "0"],
        &["--idle-timeout", "-1"],
        &["--idle-timeout", "soon"],
        &["--drain-timeout", "nan"],
        &["--head-timeout", "1e300"],
        &["--log", "loud"],
        &["--faults=yes"],
        &["--bind", "127.0.0.1:0\nlistening on nothing"],
    ] {
        let output = run_example(NAME, arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
        assert!(!said.contains("panicked") && !said.contains("backtrace"), "{said}");
        assert!(!said.trim_end().contains(char::is_control), "{said:?}");
        assert_eq!(output.stdout, b"", "{arguments:?}");
    }
}

#[test]
fn an_address_in_use_gets_one_clear_line_and_exit_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run_example(NAME, &["--bind", &address]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains(&address) && said.contains("in use"), "{said}");
    assert_eq!(output.stdout, b"");
}

/// A client in the middle of a request that the server has begun to read.
fn uploading(example: &Example) -> TcpStream {
    let mut client = example.client();
    let head =
        "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(exchange(&mut client, head).status, 100);
    client
}

#[test]
fn the_first_signal_drains_and_exits_0() {
    for signal in ["TERM", "INT"] {
        let example = Example::start(NAME, &[]);
        let mut idle = example.client();
        assert_eq!(get(&mut idle, "/plaintext").status, 200);
        let busy = uploading(&example);
        example.signal(signal);
        assert_eq!(read_to_end(&mut idle), b"");
        until_refused(tcp(&example.addresses[0]));
        finish_upload(busy);
        assert_eq!(example.join().0, Some(0));
    }
}

#[test]
fn a_second_signal_exits_at_once() {
    let mut example = Example::start(NAME, &["--drain-timeout", "3600"]);
    let _busy = uploading(&example);
    example.signal("TERM");
    until_refused(tcp(&example.addresses[0]));
    assert_eq!(example.child.try_wait().unwrap(), None);
    example.signal("INT");
    assert_eq!(example.join().0, Some(0));
}

/// Sends one request on each connection until `is_over`. Returns the number of answers.
fn keep_asking(address: SocketAddr, is_over: &AtomicBool) -> usize {
    let mut count = 0;
    while !is_over.load(Ordering::Relaxed) {
        let mut client = connect(address);
        let request = "GET /plaintext HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        assert_eq!(exchange(&mut client, request).status, 200);
        assert_eq!(read_to_end(&mut client), b"");
        count += 1;
    }
    count
}

#[cfg(target_os = "linux")]
#[test]
fn a_successor_takes_over_the_port_under_load() {
    let mut old = Example::start(NAME, &["--reuse-port"]);
    let address = tcp(&old.addresses[0]);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> =
            (0..4).map(|_| scope.spawn(|| keep_asking(address, &is_over))).collect();
        for _ in 0..3 {
            let mut command = command(&example_path(NAME));
            command.args(["--reuse-port", "--bind", &address.to_string()]);
            let new = Example::spawn(command, 1);
            old.signal("TERM");
            assert_eq!(std::mem::replace(&mut old, new).join().0, Some(0));
            assert_eq!(get(&mut connect(address), "/plaintext").status, 200);
        }
        is_over.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|client| assert!(client.join().unwrap() > 0));
    });
}

#[test]
fn a_request_that_does_not_finish_in_time_is_cut_off() {
    let example = Example::start(NAME, &["--drain-timeout", "0.2"]);
    let _busy = uploading(&example);
    example.signal("TERM");
    let (code, log) = example.join();
    assert_eq!(code, Some(0));
    assert!(log.contains("1 connections did not end in time"), "{log}");
}

#[test]
fn running_out_of_descriptors_is_survived() {
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 60; exec \"$0\" --bind 127.0.0.1:0 --idle-timeout 0"])
        .arg(example_path(NAME));
    let mut example = Example::spawn(command, 1);
    let folder = format!("/proc/{}/fd", example.child.id());
    let descriptors = || std::fs::read_dir(&folder).unwrap().count();
    // All connections have ended when this client has seen the end.
    let mut first = example.client();
    first.write_all(b"GET /plaintext HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    read_to_end(&mut first);
    let own = descriptors();
    let mut clients: Vec<_> = (0..200).map(|_| example.client()).collect();
    example.until_logged("cannot accept more");
    // An eighth is for the server itself; accepted clients are served all the same.
    let (full, room) = (60 - 60 / 8, 60 - 60 / 8 - own);
    for client in &mut clients[..room] {
        assert_eq!(get(client, "/plaintext").status, 200);
        assert_eq!(get(client, "/plaintext").status, 200);
    }
    assert_eq!(descriptors(), full);
    // This many must close before others are accepted, in the order in which they came.
    drop(clients.drain(..room / 8));
    let (held, waiting) = clients.split_at_mut(room - room / 8);
    for client in waiting.iter_mut().take(room / 8) {
        assert_eq!(get(client, "/plaintext").status, 200);
    }
    assert_eq!(get(&mut held[0], "/plaintext").status, 200);
    assert_eq!(descriptors(), full);
    drop(clients);
    assert_eq!(get(&mut example.client(), "/plaintext").status, 200);
    until("the descriptors of those who have left are closed", || {
        // Each answer is from a later turn, which has noticed more of the ends.
        assert_eq!(get(&mut example.client(), "/plaintext").status, 200);
        let open = descriptors();
        if open > own { Err(open) } else { Ok(()) }
    });
}

/// The states in which a client may vanish.
const MIDDLES: &[&str] = &[
    "",
    "G",
    "GET /plaintext HTTP/1.1\r\nHos",
    "GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\nGET /plaintext HT",
    "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\n\r\nhello",
    "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhello",
    "GET /slow?ms=60000 HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /slow?ms=60000 HTTP/1.1\r\nHost: h\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n",
    "rubbish\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5000000\r\n\r\nhello",
];

#[test]
fn a_thousand_clients_that_vanish_in_the_middle_of_anything_leave_nothing_behind() {
    let example = Example::start(NAME, &["--log", "off", "--faults"]);
    let descriptors = || {
        let folder = format!("/proc/{}/fd", example.child.id());
        std::fs::read_dir(folder).unwrap().count()
    };
    assert_eq!(get(&mut example.client(), "/plaintext").status, 200);
    let mut held = example.client();
    assert_eq!(get(&mut held, "/plaintext").status, 200);
    let before = descriptors();
    for n in 0..1_000 {
        let mut client = example.client();
        // Some have been served already before they vanish.
        if n % 7 == 0 {
            assert_eq!(get(&mut client, "/json").status, 200);
        }
        client.write_all(MIDDLES[n % MIDDLES.len()].as_bytes()).unwrap();
        SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    }
    // Each answer takes a turn of the server, which notices closed connections.
    let rounds = 20_000;
    let gone = (0..rounds).any(|_| {
        assert_eq!(get(&mut held, "/plaintext").status, 200);
        descriptors() <= before
    });
    assert!(gone, "{} descriptors, {before} before", descriptors());
    assert_eq!(get(&mut example.client(), "/plaintext").status, 200);
}
