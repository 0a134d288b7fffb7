//! A process that was stopped for longer than its deadlines (SIGSTOP, a debugger, a machine in
//! standby): input that has arrived meanwhile is handled before a deadline fires.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::modes::all::ONE_OF_EACH;
use crate::support::process::Halted;
use crate::support::real::Example;
use crate::support::waiting::{Stopwatch, lapse};

const TIMES: usize = 30;
const HEAD: &[u8] = b"GET /plaintext HTTP/1.1\r\nHost: h\r\n";

fn is_answered(mut client: &TcpStream) -> bool {
    let (mut said, mut buffer) = (Vec::new(), [0; 1000]);
    while let Ok(n @ 1..) = client.read(&mut buffer) {
        said.extend_from_slice(&buffer[..n]);
        if said.ends_with(b"Hello, World!") {
            return said.starts_with(b"HTTP/1.1 200 ");
        }
    }
    false
}

/// Clients that wait in different states, each with its own deadline.
#[derive(Clone, Copy, Debug)]
enum Wait {
    Silent,
    Idle,
    InAHead,
}

/// The number of unanswered clients among those that send while the process is stopped for longer
/// than their deadline.
fn unanswered(mode: &[&str], wait: Wait) -> usize {
    // On a busy machine the first deadline may pass before all clients are accepted.
    let deadlines = [1500, 6000, 24_000].map(Duration::from_millis);
    deadlines.iter().find_map(|deadline| try_with(mode, wait, *deadline)).expect("time enough")
}

/// The same; `None` if there was too little time before the process was stopped.
fn try_with(mode: &[&str], wait: Wait, deadline: Duration) -> Option<usize> {
    let seconds = deadline.as_secs_f64().to_string();
    let timeouts = ["--idle-timeout", &seconds, "--head-timeout", &seconds, "--log", "off"];
    let example = Example::start("reactor_web", &[mode, &timeouts].concat());
    let watch = Stopwatch::start();
    let mut clients: Vec<TcpStream> = (0..TIMES).map(|_| example.client()).collect();
    let all = [HEAD, b"\r\n"].concat();
    let (begun, rest) = match wait {
        Wait::Silent => (&b""[..], &all[..]),
        Wait::Idle => (&all[..], &all[..]),
        Wait::InAHead => all.split_at(9),
    };
    // Its answer comes when the clients before it have been accepted and read.
    let mut last = example.client();
    for client in clients.iter_mut().chain([&mut last]) {
        client.write_all(begun).ok()?;
    }
    last.write_all(if begun == all { b"" } else { rest }).ok()?;
    let greeted = if begun == all { clients.iter().collect() } else { Vec::new() };
    if !greeted.into_iter().chain([&last]).all(is_answered) {
        return None;
    }
    let halted = Halted::all_of(example.child.id());
    if watch.elapsed() > deadline / 2 {
        return None;
    }
    for client in &mut clients {
        client.write_all(rest).unwrap();
    }
    lapse(deadline * 2 + Duration::from_millis(500));
    drop(halted);
    Some(clients.iter().filter(|client| !is_answered(client)).count())
}

#[test]
fn input_during_a_sigstop_is_answered_in_every_mode() {
    let cases = ONE_OF_EACH
        .iter()
        .flat_map(|mode| [Wait::Silent, Wait::Idle, Wait::InAHead].map(|wait| (*mode, wait)));
    let runs: Vec<_> = cases
        .map(|(mode, wait)| (mode, wait, thread::spawn(move || unanswered(mode, wait))))
        .collect();
    let mut wrong = Vec::new();
    for (mode, wait, run) in runs {
        match run.join().unwrap() {
            0 => {}
            lost => wrong.push(format!("{mode:?}, {wait:?}: {lost} of {TIMES} not answered")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
