//! A connection ends orderly or is cut off, and its peer can tell the difference: an orderly end
//! comes after all bytes, a cut is a reset (RFC 9293, section 3.10.7).

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketserver::testkit::{Client, Network};
use socketserver::{Close, Context, Handler, Id, Limits, Mode, Server, ServerHandle, Timeout};

use crate::hub::network::take_all;
use crate::support::handlers::{Log, Probe, patient, tight};
use crate::support::real::{Running, soon};
use crate::support::waiting::until;

/// More than any socket accepts.
const MUCH: usize = 16 * 1024 * 1024;

/// The end of a connection as its client sees it, and the number of bytes before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Good(usize),
    Cut,
}

pub(crate) fn end_of(mut client: TcpStream) -> End {
    let (mut count, mut buffer) = (0, vec![0; 256 * 1024]);
    loop {
        match client.read(&mut buffer) {
            Ok(0) => return End::Good(count),
            Ok(n) => count += n,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return End::Cut,
            Err(error) => panic!("{error}, and no end, after {count} bytes"),
        }
    }
}

pub(crate) fn modes() -> [Mode; 3] {
    [Mode::Multiplex, Mode::Threads(2), Mode::Reactors(2)]
}

/// Writes much output at one word, ends at another, and reports its end.
struct Writer {
    id: Sender<Id>,
    ended: Sender<Close>,
}

impl Handler for Writer {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        if input.contains(&b'w') {
            cx.write(&vec![b'x'; MUCH]);
            self.id.send(cx.id()).unwrap();
        }
        if input.contains(&b'm') {
            return Err(Close::Malformed { code: 0, why: "asked for" });
        }
        if input.contains(&b'c') {
            cx.close(Close::Done);
        }
        Ok(input.len())
    }

    fn on_close(&mut self, why: &Close, _: &mut Context<'_>) {
        // The test may have ended.
        let _ = self.ended.send(why.clone());
    }
}

struct Writing {
    server: Running,
    ids: Receiver<Id>,
    ends: Receiver<Close>,
}

fn writing(mode: Mode, limits: Limits) -> Writing {
    let ((id, ids), (ended, ends)) = (channel(), channel());
    let server = Server::new().mode(mode).limits(limits);
    let server = server
        .listen("127.0.0.1:0", move |_| Writer { id: id.clone(), ended: ended.clone() })
        .unwrap();
    Writing { server: Running::start(server), ids, ends }
}

/// A client that reads nothing, with more output than its socket accepts.
fn full(writing: &Writing) -> TcpStream {
    let mut client = writing.server.client();
    client.write_all(b"w").unwrap();
    soon(&writing.ids);
    until("the socket takes some of it", || match writing.server.handle.metrics().bytes_out {
        0 => Err("nothing"),
        _ => Ok(()),
    });
    client
}

#[test]
fn an_orderly_end_comes_after_all_bytes() {
    for mode in modes() {
        for (said, why) in [
            ("wc", Close::Done),
            ("wm", Close::Malformed { code: 0, why: "asked for" }),
            // It lingers, because it has unread input.
            ("wc and words that are not read", Close::Done),
        ] {
            let writing = writing(mode, Limits::default());
            let mut client = writing.server.client();
            client.write_all(said.as_bytes()).unwrap();
            assert_eq!(end_of(client), End::Good(MUCH), "{mode:?}, {said}");
            assert_eq!(soon(&writing.ends), why, "{mode:?}, {said}");
        }
    }
}

#[test]
fn a_deadline_without_pending_output_is_an_orderly_end() {
    for mode in modes() {
        let soon_over = Some(Duration::from_millis(50));
        let silent = writing(mode, Limits::default().first_byte(soon_over));
        assert_eq!(end_of(silent.server.client()), End::Good(0), "{mode:?}");
        assert_eq!(soon(&silent.ends), Close::Timeout(Timeout::FirstByte));
        let idle = writing(mode, Limits::default().idle(soon_over));
        let mut client = idle.server.client();
        client.write_all(b"hello").unwrap();
        assert_eq!(end_of(client), End::Good(0), "{mode:?}");
        assert_eq!(soon(&idle.ends), Close::Timeout(Timeout::Idle));
    }
}

#[test]
fn stopping_is_an_orderly_end() {
    for mode in modes() {
        let writing = writing(mode, Limits::default());
        let full = full(&writing);
        writing.server.handle.stop();
        assert_eq!(end_of(full), End::Good(MUCH), "{mode:?}");
        assert_eq!(soon(&writing.ends), Close::Stopping);
        writing.server.join();
    }
}

#[test]
fn a_slow_consumer_is_cut() {
    for mode in modes() {
        let writing = writing(mode, Limits::default());
        let mut client = writing.server.client();
        client.write_all(b"w").unwrap();
        let id = soon(&writing.ids);
        until("it is too slow", || {
            let _ = writing.server.handle.send(id, vec![b'y'; 1024 * 1024]);
            writing.ends.try_recv().map(|why| assert_eq!(why, Close::SlowConsumer))
        });
        assert_eq!(end_of(client), End::Cut, "{mode:?}");
    }
}

#[test]
fn a_client_that_reads_nothing_for_too_long_is_cut() {
    for mode in modes() {
        let write_stall = Some(Duration::from_millis(100));
        let writing = writing(mode, Limits::default().write_stall(write_stall));
        let client = full(&writing);
        assert_eq!(soon(&writing.ends), Close::Timeout(Timeout::WriteStall), "{mode:?}");
        assert_eq!(end_of(client), End::Cut, "{mode:?}");
    }
}

