//! Offloaded work: it runs elsewhere, in order, and its result comes back.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use std::time::Duration;

use socket2::SockRef;
use socketserver::services::web::{Response, Web};
use socketserver::testkit::Network;
use socketserver::{Close, Context, Handler, Limits, Mode, Notification, Peer, Server, Service};

use crate::support::handlers::{Log, Probe};
use crate::support::real::Running;
use crate::support::waiting::until_equal;

/// Doubles each byte, on a worker; `!` makes it panic.
struct Doubles;

impl Handler for Doubles {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        for byte in input.iter().copied() {
            cx.offload(move || match byte {
                b'!' => panic!("asked to"),
                byte => [byte, byte],
            });
        }
        Ok(input.len())
    }

    fn on_notify(&mut self, note: Notification, cx: &mut Context<'_>) {
        cx.write(&note.downcast::<[u8; 2]>().unwrap());
    }
}

#[test]
fn results_come_back_in_order() {
    for mut network in [Network::new(Limits::default()), Network::with_workers(Limits::default())] {
        let client = network.connect(Doubles);
        network.send(client, b"abc");
        network.settle();
        network.send(client, b"de");
        network.settle();
        assert_eq!(network.received(client), b"aabbccddee");
    }
}

#[test]
fn work_that_panics_ends_its_connection_only() {
    let mut network = Network::new(Limits::default());
    let [ann, bob] = [(); 2].map(|()| network.connect(Doubles));
    network.send(ann, b"a!b");
    network.send(bob, b"c");
    network.settle();
    assert_eq!(network.received(ann), b"aa");
    assert!(network.is_closed(ann));
    assert_eq!(network.received(bob), b"cc");
}

#[test]
fn the_result_for_a_closed_connection_is_dropped() {
    let mut network = Network::new(Limits::default());
    let client = network.connect(Doubles);
    network.send(client, b"abc");
    network.turn();
    network.reset(client);
    // The next connection may get the slot, and must not get the results.
    network.turn();
    let log = Log::default();
    let next = network.connect(Probe::new(&log));
    network.settle();
    assert_eq!(network.received(next), b"");
    assert_eq!(network.connections(), 1);
}

#[test]
fn workers_have_a_bounded_amount_of_work_at_once() {
    let mut network = Network::new(Limits::default());
    let clients: Vec<_> = (0..3000).map(|_| network.connect(Doubles)).collect();
    for client in &clients {
        network.send(*client, b"a");
    }
    // Offloaded in the first turn, done before the second, reported in it.
    network.turn();
    network.turn();
    let served = clients.iter().filter(|client| !network.received(**client).is_empty()).count();
    assert_eq!(served, 1024);
    // Ending connections drop their offloaded work.
    for client in &clients[1000..] {
        network.reset(*client);
    }
    network.settle();
    assert_eq!(network.connections(), 1000);
    network.send(clients[0], b"b");
    network.settle();
    assert_eq!(network.received(clients[0]), b"bb");
}

fn site() -> Web {
    Web::new()
        .get("/sum", |_, reply| {
            reply.offload(|| Ok(Response::new(200).text((1..=100).sum::<u32>().to_string())))
        })
        .get("/fails", |_, reply| {
            reply.offload(|| Ok(Response::new(200).text(std::fs::read_to_string("/no/such/file")?)))
        })
        .get("/panics", |_, reply| reply.offload(|| panic!("asked to")))
        .get("/now", |_, reply| reply.text("now"))
}

#[test]
fn a_route_may_answer_from_a_worker() {
    let mut site = site();
    for mut network in [Network::new(Limits::default()), Network::with_workers(Limits::default())] {
        let client = network.connect(site.accept(Peer::unix().into()).unwrap());
        for path in ["/sum", "/now", "/fails", "/now", "/panics", "/sum"] {
            network.send(client, format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
        }
        network.settle();
        let answers = String::from_utf8(network.received(client)).unwrap();
        let told: Vec<&str> = answers
            .split("HTTP/1.1 ")
            .skip(1)
            .map(|answer| {
                if answer.starts_with("200") {
                    answer.rsplit('\n').next().unwrap()
                } else {
                    &answer[..3]
                }
            })
            .collect();
        assert_eq!(told, ["5050", "now", "500", "now", "500", "5050"]);
        assert!(!network.is_closed(client));
    }
}

#[test]
fn no_more_is_done_at_once_than_there_are_workers() {
    /// Answers with the number of pieces of work in progress while its own ran.
    struct Counts(Arc<AtomicUsize>);

    impl Handler for Counts {
        fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
            let at_once = Arc::clone(&self.0);
            cx.offload(move || {
                let count = at_once.fetch_add(1, Ordering::SeqCst) + 1;
                // Lets all other threads run.
                (0..100).for_each(|_| std::thread::yield_now());
                at_once.fetch_sub(1, Ordering::SeqCst);
                count
            });
            Ok(input.len())
        }

        fn on_notify(&mut self, note: Notification, cx: &mut Context<'_>) {
            cx.write(&[note.downcast::<usize>().unwrap() as u8]);
        }
    }

    let at_once = Arc::new(AtomicUsize::new(0));
    let limits = Limits::default().offload_workers(1);
    let server = Server::new().limits(limits);
    let service = move |_| Counts(Arc::clone(&at_once));
    let server = Running::start(server.listen("127.0.0.1:0", service).unwrap());
    let mut clients: Vec<_> = (0..20).map(|_| server.client()).collect();
    clients.iter_mut().for_each(|client| client.write_all(b"x").unwrap());
    for client in &mut clients {
        let mut count = [0];
        client.read_exact(&mut count).unwrap();
        assert_eq!(count, [1]);
    }
}

