//! Wake-ups between threads, one message at a time: a lost wake-up leaves both sides waiting for
//! ever, so each round depends on one.

use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};

use socketserver::{
    BlockingHandler, Close, Context, Handler, Id, Limits, Mode, Notification, Server, Stream,
};

use crate::support::real::{PATIENCE, Running, soon};

fn modes() -> [Mode; 4] {
    [Mode::Multiplex, Mode::Threads(1), Mode::Threads(3), Mode::Reactors(3)]
}

/// Sends the numbers of notes to the test, and all other messages to its client.
struct Echoes {
    ids: Sender<Id>,
    numbers: Sender<usize>,
}

/// A message to pass on from one connection to the next.
struct Ball {
    number: usize,
    left: usize,
    other: Id,
}

impl Handler for Echoes {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        let _ = self.ids.send(cx.id());
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        match input[0] {
            // The answer comes from a thread without other work.
            b'o' => {
                cx.offload(|| b'o');
            }
            _ => cx.write(input),
        }
        Ok(input.len())
    }

    fn on_notify(&mut self, note: Notification, cx: &mut Context<'_>) {
        let note = match note.downcast::<Ball>() {
            Ok(ball) if ball.left == 0 => {
                let _ = self.numbers.send(ball.number);
                return;
            }
            Ok(ball) => {
                let Ball { number, left, other } = ball;
                let back = Ball { number: number + 1, left: left - 1, other: cx.id() };
                return cx.notify(other, back);
            }
            Err(note) => note,
        };
        match note.downcast::<usize>() {
            Ok(number) => drop(self.numbers.send(number)),
            Err(note) => cx.write(&[note.downcast::<u8>().expect("what was offloaded")]),
        }
    }
}

struct Scene {
    server: Running,
    ids: Receiver<Id>,
    numbers: Receiver<usize>,
}

fn scene(mode: Mode) -> Scene {
    let ((sender, ids), (numbers_to, numbers)) = (channel(), channel());
    let service = move |_| Echoes { ids: sender.clone(), numbers: numbers_to.clone() };
    let limits = Limits::default().offload_workers(1);
    let server = Server::new().mode(mode).limits(limits);
    Scene { server: Running::start(server.listen("127.0.0.1:0", service).unwrap()), ids, numbers }
}

/// Waits for the message of a round; a failure names the round.
#[track_caller]
fn comes_back<T>(receiver: &Receiver<T>, what: &str, round: usize) -> T {
    match receiver.recv_timeout(PATIENCE) {
        Ok(back) => back,
        Err(RecvTimeoutError::Timeout) => panic!("{what}: nothing comes back in round {round}"),
        Err(error) => panic!("{what}: {error} in round {round}"),
    }
}

#[test]
fn no_command_of_another_thread_is_missed() {
    const ROUNDS: usize = 5_000;
    for mode in modes() {
        let scene = scene(mode);
        let _clients: Vec<_> = (0..3).map(|_| scene.server.client()).collect();
        let ids: Vec<Id> = (0..3).map(|_| soon(&scene.ids)).collect();
        for round in 0..ROUNDS {
            scene.server.handle.notify(ids[round % 3], round).unwrap();
            let back = comes_back(&scene.numbers, &format!("{mode:?}"), round);
            assert_eq!(back, round, "{mode:?}");
        }
    }
}

#[test]
fn no_message_between_reactors_is_missed() {
    const ROUNDS: usize = 50_000;
    let scene = scene(Mode::Reactors(2));
    let _clients: Vec<_> = (0..2).map(|_| scene.server.client()).collect();
    let ids: Vec<Id> = (0..2).map(|_| soon(&scene.ids)).collect();
    let ball = Ball { number: 0, left: ROUNDS, other: ids[1] };
    scene.server.handle.notify(ids[0], ball).unwrap();
    assert_eq!(comes_back(&scene.numbers, "a ball", 0), ROUNDS);
}

/// Sends one byte there and back, `rounds` times.
fn to_and_fro(client: &mut (impl Read + Write), byte: u8, rounds: usize, what: &str) {
    let mut back = [0];
    for round in 0..rounds {
        client.write_all(&[byte]).unwrap();
        if let Err(error) = client.read_exact(&mut back) {
            panic!("{what}: {error} in round {round}");
        }
        assert_eq!(back, [byte], "{what}, round {round}");
    }
}

#[test]
fn no_result_of_a_worker_is_missed() {
    for mode in modes() {
        let scene = scene(mode);
        to_and_fro(&mut scene.server.client(), b'o', 2_000, &format!("{mode:?}, offloaded"));
        to_and_fro(&mut scene.server.client(), b'x', 2_000, &format!("{mode:?}, answered"));
    }
}

/// Sends a byte back, and closes.
struct OneByte;

impl BlockingHandler for OneByte {
    fn handle(&mut self, stream: &mut Stream) -> std::io::Result<()> {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        stream.write_all(&byte)
    }
}

#[test]
fn no_end_of_a_blocking_handler_is_missed() {
    // Room for one connection only: the next one waits for the end of the previous one.
    let limits = Limits::default().connections(1);
    let server = Server::new().mode(Mode::Threads(2)).limits(limits);
    let server = Running::start(server.listen_blocking("127.0.0.1:0", |_| OneByte).unwrap());
    for round in 0..1_000 {
        let mut two = [server.client(), server.client()];
        for client in &mut two {
            to_and_fro(client, b'x', 1, &format!("round {round}"));
        }
    }
}
