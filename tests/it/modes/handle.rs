//! Commands of other threads for a running server: in order, bounded, and harmless once it has
//! ended.

use std::io::{BufRead, BufReader, Read, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use socketserver::testkit::Network;
use socketserver::{
    Close, Context, HandleError, Handler, Id, Limits, Mode, Notification, Server, ServerHandle,
    Topic,
};

use crate::support::real::{Echo, PATIENCE, Running, read_to_end};
use crate::support::waiting::until;

/// The number of threads, and of messages of each.
const THREADS: usize = 4;
const MESSAGES: usize = 10_000;

/// Reports its id, joins a topic, and writes its notes.
struct Listener(Sender<Id>);

impl Handler for Listener {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.join(&Topic::new("news"));
        self.0.send(cx.id()).unwrap();
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }

    fn on_notify(&mut self, note: Notification, cx: &mut Context<'_>) {
        if let Ok(line) = note.downcast::<String>() {
            cx.write(line.as_bytes());
        }
    }
}

/// Repeats a command until there is room for it.
fn insist(what: impl Fn() -> Result<(), HandleError>) {
    until("there is room for a command", || match what() {
        Err(HandleError::Gone) => panic!("the server has gone"),
        other => other,
    });
}

/// Threads send lines to one connection by `say`; those of each thread arrive in order and
/// completely.
fn all_arrive_in_order(say: fn(&ServerHandle, Id, String) -> Result<(), HandleError>) {
    let (sender, ids) = channel();
    // All output consists of these lines; their reader may be slower than four writers.
    let limits = Limits::default().output_hard(16 * 1024 * 1024);
    let service = move |_| Listener(sender.clone());
    let server = Server::new().limits(limits).listen("127.0.0.1:0", service).unwrap();
    let server = Running::start(server);
    let client = server.client();
    let id = ids.recv_timeout(PATIENCE).unwrap();
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let handle = server.handle.clone();
            thread::spawn(move || {
                for message in 0..MESSAGES {
                    insist(|| say(&handle, id, format!("{number} {message}\n")));
                }
            })
        })
        .collect();
    let mut next = [0; THREADS];
    for line in BufReader::new(client).lines().take(THREADS * MESSAGES) {
        let line = line.unwrap();
        let (thread, message) = line.split_once(' ').unwrap();
        let thread: usize = thread.parse().unwrap();
        assert_eq!(message.parse(), Ok(next[thread]), "of thread {thread}");
        next[thread] += 1;
    }
    assert_eq!(next, [MESSAGES; THREADS]);
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn messages_that_threads_publish_arrive_in_order() {
    all_arrive_in_order(|handle, _, line| handle.publish(&Topic::new("news"), line.into_bytes()));
}

#[test]
fn bytes_that_threads_send_arrive_in_order() {
    all_arrive_in_order(|handle, id, line| handle.send(id, line.into_bytes()));
}

#[test]
fn notes_that_threads_send_arrive_in_order() {
    all_arrive_in_order(|handle, id, line| handle.notify(id, line));
}

/// Blocks the loop from its first byte until it is released.
struct Blocking {
    blocked: Sender<Id>,
    let_go: Receiver<()>,
}

impl Handler for Blocking {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        self.blocked.send(cx.id()).unwrap();
        self.let_go.recv_timeout(PATIENCE).unwrap();
        Ok(input.len())
    }
}

#[test]
fn a_blocked_loop_accepts_a_bounded_number_of_commands() {
    let ((blocked, ids), (letting_go, let_go)) = (channel(), channel());
    let mut blocking = Some(Blocking { blocked, let_go });
    let limits = Limits::default().output_hard(64 * 1024 * 1024);
    let server = Server::new().limits(limits);
    let server = Running::start(server.listen("127.0.0.1:0", move |_| blocking.take()).unwrap());
    let mut client = server.client();
    client.write_all(b"x").unwrap();
    let id = ids.recv_timeout(PATIENCE).unwrap();
    let piece = vec![b'y'; 1024 * 1024];
    let taken = (0..).take_while(|_| server.handle.send(id, piece.clone()).is_ok()).count();
    assert_eq!(taken, 15, "16 MiB, less what each command weighs besides its bytes");
    assert_eq!(server.handle.send(id, piece), Err(HandleError::Full));
    server.handle.send(id, *b"small").unwrap();
    letting_go.send(()).unwrap();
    let mut said = vec![0; taken * 1024 * 1024 + 5];
    client.read_exact(&mut said).unwrap();
    assert!(said.ends_with(b"ysmall"));
    server.handle.send(id, *b"again").unwrap();
    client.read_exact(&mut said[..5]).unwrap();
    assert_eq!(&said[..5], b"again");
}

