//! A server that ends while requests wait, in each queue and for each way to end. They are served
//! if there is time, and otherwise dropped and told so. None is forgotten, and none keeps the
//! server from ending.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use socketserver::{
    BlockingHandler, Close, Context, Handler, Limits, Mode, Notification, Server, Stream,
};

use crate::support::queue::{Counted, End, Gate, Stage, cells, gate, in_time, last_heard};
use crate::support::real::{Running, until_refused};
use crate::support::waiting::until_equal;

cells! {
    peers_above_their_limit: Drain Overdue Abort;
    newcomers_without_room: Drain Overdue Abort;
    newcomers_without_room_with_workers: Drain Overdue Abort;
    newcomers_without_room_in_reactors: Drain Overdue Abort;
    calls_that_wait_for_a_worker: Drain Overdue Abort;
    work_that_waits_for_a_thread: Drain Overdue Abort;
    blocking_handlers_that_wait_for_a_worker: Drain Overdue Abort;
}

/// The number of waiting requests.
const COUNT: usize = 5;

/// They have been waiting since the previous turn when the server is told to end.
fn peers_above_their_limit(end: End) {
    let limits = Limits::default().connections_per_peer(Some(1));
    let stage = Stage::new(Mode::Multiplex, limits, end, false);
    let mut first = stage.holding_up();
    // The next turn accepts these and blocks again.
    let mut held: Vec<TcpStream> = (0..COUNT).map(|_| stage.server.client()).collect();
    first.write_all(b"b").unwrap();
    stage.keeper.let_go();
    stage.keeper.is_held_up();
    stage.server.end_by(end);
    stage.keeper.let_go();
    for client in &mut held {
        assert_eq!(last_heard(client), b"");
    }
    assert_eq!(last_heard(&mut first), b"");
    let (handle, ends) = (stage.server.handle.clone(), stage.ends());
    stage.server.join();
    let metrics = handle.metrics();
    assert_eq!(ends.load(Ordering::SeqCst), 1, "{metrics:?}");
    if end != End::Abort {
        assert_eq!((metrics.accepted, metrics.refused_by_limit), (6, 5), "{metrics:?}");
    }
    assert_eq!((metrics.opened, metrics.open()), (1, 0), "{metrics:?}");
}

fn newcomers_without_room(end: End) {
    without_room(Mode::Multiplex, end);
}

fn newcomers_without_room_with_workers(end: End) {
    without_room(Mode::Threads(2), end);
}

fn newcomers_without_room_in_reactors(end: End) {
    without_room(Mode::Reactors(3), end);
}

fn without_room(mode: Mode, end: End) {
    const ROOM: usize = 3;
    let limits = Limits::default().connections(ROOM);
    let stage = Stage::new(mode, limits, end, true);
    let mut inside: Vec<TcpStream> = (0..ROOM).map(|_| stage.greeted()).collect();
    let mut waiting: Vec<TcpStream> = (0..COUNT).map(|_| stage.server.client()).collect();
    stage.server.handle.stop();
    until_refused(stage.server.tcp(0));
    match end {
        End::Drain => {
            for client in &mut waiting {
                // One closes, and one of the waiting connections is accepted.
                let mut leaving = inside.remove(0);
                leaving.write_all(b"q").unwrap();
                assert_eq!(last_heard(&mut leaving), b"");
                client.read_exact(&mut [0]).expect("a greeting");
                inside.push(client.try_clone().unwrap());
            }
            for mut client in inside {
                client.write_all(b"q").unwrap();
            }
        }
        End::Overdue => {}
        End::Abort => stage.server.handle.abort(),
    }
    let handle = stage.server.handle.clone();
    let (begins, ends) = (stage.begins(), stage.ends());
    stage.server.join();
    for client in &mut waiting {
        assert_eq!(last_heard(client), b"", "{end:?}");
    }
    // The connections that check if the listener is closed may have been accepted as well.
    let (metrics, begins) = (handle.metrics(), begins.load(Ordering::SeqCst));
    assert_eq!(ends.load(Ordering::SeqCst), begins, "told the beginning and the end: {metrics:?}");
    let served = if end == End::Drain { ROOM + COUNT } else { ROOM };
    assert!(begins >= served, "{begins} of {served}: {metrics:?}");
    assert_eq!(metrics.open(), 0, "{metrics:?}");
    if end == End::Abort {
        assert_eq!(metrics.opened, ROOM as u64, "nobody comes in any more: {metrics:?}");
    }
}

fn calls_that_wait_for_a_worker(end: End) {
    let stage = Stage::new(Mode::Threads(1), Limits::default(), end, false);
    let mut clients: Vec<TcpStream> = (0..COUNT).map(|_| stage.greeted()).collect();
    let mut first = stage.holding_up();
    for client in &mut clients {
        client.write_all(b"x").unwrap();
    }
    let read = COUNT as u64 + 1;
    until_equal("all have been read", read, || stage.server.handle.metrics().bytes_in);
    stage.server.end_by(end);
    if end == End::Drain {
        stage.keeper.let_go();
    }
    let (handle, ends) = (stage.server.handle.clone(), stage.ends());
    // Otherwise the server does not wait for the worker.
    stage.server.join();
    let heard: &[u8] = if end == End::Drain { b"x" } else { b"" };
    for client in &mut clients {
        assert_eq!(last_heard(client), heard);
    }
    assert_eq!(last_heard(&mut first), b"");
    let told = if end == End::Drain { COUNT + 1 } else { COUNT };
    assert_eq!(ends.load(Ordering::SeqCst), told, "{:?}", handle.metrics());
    assert_eq!(handle.metrics().open(), 0, "{:?}", handle.metrics());
}