/// Offloads work for each byte: `w` waits for the test, and all others are counted.
struct Counted {
    begin: Arc<Mutex<std::sync::mpsc::Receiver<()>>>,
    done: Arc<AtomicUsize>,
}

impl Handler for Counted {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        for byte in input.iter().copied() {
            let (begin, done) = (Arc::clone(&self.begin), Arc::clone(&self.done));
            cx.offload(move || match byte {
                b'w' => drop(begin.lock().unwrap().recv()),
                _ => drop(done.fetch_add(1, Ordering::SeqCst)),
            });
        }
        Ok(input.len())
    }

    fn on_notify(&mut self, _: Notification, cx: &mut Context<'_>) {
        cx.write(b".");
    }
}

#[test]
fn work_that_no_worker_has_begun_is_dropped_with_its_connection() {
    let done = Arc::new(AtomicUsize::new(0));
    let (go, begin) = channel();
    let begin = Arc::new(Mutex::new(begin));
    let (counted, limits) = (Arc::clone(&done), Limits::default().offload_workers(1));
    let service = move |_| Counted { begin: Arc::clone(&begin), done: Arc::clone(&counted) };
    let server = Server::new().limits(limits).listen("127.0.0.1:0", service).unwrap();
    let server = Running::start(server);
    let mut busy = server.client();
    busy.write_all(b"w").unwrap();
    until_equal("the worker has begun", 1, || server.handle.metrics().jobs);
    let mut gone: Vec<_> = (0..40).map(|_| server.client()).collect();
    gone.iter_mut().for_each(|client| client.write_all(b"xx").unwrap());
    let mut last = server.client();
    last.write_all(b"y").unwrap();
    until_equal("all work is with the worker", 42, || server.handle.metrics().jobs);
    for client in gone {
        SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    }
    until_equal("the abandoned connections have ended", 2, || server.handle.metrics().open());
    go.send(()).unwrap();
    for client in [&mut busy, &mut last] {
        client.read_exact(&mut [0]).unwrap();
    }
    assert_eq!(done.load(Ordering::SeqCst), 1);
}

/// The last call of a handler on a worker waits in the same queue as the work of others.
#[test]
fn work_is_dropped_before_the_last_call_of_its_handler() {
    let done = Arc::new(AtomicUsize::new(0));
    let (go, begin) = channel();
    let begin = Arc::new(Mutex::new(begin));
    let counted = Arc::clone(&done);
    let service = move |_| Counted { begin: Arc::clone(&begin), done: Arc::clone(&counted) };
    let server = Server::new().mode(Mode::Threads(1)).listen("127.0.0.1:0", service).unwrap();
    let server = Running::start(server);
    let jobs = |count| until_equal("jobs", count, || server.handle.metrics().jobs);
    let [mut first, mut busy, mut last] = [(); 3].map(|()| server.client());
    let mut gone: Vec<_> = (0..40).map(|_| server.client()).collect();
    jobs(43);
    first.write_all(b"w").unwrap();
    jobs(45);
    busy.write_all(b"w").unwrap();
    jobs(46);
    gone.iter_mut().for_each(|client| client.write_all(b"x").unwrap());
    last.write_all(b"y").unwrap();
    jobs(87);
    // The inputs of all are handled, and their work waits for that of the second.
    go.send(()).unwrap();
    jobs(130);
    for client in gone {
        SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    }
    // The loop has noticed the resets when it accepts for the second time.
    let later = [44, 45].map(|count| {
        let client = server.client();
        until_equal("accepted", count, || server.handle.metrics().accepted);
        client
    });
    go.send(()).unwrap();
    for client in [&mut busy, &mut last] {
        client.read_exact(&mut [0]).unwrap();
    }
    assert_eq!(done.load(Ordering::SeqCst), 1);
    drop(later);
}
