//! A process that was stopped for longer than its deadlines (SIGSTOP, a debugger, a machine that
//! slept): what has come meanwhile is looked at before anything expires.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::modes::ONE_OF_EACH;
use crate::process_kit::Halted;
use crate::real_kit::{Example, get};
use crate::waiting::lapse;

const TIMES: usize = 30;
/// Long enough for all clients to come in on a busy machine.
const DEADLINE: &str = "1.5";
const LONGER: Duration = Duration::from_millis(3500);
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

/// Clients that wait in different ways, each with a deadline of its own.
#[derive(Clone, Copy, Debug)]
enum Wait {
    Silent,
    Idle,
    InAHead,
}

/// How many clients are not answered that send while the process is stopped for longer than their
/// deadline.
fn unanswered(mode: &[&str], wait: Wait) -> usize {
    let timeouts = ["--idle-timeout", DEADLINE, "--head-timeout", DEADLINE, "--log", "off"];
    let example = Example::start("reactor_web", &[mode, &timeouts].concat());
    let mut clients: Vec<TcpStream> = (0..TIMES).map(|_| example.client()).collect();
    let mut rest = HEAD;
    for client in &mut clients {
        match wait {
            Wait::Silent => {}
            Wait::Idle => assert_eq!(get(client, "/plaintext").status, 200),
            Wait::InAHead => {
                client.write_all(&HEAD[..9]).unwrap();
                rest = &HEAD[9..];
            }
        }
    }
    // Its answer comes when those before it have been accepted and read.
    assert_eq!(get(&mut example.client(), "/plaintext").status, 200);
    let halted = Halted::all_of(example.child.id());
    for client in &mut clients {
        client.write_all(&[rest, b"\r\n"].concat()).unwrap();
    }
    lapse(LONGER);
    drop(halted);
    clients.into_iter().filter(|client| !is_answered(client)).count()
}

#[test]
fn what_came_while_the_process_was_stopped_is_answered_in_every_mode() {
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
