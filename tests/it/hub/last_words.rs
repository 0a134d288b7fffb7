//! The end of a server: waiting connections are served, each note is received or returned, and
//! every handler is told of the end.

use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use socketserver::testkit::Network;
use socketserver::{
    BlockingHandler, Close, Context, Handler, Id, Limits, Mode, Notification, Server, Stream,
};

use crate::support::handlers::{Log, Probe};
use crate::support::real::{PATIENCE, Running, connect, read_to_end, soon, until_refused};
use crate::support::waiting::until_equal;

/// One handler waits in `on_close` until the other one has sent it a note.
struct Teller {
    ending: Receiver<()>,
    to: Arc<Mutex<Option<Id>>>,
    told: Sender<()>,
    returned: Sender<bool>,
}

struct Ends {
    ending: Sender<()>,
    id: Arc<Mutex<Option<Id>>>,
    told: Receiver<()>,
    opened: Sender<()>,
}

impl Handler for Ends {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        *self.id.lock().unwrap() = Some(cx.id());
        cx.write(b"!");
        self.opened.send(()).unwrap();
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }

    fn on_close(&mut self, _: &Close, _: &mut Context<'_>) {
        self.ending.send(()).unwrap();
        self.told.recv_timeout(PATIENCE).unwrap();
    }
}

impl Handler for Teller {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.write(b"!");
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }

    fn on_stop(&mut self, cx: &mut Context<'_>) {
        self.ending.recv_timeout(PATIENCE).unwrap();
        cx.notify(self.to.lock().unwrap().unwrap(), "note");
        cx.set_timer(0, Duration::from_millis(1));
    }

    fn on_timer(&mut self, _: u64, _: &mut Context<'_>) {
        // A turn later, so the note has been delivered.
        self.told.send(()).unwrap();
    }

    fn on_notify(&mut self, note: Notification, cx: &mut Context<'_>) {
        self.returned.send(matches!(note, Notification::Undelivered { .. })).unwrap();
        cx.close(Close::Done);
    }
}

#[test]
fn a_note_to_a_reactor_that_ends_comes_back() {
    let limits = Limits::default().drain(Duration::from_secs(5));
    let id = Arc::new(Mutex::new(None));
    let (told, tell) = channel();
    let (returned, came_back) = channel();
    let (opened, has_opened) = channel();
    let (ending, ends) = channel();
    let mut tell = Some(tell);
    let mut ends = Some(ends);
    let mut count = 0;
    let server = Server::new().mode(Mode::Reactors(2)).limits(limits);
    let server = server
        .listen("127.0.0.1:0", move |_| -> Box<dyn Handler> {
            count += 1;
            // The first newcomer goes to the second reactor.
            match count {
                1 => Box::new(Ends {
                    ending: ending.clone(),
                    id: Arc::clone(&id),
                    told: tell.take().unwrap(),
                    opened: opened.clone(),
                }),
                _ => Box::new(Teller {
                    ending: ends.take().unwrap(),
                    to: Arc::clone(&id),
                    told: told.clone(),
                    returned: returned.clone(),
                }),
            }
        })
        .unwrap();
    let server = Running::start(server);
    let mut first = server.client();
    soon(&has_opened);
    let mut second = server.client();
    for client in [&mut first, &mut second] {
        client.read_exact(&mut [0]).unwrap();
        client.write_all(b"x").unwrap();
    }
    until_equal("both have been read", 2, || server.handle.metrics().bytes_in);
    server.handle.stop();
    assert!(soon(&came_back));
    server.join();
}

#[test]
fn a_connection_that_waits_for_room_is_served_when_the_server_stops() {
    let limits = Limits::default().connections(1);
    let server = Server::new().limits(limits);
    let server = server
        .listen("127.0.0.1:0", |_| {
            Probe::new(&Log::default())
                .data(|input, cx| {
                    cx.write(input);
                    Ok(input.len())
                })
                .stop(|cx| {
                    cx.write(b"bye");
                    cx.close(Close::Stopping);
                })
        })
        .unwrap();
    let server = Running::start(server);
    let mut first = server.client();
    first.write_all(b"1").unwrap();
    first.read_exact(&mut [0]).unwrap();
    let mut second = connect(server.tcp(0));
    second.write_all(b"2").unwrap();
    server.handle.stop();
    assert_eq!(read_to_end(&mut first), b"bye");
    assert_eq!(read_to_end(&mut second), b"2bye");
    server.join();
}

/// A blocking handler answers and leaves input unread, just as a stopping server checks if it can
/// end.
struct Answers(Receiver<()>, Sender<()>);

impl BlockingHandler for Answers {
    fn handle(&mut self, stream: &mut Stream) -> std::io::Result<()> {
        stream.read_exact(&mut [0])?;
        self.1.send(()).unwrap();
        self.0.recv_timeout(PATIENCE).unwrap();
        stream.write_all(b"answer")
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.1.send(()).unwrap();
    }
}

struct Blocks(Sender<()>, Receiver<()>);

impl Drop for Blocks {
    fn drop(&mut self) {
        self.0.send(()).unwrap();
        self.1.recv_timeout(PATIENCE).unwrap();
        // The last action of the worker is to remove it from the table.
        for _ in 0..1000 {
            thread::yield_now();
        }
    }
}

#[test]
fn a_blocking_connection_may_linger_while_the_server_stops() {
    let (go, gone) = channel();
    let (tell, told) = channel();
    let mut gone = Some(gone);
    let server = Server::new().mode(Mode::Threads(1));
    let server = server
        .listen_blocking("127.0.0.1:0", move |_| Answers(gone.take().unwrap(), tell.clone()))
        .unwrap();
    let server = Running::start(server);
    let mut client = server.client();
    // More than one read returns.
    client.write_all(&vec![0; 200_000]).unwrap();
    soon(&told);
    server.handle.stop();
    until_refused(server.tcp(0));
    let nobody = {
        let mut network = Network::new(Limits::default());
        let client = network.connect(crate::support::handlers::Echo);
        network.id(client)
    };
    server.handle.notify(nobody, Blocks(go, told)).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut client), b"answer");
    server.join();
}

/// Its work waits for a worker that is never free.
#[test]
fn a_handler_that_waits_for_a_worker_is_told_of_the_end() {
    let limits = Limits::default().drain(Duration::from_millis(100));
    let (blocked, is_blocked) = channel::<()>();
    let (_never, let_go) = channel::<()>();
    let let_go = Arc::new(Mutex::new(let_go));
    let log = Log::default();
    let of_service = log.clone();
    let server = Server::new().mode(Mode::Threads(1)).limits(limits);
    let server = server
        .listen("127.0.0.1:0", move |_| {
            let (blocked, let_go) = (blocked.clone(), Arc::clone(&let_go));
            Probe::new(&of_service).open(|cx| cx.write(b"!")).data(move |input, _| {
                if input[0] == b'b' {
                    blocked.send(()).unwrap();
                    let _ = let_go.lock().unwrap().recv_timeout(Duration::from_secs(2));
                }
                Ok(input.len())
            })
        })
        .unwrap();
    let server = Running::start(server);
    let mut clients = [server.client(), server.client()];
    for client in &mut clients {
        client.read_exact(&mut [0]).unwrap();
    }
    clients[0].write_all(b"b").unwrap();
    soon(&is_blocked);
    clients[1].write_all(b"w").unwrap();
    until_equal("both have been read", 2, || server.handle.metrics().bytes_in);
    server.handle.stop();
    server.join();
    // One is on the blocked worker, and is not waited for.
    assert_eq!(log.closes(), [Close::Stopping]);
}
