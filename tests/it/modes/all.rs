//! One suite for all modes: the same programs give the same answers to the same input in every
//! mode.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering;

use socketserver::{Limits, Mode};

use crate::support::queue::{End, Stage};
use crate::support::real::{Example, exchange, get, read_to_end};

/// The options of the examples that select a mode.
pub(crate) const MODES: [&[&str]; 6] = [
    &["--mode", "multiplex"],
    &["--mode", "threads", "--workers", "1"],
    &["--mode", "threads", "--workers", "3"],
    &["--mode", "reactors", "--workers", "2"],
    &["--mode", "reactors", "--workers", "3"],
    &["--mode", "processes", "--workers", "2"],
];

/// One option of each mode, for tests that take longer.
pub(crate) const ONE_OF_EACH: [&[&str]; 4] = [MODES[0], MODES[2], MODES[3], MODES[5]];

fn start(name: &str, mode: &[&str], more: &[&str]) -> Example {
    Example::start(name, &[&["--log", "off"], mode, more].concat())
}

/// The output for a client that sends `said` and then ends its input, without the time of day.
fn all_answers(example: &Example, said: &[u8]) -> String {
    let mut stream = example.client();
    stream.write_all(said).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let heard = String::from_utf8(read_to_end(&mut stream)).unwrap();
    let is_date = |line: &&str| line.to_ascii_lowercase().starts_with("date:");
    heard.split_inclusive('\n').filter(|line| !is_date(line)).collect()
}

#[test]
fn the_web_answers_the_same_in_every_mode() {
    let requests: Vec<u8> = [
        "GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        "GET /json HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        format!(
            "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 70000\r\n\r\n{}",
            "x".repeat(70_000)
        ),
        "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
            .to_owned(),
        "GET /slow?ms=20 HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        "GET /work?ms=1 HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n".to_owned(),
    ]
    .concat()
    .into_bytes();
    let answers: Vec<String> = MODES
        .iter()
        .map(|mode| all_answers(&start("reactor_web", mode, &["--faults"]), &requests))
        .collect();
    assert_eq!(answers[0].matches("HTTP/1.1 ").count(), 9);
    for (mode, answer) in MODES.iter().zip(&answers) {
        assert_eq!(*answer, answers[0], "{mode:?}");
    }
}

#[test]
fn a_panic_ends_one_connection_and_nothing_else_in_every_mode() {
    for mode in MODES {
        let example = start("reactor_web", mode, &["--faults"]);
        let mut other = example.client();
        assert_eq!(get(&mut other, "/plaintext").body, b"Hello, World!");
        for _ in 0..5 {
            let answer = get(&mut example.client(), "/panic");
            assert_eq!(answer.status, 500, "{mode:?}");
        }
        assert_eq!(get(&mut other, "/plaintext").body, b"Hello, World!", "{mode:?}");
    }
}

#[test]
fn a_blocked_worker_does_not_hold_up_the_others() {
    let example = start("reactor_web", &["--mode", "threads", "--workers", "4"], &["--faults"]);
    let mut blocked: Vec<TcpStream> = (0..3).map(|_| example.client()).collect();
    for stream in &mut blocked {
        stream.write_all(b"GET /work?ms=60000 HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    }
    // Answered although three of four workers are busy for a minute.
    for _ in 0..20 {
        assert_eq!(get(&mut example.client(), "/plaintext").body, b"Hello, World!");
    }
}

#[test]
fn sessions_are_the_same_in_every_mode() {
    let modes: Vec<&[&str]> = MODES.into_iter().chain([&["--blocking"] as &[&str]]).collect();
    let answers: Vec<String> = modes
        .iter()
        .map(|mode| {
            let example = start("reactor_session", mode, &[]);
            all_answers(&example, "0\n你好\n\n0\r\nexit\n0\n".as_bytes())
        })
        .collect();
    assert!(answers[0].starts_with("我是多线程您输入的是0请重新输入."), "{}", answers[0]);
    for (mode, answer) in modes.iter().zip(&answers) {
        assert_eq!(*answer, answers[0], "{mode:?}");
    }
}

/// Reads until `last` has arrived.
fn hear(stream: &mut TcpStream, last: &str) -> String {
    let mut heard = Vec::new();
    while !heard.ends_with(last.as_bytes()) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        heard.push(byte[0]);
    }
    String::from_utf8(heard).unwrap()
}

#[test]
fn a_chat_is_the_same_in_the_modes_that_have_one() {
    let mut told = Vec::new();
    for mode in &MODES[..5] {
        let example = start("reactor_chat", mode, &[]);
        let mut ann = example.client();
        let mut all = hear(&mut ann, "\n");
        ann.write_all(b"/nick ann\n").unwrap();
        all += &hear(&mut ann, "ann\n");
        let mut bob = example.client();
        all += &hear(&mut bob, "\n");
        all += &hear(&mut ann, "joined\n");
        bob.write_all(b"/nick bob\n").unwrap();
        all += &hear(&mut ann, "bob\n");
        all += &hear(&mut bob, "bob\n");
        for n in 0..100 {
            bob.write_all(format!("line {n}\n").as_bytes()).unwrap();
        }
        all += &hear(&mut ann, "bob: line 99\n");
        bob.write_all(b"/quit\n").unwrap();
        all += &hear(&mut ann, "left\n");
        told.push(all);
    }
    assert_eq!(told[0].matches("bob: line").count(), 100);
    for (mode, heard) in MODES.iter().zip(&told) {
        assert_eq!(*heard, told[0], "{mode:?}");
    }
}

#[test]
fn one_connection_after_another_is_served_in_every_mode() {
    for mode in MODES {
        let example = start("reactor_web", mode, &[]);
        for _ in 0..50 {
            let request = "GET /plaintext HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
            let answer = exchange(&mut example.client(), request);
            assert_eq!(answer.body, b"Hello, World!", "{mode:?}");
        }
    }
}

#[test]
fn a_handler_that_blocks_does_not_hold_up_the_end() {
    let mode: &[&str] = &["--mode", "threads", "--workers", "1"];
    let example = start("reactor_web", mode, &["--faults", "--drain-timeout", "0"]);
    let mut blocked = example.client();
    blocked.write_all(b"GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\nGET /work?ms=60000 HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    example.signal("TERM");
    let (code, log) = example.join();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.len() < 10_000, "it says so once");
}

/// The number of 20 handlers that are told of the end of an aborted server, with one on a worker if
/// it `blocks`.
fn ends_of(mode: Mode, blocks: bool) -> usize {
    let stage = Stage::new(mode, Limits::default(), End::Abort, true);
    let mut clients: Vec<TcpStream> = (0..20).map(|_| stage.greeted()).collect();
    if blocks {
        clients[0].write_all(b"b").unwrap();
        stage.keeper.is_held_up();
    }
    let ends = stage.ends();
    stage.server.handle.abort();
    stage.server.join();
    ends.load(Ordering::SeqCst)
}

#[test]
fn every_handler_is_told_of_the_end_of_an_aborted_server() {
    for mode in [Mode::Multiplex, Mode::Threads(2), Mode::Reactors(3)] {
        assert_eq!(ends_of(mode, false), 20, "{mode:?}");
    }
    // Except for the one on the only worker.
    assert_eq!(ends_of(Mode::Threads(1), true), 19);
}
