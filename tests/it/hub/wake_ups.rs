//! No connection is forgotten: waiting work continues whatever other events come with it.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use socketserver::testkit::Network;
use socketserver::{
    Close, Context, Handler, Id, Limits, Mode, Notification, Server, ServerHandle, Topic,
};

use crate::support::handlers::{Log, Probe, Told, patient, tight};
use crate::support::real::{Running, soon};
use crate::support::waiting::until;

/// A member of a topic. With a `remote`, its first input publishes 1.5 MiB to the topic through it,
/// then a word, and then sends the input back.
struct Publisher {
    handle: Option<Arc<Mutex<Option<ServerHandle>>>>,
    joined: Sender<()>,
    messages: usize,
    size: usize,
}

impl Handler for Publisher {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.join(&Topic::new("flood"));
        cx.write(b"!");
        self.joined.send(()).unwrap();
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let handle = self.handle.as_ref().unwrap().lock().unwrap().clone().unwrap();
        let flood = Topic::new("flood");
        cx.leave(&flood);
        for _ in 0..self.messages {
            handle.publish(&flood, vec![b'f'; self.size]).unwrap();
        }
        for _ in 0..10 {
            handle.publish(&flood, *b"word").unwrap();
        }
        handle.send(cx.id(), &*input).unwrap();
        Ok(input.len())
    }
}

fn remote_goes_on(mode: Mode, members: usize, messages: usize, size: usize) {
    let limits = patient().connections(100);
    let (joined, told) = channel();
    let handle = Arc::new(Mutex::new(None));
    let for_service = Arc::clone(&handle);
    let server = Server::new().mode(mode).limits(limits);
    let server = server
        .listen("127.0.0.1:0", move |_| Publisher {
            handle: Some(Arc::clone(&for_service)),
            joined: joined.clone(),
            messages,
            size,
        })
        .unwrap();
    *handle.lock().unwrap() = Some(server.handle());
    let server = Running::start(server);
    // Their sockets fill up, and then there are no more events of them.
    let mut clients = Vec::new();
    for _ in 0..members + 1 {
        clients.push(server.client());
        soon(&told);
    }
    let mut first = &clients[0];
    first.read_exact(&mut [0]).unwrap();
    first.write_all(b"x").unwrap();
    let mut byte = [0];
    first.read_exact(&mut byte).expect("what was sent behind it never comes");
    assert_eq!(&byte, b"x");
}

#[test]
fn commands_that_waited_for_a_topic_go_on() {
    // A turn takes 256 of them: 1.5 MiB to three members, two of which use up the budget of the
    // turn.
    remote_goes_on(Mode::Multiplex, 3, 256, 6 * 1024);
}

#[test]
fn commands_that_waited_for_a_sibling_go_on() {
    remote_goes_on(Mode::Reactors(2), 1, 256, 6 * 1024);
}

/// Writes much output, and continues when that has drained.
struct Streams(Arc<AtomicUsize>);

impl Handler for Streams {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        cx.write(&[b'a'; 500]);
        Ok(input.len())
    }

    fn on_drain(&mut self, cx: &mut Context<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
        cx.write(b"end");
    }

    fn on_notify(&mut self, _: Notification, _: &mut Context<'_>) {}
}

#[test]
fn the_end_of_a_full_output_is_told_though_a_note_comes_with_it() {
    for workers in [false, true] {
        let drained = Arc::new(AtomicUsize::new(0));
        let mut network = match workers {
            true => Network::with_workers(tight()),
            false => Network::new(tight()),
        };
        let client = network.connect(Streams(Arc::clone(&drained)));
        network.window(client, 10);
        network.send(client, b"x");
        network.settle();
        network.window(client, 10_000);
        let mut got = network.received(client).len();
        network.notify(client, ());
        network.settle();
        got += network.received(client).len();
        assert_eq!((drained.load(Ordering::SeqCst), got), (1, 503), "with workers: {workers}");
    }
}

#[test]
fn the_end_of_a_full_output_is_told_though_a_timer_rings_with_it() {
    let log = Log::default();
    let mut network = Network::with_workers(tight());
    let client = network.connect(
        Probe::new(&log)
            .data(|input, cx| {
                cx.write(&[b'a'; 500]);
                cx.set_timer(0, Duration::ZERO);
                Ok(input.len())
            })
            .drain(|cx| cx.write(b"end")),
    );
    network.window(client, 10);
    network.send(client, b"x");
    network.turn();
    network.turn();
    network.turn();
    network.window(client, 10_000);
    let mut got = network.received(client).len();
    network.settle();
    got += network.received(client).len();
    assert_eq!((log.count(&Told::Drain), got), (1, 503));
}

