//! Tasks of connections whose peers have gone: those of others are done first.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::SockRef;
use socketserver::{Close, Context, Handler, Limits, Mode, Notification, Server, Topic};

use crate::support::real::Running;
use crate::support::waiting::until_equal;

const GONE: usize = 10;

/// Answers `y` at once. Any other byte waits for the test in its call, and a published message in
/// offloaded work.
struct Works {
    permits: Arc<Mutex<Receiver<()>>>,
    calls: Arc<AtomicUsize>,
}

impl Works {
    fn wait(permits: &Mutex<Receiver<()>>) {
        // The test may have ended.
        let _ = permits.lock().unwrap().recv();
    }
}

impl Handler for Works {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.subscribe(&Topic::new("work"));
        cx.write(b"o");
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if input != b"y" {
            Works::wait(&self.permits);
        }
        cx.write(b".");
        Ok(input.len())
    }

    fn on_notify(&mut self, notification: Notification, cx: &mut Context<'_>) {
        if let Notification::Published(..) = notification {
            let permits = Arc::clone(&self.permits);
            cx.offload(move || Works::wait(&permits));
        }
    }
}

/// Starts a server with one worker for everything. Each message to the sender ends one wait.
/// The number is that of the calls of `on_data`.
fn start() -> (Running, Sender<()>, Arc<AtomicUsize>) {
    let (permit, permits) = channel();
    let permits = Arc::new(Mutex::new(permits));
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let service = move |_| Works { permits: Arc::clone(&permits), calls: Arc::clone(&counted) };
    let server = Server::new().listen("127.0.0.1:0", service).unwrap();
    (Running::start(server.mode(Mode::Threads(1))), permit, calls)
}

fn expect(client: &mut TcpStream, byte: u8) {
    let mut read = [0];
    client.read_exact(&mut read).unwrap();
    assert_eq!(read, [byte]);
}

fn reset(clients: Vec<TcpStream>) {
    for client in clients {
        SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// A half-close: the same as the end of a client that has gone, unless it reads.
fn end_input(clients: &[TcpStream]) {
    for client in clients {
        client.shutdown(Shutdown::Write).unwrap();
    }
}

fn until_jobs(server: &Running, count: u64) {
    until_equal("all tasks are queued", count, || server.handle.metrics().jobs);
}

/// Keeps the worker busy with one call, and queues the calls of other clients.
fn queue_calls(server: &Running) -> (TcpStream, Vec<TcpStream>) {
    let mut busy = server.client();
    expect(&mut busy, b'o');
    busy.write_all(b"w").unwrap();
    until_jobs(server, 2);
    let mut others: Vec<_> = (0..GONE).map(|_| server.client()).collect();
    others.iter_mut().for_each(|client| client.write_all(b"x").unwrap());
    until_jobs(server, 2 + GONE as u64);
    (busy, others)
}

/// Checks that a new client is answered before the queued calls, and permits those afterwards.
fn expect_next_answer(server: &Running, permit: Sender<()>) -> TcpStream {
    let mut last = server.client();
    last.write_all(b"y").unwrap();
    until_jobs(server, 3 + GONE as u64);
    // The call under way, one that begins before the last client is open, and a late one in a row.
    for _ in 0..3 {
        permit.send(()).unwrap();
    }
    expect(&mut last, b'o');
    expect(&mut last, b'.');
    last
}

#[test]
fn calls_for_peers_that_have_gone_wait_for_the_calls_of_others() {
    let (server, permit, calls) = start();
    let (_busy, gone) = queue_calls(&server);
    reset(gone);
    let _last = expect_next_answer(&server, permit);
    until_equal("the others have ended", 2, || server.handle.metrics().open());
    // Input that came before a reset is not lost: see the laws of a connection.
    assert_eq!(calls.load(Ordering::SeqCst), 2 + GONE);
}

#[test]
fn offloaded_work_of_peers_that_have_gone_is_withdrawn_before_their_last_call() {
    let (server, permit, _) = start();
    let mut gone: Vec<_> = (0..GONE).map(|_| server.client()).collect();
    gone.iter_mut().for_each(|client| expect(client, b'o'));
    server.handle.publish(&Topic::new("work"), *b"begin").unwrap();
    // For each connection a call of `on_open` and `on_notify`, and the work.
    until_jobs(&server, 3 * GONE as u64);
    reset(gone);
    until_jobs(&server, 4 * GONE as u64);
    let mut last = server.client();
    last.write_all(b"y").unwrap();
    until_jobs(&server, 4 * GONE as u64 + 1);
    // The work that has begun.
    permit.send(()).unwrap();
    expect(&mut last, b'o');
    expect(&mut last, b'.');
}

#[test]
fn calls_for_peers_that_have_ended_their_input_wait_for_the_calls_of_others() {
    let (server, permit, calls) = start();
    let (_busy, ended) = queue_calls(&server);
    // The calls of `on_open` are with the worker. The event comes meanwhile.
    end_input(&ended);
    let _last = expect_next_answer(&server, permit);
    // All is done for them, too.
    for mut client in ended {
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"o.");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 2 + GONE);
}

/// Offloads work for each byte, which waits for the test unless the byte is `y`. Answers a `z` at
/// once, and goes on after the end of the input.
struct Offloads(Arc<Mutex<Receiver<()>>>);

impl Handler for Offloads {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        for byte in input.iter().copied() {
            let permits = Arc::clone(&self.0);
            match byte {
                b'y' => drop(cx.offload(|| ())),
                b'z' => cx.write(b"z"),
                _ => drop(cx.offload(move || Works::wait(&permits))),
            }
        }
        Ok(input.len())
    }

    fn on_eof(&mut self, _: &mut Context<'_>) {}

    fn on_notify(&mut self, _: Notification, cx: &mut Context<'_>) {
        cx.write(b".");
    }
}

#[test]
fn offloaded_work_of_peers_that_have_ended_their_input_waits_for_the_work_of_others() {
    let (permit, permits) = channel();
    let permits = Arc::new(Mutex::new(permits));
    let service = move |_| Offloads(Arc::clone(&permits));
    let limits = Limits::default().offload_workers(1);
    let server = Server::new().limits(limits).listen("127.0.0.1:0", service).unwrap();
    let server = Running::start(server);
    let mut ended: Vec<_> = (0..GONE).map(|_| server.client()).collect();
    let mut last = server.client();
    ended.iter_mut().for_each(|client| client.write_all(b"x").unwrap());
    until_jobs(&server, GONE as u64);
    end_input(&ended);
    // The loop has noticed the ends when it answers.
    last.write_all(b"z").unwrap();
    expect(&mut last, b'z');
    last.write_all(b"y").unwrap();
    until_jobs(&server, 1 + GONE as u64);
    // The work that has begun.
    permit.send(()).unwrap();
    expect(&mut last, b'.');
    drop(permit);
    // All is done for them, too.
    ended.iter_mut().for_each(|client| expect(client, b'.'));
}