#[test]
fn an_abort_cuts_connections_with_pending_output() {
    for mode in modes() {
        let writing = writing(mode, Limits::default());
        let client = full(&writing);
        writing.server.handle.abort();
        assert_eq!(soon(&writing.ends), Close::Stopping, "{mode:?}");
        writing.server.join();
        assert_eq!(end_of(client), End::Cut, "{mode:?}");
    }
}

#[test]
fn an_overdue_stop_cuts_connections_with_pending_output() {
    for mode in modes() {
        let drain = Duration::from_millis(100);
        let writing = writing(mode, Limits::default().drain(drain));
        let client = full(&writing);
        writing.server.handle.stop();
        assert_eq!(soon(&writing.ends), Close::Stopping, "{mode:?}");
        writing.server.join();
        assert_eq!(end_of(client), End::Cut, "{mode:?}");
    }
}

/// Blocks in the call that the first byte of its input names: `d` for `on_data`, `c` for
/// `on_close`.
struct Blocks {
    call: u8,
    entered: Sender<()>,
    release: Arc<Mutex<Receiver<()>>>,
}

impl Blocks {
    fn block(&self) {
        self.entered.send(()).unwrap();
        // Until the test ends.
        let _ = self.release.lock().unwrap().recv();
    }
}

impl Handler for Blocks {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        self.call = input[0];
        match self.call {
            b'd' => self.block(),
            b'c' => cx.close(Close::Done),
            _ => cx.write(input),
        }
        Ok(input.len())
    }

    fn on_close(&mut self, _: &Close, _: &mut Context<'_>) {
        if self.call == b'c' {
            self.block();
        }
    }
}

/// Output of the call is lost, or it could have asked for a reset.
#[test]
fn the_end_of_a_server_cuts_connections_whose_calls_have_not_returned() {
    let ends: [fn(&ServerHandle); 2] = [ServerHandle::abort, ServerHandle::stop];
    for end in ends {
        for word in [b"d", b"c"] {
            let ((entered, entries), (released, release)) = (channel(), channel());
            let release = Arc::new(Mutex::new(release));
            let limits = Limits::default().drain(Duration::from_millis(100));
            let server = Server::new().mode(Mode::Threads(1)).limits(limits);
            let server = server.listen("127.0.0.1:0", move |_| {
                let (entered, release) = (entered.clone(), Arc::clone(&release));
                Blocks { call: 0, entered, release }
            });
            let server = Running::start(server.unwrap());
            let mut waits = server.client();
            waits.write_all(b"w").unwrap();
            waits.read_exact(&mut [0]).unwrap();
            let mut client = server.client();
            client.write_all(word).unwrap();
            soon(&entries);
            end(&server.handle);
            assert_eq!(end_of(client), End::Cut, "{}", word.escape_ascii());
            assert_eq!(end_of(waits), End::Good(0), "{}", word.escape_ascii());
            drop(released);
            server.join();
        }
    }
}

type Make = fn(Limits) -> Network;

pub(crate) fn networks() -> [(&'static str, Make); 3] {
    [
        ("one loop", Network::new),
        ("workers", Network::with_workers),
        ("reactors", |limits| Network::with_reactors(limits, 2)),
    ]
}

/// A client that reads nothing, with 600 bytes of pending output.
fn stuck(network: &mut Network, log: &Log) -> Client {
    let client = network.connect(Probe::new(log).open(|cx| cx.write(&[b'x'; 600])));
    network.window(client, 10);
    network.settle();
    client
}

#[test]
fn cuts_look_like_cuts_on_a_network_in_memory() {
    for (what, make) in networks() {
        // A slow consumer.
        let (log, mut network) = (Log::default(), make(tight()));
        let client = stuck(&mut network, &log);
        let to = network.id(client);
        let other = network.connect(Probe::new(&Log::default()).data(move |input, cx| {
            cx.send(to, &*input);
            Ok(input.len())
        }));
        for _ in 0..3 {
            network.send(other, &[b'y'; 600]);
            network.settle();
        }
        assert_eq!(log.closes(), [Close::SlowConsumer], "{what}");
        assert!(network.is_closed(client) && network.is_reset(client), "{what}");

        // A client that reads nothing for too long.
        let write_stall = Some(Duration::from_secs(60));
        let (log, mut network) = (Log::default(), make(patient().write_stall(write_stall)));
        let client = stuck(&mut network, &log);
        network.advance(Duration::from_secs(70));
        assert_eq!(log.closes(), [Close::Timeout(Timeout::WriteStall)], "{what}");
        assert!(network.is_closed(client) && network.is_reset(client), "{what}");
    }
}

#[test]
fn orderly_ends_look_orderly_on_a_network_in_memory() {
    for (what, make) in networks() {
        let (log, mut network) = (Log::default(), make(tight()));
        let client = network.connect(Probe::new(&log).data(|input, cx| {
            cx.write(&[b'x'; 900]);
            cx.close(Close::Done);
            Ok(input.len())
        }));
        network.window(client, 7);
        network.send(client, b"go");
        assert_eq!(take_all(&mut network, client), [b'x'; 900], "{what}");
        assert!(network.is_closed(client) && !network.is_reset(client), "{what}");

        let limits = patient().idle(Some(Duration::from_secs(5)));
        let (log, mut network) = (Log::default(), make(limits));
        let client = network.connect(Probe::new(&log));
        network.send(client, b"hello");
        network.advance(Duration::from_secs(10));
        assert_eq!(log.closes(), [Close::Timeout(Timeout::Idle)], "{what}");
        assert!(network.is_closed(client) && !network.is_reset(client), "{what}");
    }
}
