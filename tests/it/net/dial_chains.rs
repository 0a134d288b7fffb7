//! Many outgoing connections, consecutive and concurrent, with good and bad destinations: each is
//! reported once, with the right result, whenever that comes.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use socketserver::testkit::Random;
use socketserver::{Address, Close, Context, Destination, Handler, Limits, Mode, Server};

use crate::hub::queues_words::silent;
use crate::support::real::Running;
use crate::support::waiting::PATIENCE;

/// The result of a dial: the letter that the other end sends, or an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Says(u8),
    Fails(&'static [ErrorKind]),
}

use Answer::{Fails, Says};

/// The report of a dial: its chain, its position in the chain, and the result.
type Told = (usize, usize, Result<u8, ErrorKind>);

/// Dials one after the other: each when the result of the previous one has come.
struct Chain {
    number: usize,
    at: usize,
    plan: Arc<Vec<(Destination, Answer)>>,
    told: Sender<Told>,
}

impl Chain {
    fn go_on(&self, answer: Result<u8, ErrorKind>, cx: &mut Context<'_>) {
        let _ = self.told.send((self.number, self.at, answer));
        if let Some((to, _)) = self.plan.get(self.at + 1) {
            let (plan, told) = (Arc::clone(&self.plan), self.told.clone());
            cx.connect(to.clone(), Chain { number: self.number, at: self.at + 1, plan, told });
        }
    }
}

impl Handler for Chain {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        self.go_on(Ok(input[0]), cx);
        cx.close(Close::Done);
        Ok(input.len())
    }

    fn on_unreachable(&mut self, error: &io::Error, cx: &mut Context<'_>) {
        self.go_on(Err(error.kind()), cx);
    }

    fn on_eof(&mut self, cx: &mut Context<'_>) {
        self.go_on(Err(ErrorKind::UnexpectedEof), cx);
        cx.close(Close::Eof);
    }
}

/// Sends a letter to each connection, and closes it. Ends with the test.
fn sayer(letter: u8) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(&[letter]);
        }
    });
    address
}

/// Every kind of destination, each with its required result.
fn destinations(folder: &std::path::Path, silent: SocketAddr) -> Vec<(Destination, Answer)> {
    let path = folder.join("u");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(b"u");
        }
    });
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let named = format!("localhost:{}", sayer(b'n').port());
    let answers = |letter| (Address::from(sayer(letter)).into(), Says(letter));
    vec![
        answers(b'a'),
        answers(b'b'),
        (Address::Unix(path).into(), Says(b'u')),
        (named.parse().unwrap(), Says(b'n')),
        (Address::from(refused).into(), Fails(&[ErrorKind::ConnectionRefused])),
        (Address::Unix(folder.join("none")).into(), Fails(&[ErrorKind::NotFound])),
        (Address::from(silent).into(), Fails(&[ErrorKind::TimedOut])),
    ]
}

const CHAINS: usize = 25;
const LINKS: usize = 12;

fn each_is_answered_once(mode: Mode, seed: u64, all: &[(Destination, Answer)]) {
    let mut random = Random::new(seed);
    let (told_to, told) = channel();
    let limits = Limits::default().connect(Some(Duration::from_millis(150)));
    let mut server = Server::new().mode(mode).limits(limits);
    let mut plans = Vec::new();
    for number in 0..CHAINS {
        let plan: Arc<Vec<_>> =
            Arc::new((0..LINKS).map(|_| all[random.below(all.len())].clone()).collect());
        let chain = Chain { number, at: 0, plan: Arc::clone(&plan), told: told_to.clone() };
        server = server.connect(plan[0].0.clone(), chain);
        plans.push(plan);
    }
    drop(told_to);
    let server = Running::start(server);
    // The server ends after all results, and with it the last sender of reports.
    let mut answers: BTreeMap<(usize, usize), Result<u8, ErrorKind>> = BTreeMap::new();
    while let Some((number, at, answer)) = next(&told, mode, answers.len()) {
        let twice = answers.insert((number, at), answer);
        assert_eq!(twice, None, "{mode:?}: {number}.{at} was answered twice, now {answer:?}");
        let (to, want) = &plans[number][at];
        let is_right = match (want, answer) {
            (Says(letter), Ok(said)) => *letter == said,
            // A very busy machine.
            (Says(_), Err(kind)) => kind == ErrorKind::TimedOut,
            (Fails(kinds), Err(kind)) => kinds.contains(&kind),
            (Fails(_), Ok(_)) => false,
        };
        assert!(is_right, "{mode:?}: {to}: {answer:?}, not {want:?}");
    }
    assert_eq!(answers.len(), CHAINS * LINKS, "{mode:?}: some were not answered");
    server.join();
}

fn next(told: &Receiver<Told>, mode: Mode, so_far: usize) -> Option<Told> {
    match told.recv_timeout(PATIENCE) {
        Ok(told) => Some(told),
        Err(RecvTimeoutError::Disconnected) => None,
        Err(_) => panic!("{mode:?}: only {so_far} of {} dials were answered", CHAINS * LINKS),
    }
}

#[test]
fn each_dial_has_its_own_answer_once_in_every_mode() {
    let folder = tempfile::tempdir().unwrap();
    let (_socket, silent, _held) = silent();
    let all = destinations(folder.path(), silent);
    for (seed, mode) in (0..).zip([Mode::Multiplex, Mode::Threads(2), Mode::Reactors(3)]) {
        each_is_answered_once(mode, seed, &all);
    }
}

/// Names with a lookup longer than the time limit: a late result is dropped, and never reaches a
/// later dial.
#[test]
fn an_answer_that_comes_too_late_is_dropped() {
    let near: Destination = format!("localhost:{}", sayer(b'n').port()).parse().unwrap();
    let other: Destination = format!("localhost:{}", sayer(b'o').port()).parse().unwrap();
    let nobody: Destination = "nonexistent.invalid:1".parse().unwrap();
    for limit_ms in [0, 1, 2, 5] {
        let (told_to, told) = channel();
        let connect = Some(Duration::from_millis(limit_ms));
        let limits = Limits::default().connect(connect);
        let mut server = Server::new().limits(limits);
        let plan: Arc<Vec<_>> = Arc::new(
            (0..40)
                .map(|n| match n % 4 {
                    0 => (nobody.clone(), Fails(&[] as &[ErrorKind])),
                    1 | 2 => (near.clone(), Says(b'n')),
                    _ => (other.clone(), Says(b'o')),
                })
                .collect(),
        );
        for number in 0..4 {
            let chain = Chain { number, at: 0, plan: Arc::clone(&plan), told: told_to.clone() };
            server = server.connect(nobody.clone(), chain);
        }
        drop(told_to);
        let server = Running::start(server);
        let mut count = 0;
        while let Some((number, at, answer)) = next(&told, Mode::Multiplex, count) {
            count += 1;
            let (to, want) = &plan[at];
            let is_right = match (want, answer) {
                (Says(letter), Ok(said)) => *letter == said,
                (_, Err(kind)) => kind != ErrorKind::UnexpectedEof,
                _ => false,
            };
            assert!(is_right, "{limit_ms} ms, {number}.{at}, {to}: {answer:?}, not {want:?}");
        }
        assert_eq!(count, 4 * 40, "{limit_ms} ms");
        server.join();
    }
}