/// Offloads work to a thread, and ends with its result.
struct Offloads {
    gate: Arc<Gate>,
    done: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
    ends: Arc<AtomicUsize>,
}

impl Handler for Offloads {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let (is_first, gate) = (input[0] == b'b', Arc::clone(&self.gate));
        let (done, guard) = (Arc::clone(&self.done), Counted(Arc::clone(&self.dropped)));
        cx.offload(move || {
            let _guard = guard;
            if is_first {
                gate.pass();
            }
            done.fetch_add(1, Ordering::SeqCst)
        });
        Ok(input.len())
    }

    fn on_notify(&mut self, _: Notification, cx: &mut Context<'_>) {
        cx.write(b"done");
        cx.close(Close::Done);
    }

    fn on_stop(&mut self, _: &mut Context<'_>) {}

    fn on_close(&mut self, _: &Close, _: &mut Context<'_>) {
        self.ends.fetch_add(1, Ordering::SeqCst);
    }
}

fn work_that_waits_for_a_thread(end: End) {
    let (gate, keeper) = gate();
    let [done, dropped, ends] = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
    let of_service = [&done, &dropped, &ends].map(Arc::clone);
    let service = move |_| {
        let [done, dropped, ends] = of_service.each_ref().map(Arc::clone);
        Offloads { gate: Arc::clone(&gate), done, dropped, ends }
    };
    let limits = Limits::default().offload_workers(1);
    let server = Server::new().limits(in_time(limits, end));
    let server = Running::start(server.listen("127.0.0.1:0", service).unwrap());
    let mut clients: Vec<TcpStream> = (0..=COUNT).map(|_| server.client()).collect();
    clients[0].write_all(b"b").unwrap();
    keeper.is_held_up();
    for client in &mut clients[1..] {
        client.write_all(b"x").unwrap();
    }
    let read = COUNT as u64 + 1;
    until_equal("all have been read", read, || server.handle.metrics().bytes_in);
    server.end_by(end);
    if end == End::Drain {
        keeper.let_go();
    }
    server.join();
    let (work, heard): (_, &[u8]) = if end == End::Drain { (COUNT + 1, b"done") } else { (0, b"") };
    for client in &mut clients {
        assert_eq!(last_heard(client), heard);
    }
    assert_eq!(done.load(Ordering::SeqCst), work);
    assert_eq!(ends.load(Ordering::SeqCst), COUNT + 1);
    // Work that was never begun is dropped; the piece in progress continues by itself.
    let none_left = if end == End::Drain { COUNT + 1 } else { COUNT };
    until_equal("what waits is dropped", none_left, || dropped.load(Ordering::SeqCst));
}

/// Serves a line when it gets a worker.
struct Waits {
    gate: Arc<Gate>,
    served: Arc<AtomicUsize>,
    _dropped: Counted,
}

impl BlockingHandler for Waits {
    fn handle(&mut self, stream: &mut Stream) -> io::Result<()> {
        if self.served.fetch_add(1, Ordering::SeqCst) == 0 {
            self.gate.pass();
        }
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        stream.write_all(&byte)
    }
}

fn blocking_handlers_that_wait_for_a_worker(end: End) {
    let (gate, keeper) = gate();
    let [served, dropped, asked] = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
    let of_service = [&served, &dropped, &asked].map(Arc::clone);
    let service = move |_| {
        let [served, dropped, asked] = of_service.each_ref().map(Arc::clone);
        asked.fetch_add(1, Ordering::SeqCst);
        Waits { gate: Arc::clone(&gate), served, _dropped: Counted(dropped) }
    };
    let server = Server::new().mode(Mode::Threads(1));
    let server = Running::start(
        server
            .limits(in_time(Limits::default(), end))
            .listen_blocking("127.0.0.1:0", service)
            .unwrap(),
    );
    let mut clients: Vec<TcpStream> = (0..=COUNT).map(|_| server.client()).collect();
    for client in &mut clients {
        client.write_all(b"x").unwrap();
    }
    keeper.is_held_up();
    until_equal("all have been accepted", COUNT + 1, || asked.load(Ordering::SeqCst));
    server.end_by(end);
    if end == End::Drain {
        keeper.let_go();
    }
    let handle = server.handle.clone();
    server.join();
    let (calls, heard): (_, &[u8]) = if end == End::Drain { (COUNT + 1, b"x") } else { (1, b"") };
    for client in &mut clients {
        assert_eq!(last_heard(client), heard);
    }
    assert_eq!(served.load(Ordering::SeqCst), calls);
    if end == End::Drain {
        until_equal("every handler is dropped", COUNT + 1, || dropped.load(Ordering::SeqCst));
        assert_eq!(handle.metrics().open(), 0);
        return;
    }
    // Handlers that waited get no callback, because they were never opened; they are dropped and
    // counted.
    until_equal("the waiting handlers are dropped", COUNT, || dropped.load(Ordering::SeqCst));
    assert_eq!(handle.metrics().closed(&Close::Stopping), COUNT as u64);
    // The handler in progress finds its connection closed.
    keeper.let_go();
    until_equal("the last is dropped", COUNT + 1, || dropped.load(Ordering::SeqCst));
    until_equal("nothing is open", 0, || handle.metrics().open());
}