#[test]
fn the_last_effects_of_a_slow_consumer_of_another_reactor_are_applied() {
    let mut network = Network::with_reactors(tight(), 2);
    let log = Log::default();
    let slow_id = Arc::new(Mutex::new(None::<Id>));
    let to = Arc::clone(&slow_id);
    // Clients are distributed in turn: the sender is on the first reactor.
    let sender = network.connect(Probe::new(&log).data(move |input, cx| {
        let to = to.lock().unwrap().unwrap();
        cx.send(to, vec![b'a'; 2000]);
        Ok(input.len())
    }));
    let heir_id = Arc::new(Mutex::new(None::<Id>));
    let heir = Arc::clone(&heir_id);
    let slow = network.connect(
        Probe::new(&Log::default())
            .close(move |cx| cx.send(heir.lock().unwrap().unwrap(), *b"gone")),
    );
    let _other = network.connect(Probe::new(&log));
    let heir = network.connect(Probe::new(&log));
    *slow_id.lock().unwrap() = Some(network.id(slow));
    *heir_id.lock().unwrap() = Some(network.id(heir));
    network.window(slow, 10);
    network.settle();
    network.send(sender, b"x");
    network.settle();
    network.send(sender, b"x");
    network.settle();
    assert!(network.is_closed(slow));
    assert_eq!(network.received(heir), b"gone");
}

/// The same from another thread.
struct Slow {
    id: Sender<Id>,
    ended: Arc<Mutex<Option<Id>>>,
}

impl Handler for Slow {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        self.id.send(cx.id()).unwrap();
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }

    fn on_close(&mut self, _: &Close, cx: &mut Context<'_>) {
        if let Some(heir) = *self.ended.lock().unwrap() {
            cx.send(heir, *b"gone");
        }
    }
}

#[test]
fn the_last_effects_of_a_slow_consumer_of_a_thread_are_applied() {
    let (id, ids) = channel();
    let ended = Arc::new(Mutex::new(None));
    let of_service = Arc::clone(&ended);
    let limits = patient().output_low(100).output_high(200).output_hard(1000);
    let server = Server::new().limits(limits);
    let server = server
        .listen("127.0.0.1:0", move |_| Slow { id: id.clone(), ended: Arc::clone(&of_service) })
        .unwrap();
    let server = Running::start(server);
    let _slow = server.client();
    let slow_id = soon(&ids);
    let mut heir = server.client();
    *ended.lock().unwrap() = Some(soon(&ids));
    // The first message fills the socket, the second finds it full.
    for _ in 0..3 {
        until("there is room for a command", || {
            server.handle.send(slow_id, vec![0; 8 * 1024 * 1024])
        });
    }
    let mut said = [0; 4];
    heir.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"gone");
}

/// Closes with a message to a topic and one to its peer, while others send without a pause.
#[test]
fn a_close_with_a_message_to_other_reactors_does_not_wait_for_greedy_senders() {
    let mut network = Network::with_reactors(patient(), 2);
    let quits = Probe::new(&Log::default()).data(|input, cx| {
        cx.publish(&Topic::new("room"), *b"left");
        cx.write(b"bye");
        cx.close(Close::Done);
        Ok(input.len())
    });
    let quitter = network.connect(quits);
    let mut greedy = Vec::new();
    for _ in 0..100 {
        greedy.push(network.connect(Probe::new(&Log::default())));
    }
    network.settle();
    for client in &greedy {
        network.send(*client, &vec![0; 1024 * 1024]);
    }
    network.turn();
    network.send(quitter, b"q");
    (0..3).for_each(|_| network.turn());
    assert!(network.is_closed(quitter), "not within 3 turns");
}

/// Uses complete lines.
struct Endless(Sender<()>);

impl Handler for Endless {
    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.iter().rposition(|byte| *byte == b'\n').map_or(0, |n| n + 1))
    }

    fn on_stop(&mut self, cx: &mut Context<'_>) {
        self.0.send(()).unwrap();
        cx.close(Close::Stopping);
    }
}

#[test]
fn connections_that_send_without_a_pause_are_told_to_stop() {
    const COUNT: usize = 6;
    let (tell, told) = channel();
    // Longer than the test waits.
    let limits = Limits::default().drain(Duration::from_secs(3600));
    let server = Server::new().limits(limits);
    let server =
        Running::start(server.listen("127.0.0.1:0", move |_| Endless(tell.clone())).unwrap());
    let writers: Vec<_> = (0..COUNT)
        .map(|_| {
            let mut client = server.client();
            // There is nearly always an incomplete line.
            let lines = [vec![b'x'; 40_000], b"\n".to_vec()].concat().repeat(25);
            thread::spawn(move || while client.write_all(&lines).is_ok() {})
        })
        .collect();
    until("60 MB have been read", || match server.handle.metrics().bytes_in {
        60_000_000.. => Ok(()),
        bytes => Err(bytes),
    });
    server.handle.stop();
    (0..COUNT).for_each(|_| soon(&told));
    server.join();
    for writer in writers {
        writer.join().unwrap();
    }
}