#[test]
fn one_huge_message_passes() {
    let (sender, ids) = channel();
    let service = move |_| Listener(sender.clone());
    let server = Running::start(Server::new().listen("127.0.0.1:0", service).unwrap());
    let mut client = server.client();
    let id = ids.recv_timeout(PATIENCE).unwrap();
    let huge = vec![b'z'; 20 * 1024 * 1024];
    server.handle.send(id, huge.clone()).unwrap();
    let mut said = vec![0; huge.len()];
    client.read_exact(&mut said).unwrap();
    assert!(said == huge);
}

/// The id of a third connection, which does not exist in these servers.
fn some_id() -> Id {
    let mut network = Network::new(Limits::default());
    let [_, _, third] = [(); 3].map(|()| network.connect(Echo));
    network.id(third)
}

#[test]
fn a_server_that_has_gone_says_so() {
    let server = Running::start(Server::new().listen("127.0.0.1:0", |_| Echo).unwrap());
    let (handle, id) = (server.handle.clone(), some_id());
    handle.notify(id, "nobody gets this").unwrap();
    handle.stop();
    server.join();
    assert_eq!(handle.send(id, *b"x"), Err(HandleError::Gone));
    assert_eq!(handle.publish(&Topic::new("news"), *b"x"), Err(HandleError::Gone));
    assert_eq!(handle.notify(id, "x"), Err(HandleError::Gone));
    handle.stop();
    handle.abort();
}

#[test]
fn ids_of_closed_connections_do_no_harm() {
    let server = Running::start(Server::new().listen("127.0.0.1:0", |_| Echo).unwrap());
    let id = some_id();
    server.handle.send(id, *b"x").unwrap();
    server.handle.notify(id, "x").unwrap();
    let mut client = server.client();
    client.write_all(b"hello").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut client), b"hello");
}

/// Uses the handle when it is dropped.
struct Stubborn(ServerHandle, Id, Sender<Result<(), HandleError>>);

impl Drop for Stubborn {
    fn drop(&mut self) {
        self.2.send(self.0.notify(self.1, "last words")).unwrap();
    }
}

#[test]
fn a_note_that_is_dropped_with_its_server_may_use_the_handle() {
    let server = Server::new();
    let (handle, id, (sender, said)) = (server.handle(), some_id(), channel());
    handle.notify(id, Stubborn(handle.clone(), id, sender)).unwrap();
    thread::spawn(|| drop(server));
    assert_eq!(said.recv_timeout(PATIENCE), Ok(Err(HandleError::Gone)));
}

/// Sends the number in a note to the thread with that number.
struct Ponger(Sender<Id>, Sender<usize>);

impl Handler for Ponger {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        self.0.send(cx.id()).unwrap();
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }

    fn on_notify(&mut self, note: Notification, _: &mut Context<'_>) {
        self.1.send(note.downcast::<usize>().unwrap()).unwrap();
    }
}

/// The loop and the thread sleep in turn: a lost wake-up leaves both asleep.
fn ping_pong(mode: Mode, clients: usize, rounds: usize) {
    let ((sender, ids), (ponging, pongs)) = (channel(), channel());
    let service = move |_| Ponger(sender.clone(), ponging.clone());
    let server = Server::new().mode(mode).listen("127.0.0.1:0", service).unwrap();
    let server = Running::start(server);
    let clients: Vec<_> = (0..clients).map(|_| server.client()).collect();
    let ids: Vec<Id> = clients.iter().map(|_| ids.recv_timeout(PATIENCE).unwrap()).collect();
    for round in 0..rounds {
        server.handle.notify(ids[round % ids.len()], round).unwrap();
        let pong = pongs.recv_timeout(PATIENCE);
        assert_eq!(pong, Ok(round), "round {round} of {rounds}: the note was not answered");
    }
}

#[test]
fn no_wake_up_is_lost_in_many_rounds() {
    ping_pong(Mode::Multiplex, 1, 100_000);
}

#[test]
fn no_wake_up_is_lost_between_reactors() {
    ping_pong(Mode::Reactors(2), 2, 20_000);
}

#[test]
fn no_wake_up_is_lost_between_workers_and_the_loop() {
    ping_pong(Mode::Threads(2), 1, 20_000);
}
