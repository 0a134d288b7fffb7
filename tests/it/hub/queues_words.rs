//! The rest of the table of [`queues`](crate::hub::queues): a server that ends while messages wait,
//! from other threads, between reactors, and as datagrams; and while connections are being made.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use socketserver::{
    Address, Close, Context, DatagramContext, Destination, HandleError, Handler, Id, Limits, Mode,
    Notification, Server, Topic,
};

use crate::net::datagrams;
use crate::support::queue::{Counted, End, Gate, Keeper, cells, gate, in_time, last_heard};
use crate::support::real::{PATIENCE, Running, soon};
use crate::support::waiting::{until, until_equal};

cells! {
    commands_of_other_threads: Drain Abort;
    words_for_another_reactor: Drain Abort;
    newcomers_for_another_reactor: Drain Abort;
    datagrams_that_have_come: Drain Abort;
    datagrams_to_be_sent: Drain Abort;
    connections_in_the_making: Drain Overdue Abort;
}

const COUNT: usize = 5;

/// Reports its id, blocks at `b`, writes the text of notes, and passes all other input on to the
/// next member of `to`, in all ways.
struct Member {
    ids: Sender<Id>,
    gate: Arc<Gate>,
    ends: Arc<AtomicUsize>,
    to: Arc<Mutex<Option<Id>>>,
    dropped: Arc<AtomicUsize>,
}

/// A note that counts its drop.
struct Word(&'static [u8], Counted);

impl Handler for Member {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.join(&Topic::new("all"));
        let thread = std::thread::current();
        let is_first = !thread.name().is_some_and(|name| name.starts_with("reactor-"));
        cx.write(if is_first { b"0" } else { b"1" });
        let _ = self.ids.send(cx.id());
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let to = *self.to.lock().unwrap();
        match (input[0], to) {
            (b'b', _) => self.gate.pass(),
            (_, Some(to)) => {
                cx.send(to, *b"sent ");
                cx.publish(&Topic::new("all"), *b"published ");
                cx.notify(to, Word(b"told ", Counted(Arc::clone(&self.dropped))));
                cx.forward(to, *b"forwarded ");
                cx.write(b"passed on");
            }
            _ => cx.write(input),
        }
        Ok(input.len())
    }

    fn on_notify(&mut self, note: Notification, cx: &mut Context<'_>) {
        if let Ok(word) = note.downcast::<Word>() {
            cx.write(word.0);
            let Counted(_) = &word.1;
        }
    }

    fn on_close(&mut self, _: &Close, _: &mut Context<'_>) {
        self.ends.fetch_add(1, Ordering::SeqCst);
    }
}

struct Members {
    server: Running,
    keeper: Keeper,
    ids: std::sync::mpsc::Receiver<Id>,
    to: Arc<Mutex<Option<Id>>>,
    ends: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

fn members(mode: Mode, end: End) -> Members {
    let ((gate, keeper), (sender, ids)) = (gate(), channel());
    let [ends, dropped] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let to = Arc::default();
    let of_service = (Arc::clone(&ends), Arc::clone(&dropped), Arc::clone(&to));
    let service = move |_| Member {
        ids: sender.clone(),
        gate: Arc::clone(&gate),
        ends: Arc::clone(&of_service.0),
        dropped: Arc::clone(&of_service.1),
        to: Arc::clone(&of_service.2),
    };
    let server = Server::new().mode(mode);
    let server = Running::start(
        server.limits(in_time(Limits::default(), end)).listen("127.0.0.1:0", service).unwrap(),
    );
    Members { server, keeper, ids, to, ends, dropped }
}

impl Members {
    fn enter(&self) -> (TcpStream, Id) {
        let mut client = self.server.client();
        client.read_exact(&mut [0]).expect("a greeting");
        (client, soon(&self.ids))
    }

    /// Connects one member to the first reactor, which accepts, and one to the second. (Reactors
    /// get new connections in turn.)
    fn enter_both(&self) -> [(TcpStream, Id); 2] {
        let mut both = [(); 2].map(|()| {
            let mut client = self.server.client();
            let mut greeting = [0];
            client.read_exact(&mut greeting).expect("a greeting");
            (greeting, client, soon(&self.ids))
        });
        both.sort_by_key(|(greeting, ..)| *greeting);
        assert_eq!([both[0].0, both[1].0], [*b"0", *b"1"], "one for each reactor");
        both.map(|(_, client, id)| (client, id))
    }
}

fn commands_of_other_threads(end: End) {
    for mode in [Mode::Multiplex, Mode::Threads(2), Mode::Reactors(1)] {
        let all = members(mode, end);
        let (mut client, id) = all.enter();
        let (mut busy, _) = all.enter();
        busy.write_all(b"b").unwrap();
        all.keeper.is_held_up();
        let handle = all.server.handle.clone();
        for _ in 0..COUNT {
            handle.send(id, *b"sent ").unwrap();
            handle.publish(&Topic::new("all"), *b"published ").unwrap();
            handle.notify(id, Word(b"told ", Counted(Arc::clone(&all.dropped)))).unwrap();
        }
        all.server.end_by(end);
        all.keeper.let_go();
        all.server.join();
        let heard = String::from_utf8(last_heard(&mut client)).unwrap();
        if end == End::Drain {
            // Published messages come at the end of a turn.
            for word in ["sent ", "published ", "told "] {
                assert_eq!(heard.matches(word).count(), COUNT, "{mode:?}: {heard}");
            }
        }
        // Except for one that is on a worker, which is not waited for.
        let with_a_worker = usize::from(end == End::Abort && mode == Mode::Threads(2));
        let told = all.ends.load(Ordering::SeqCst);
        assert!((2 - with_a_worker..=2).contains(&told), "{mode:?}: {told} were told the end");
        until_equal("every note is dropped", COUNT, || all.dropped.load(Ordering::SeqCst));
        assert_eq!(handle.send(id, *b"late"), Err(HandleError::Gone), "{mode:?}");
    }
}

fn words_for_another_reactor(end: End) {
    let all = members(Mode::Reactors(2), end);
    let [(mut one, _), (mut other, other_id)] = all.enter_both();
    *all.to.lock().unwrap() = Some(other_id);
    other.write_all(b"b").unwrap();
    all.keeper.is_held_up();
    one.write_all(b"x").unwrap();
    let mut said = [0; 9];
    one.read_exact(&mut said).expect("a word back, with which the others have left");
    all.server.end_by(end);
    all.keeper.let_go();
    all.server.join();
    let heard = String::from_utf8(last_heard(&mut other)).unwrap();
    if end == End::Drain {
        // Published messages come at the end of a turn, in which the member may have closed.
        for word in ["sent ", "told ", "forwarded "] {
            assert_eq!(heard.matches(word).count(), 1, "{heard}");
        }
    }
    assert_eq!(last_heard(&mut one), b"");
    assert_eq!(all.ends.load(Ordering::SeqCst), 2);
    until_equal("the note is dropped", 1, || all.dropped.load(Ordering::SeqCst));
}

fn newcomers_for_another_reactor(end: End) {
    let all = members(Mode::Reactors(2), end);
    let [_one, (mut other, _)] = all.enter_both();
    other.write_all(b"b").unwrap();
    all.keeper.is_held_up();
    let mut late: Vec<TcpStream> = (0..2 * COUNT).map(|_| all.server.client()).collect();
    let accepted = 2 * COUNT as u64 + 2;
    until_equal("all are accepted", accepted, || all.server.handle.metrics().accepted);
    all.server.end_by(end);
    all.keeper.let_go();
    let handle = all.server.handle.clone();
    all.server.join();
    let greeted = late.iter_mut().map(last_heard).filter(|heard| !heard.is_empty()).count();
    if end == End::Drain {
        assert_eq!(greeted, 2 * COUNT, "{:?}", handle.metrics());
    }
    // Each opened handler was closed.
    let (begun, ended) = (all.ids.try_iter().count() + 2, all.ends.load(Ordering::SeqCst));
    assert_eq!(begun, ended, "{:?}", handle.metrics());
    assert_eq!(handle.metrics().open(), 0, "{:?}", handle.metrics());
}

/// More than are received in one turn.
const DATAGRAMS: usize = 200;

fn datagrams_that_have_come(end: End) {
    let (gate, keeper) = gate();
    let server = Server::new();
    let server = Running::start(
        server
            .listen_datagrams(
                "udp:127.0.0.1:0",
                move |datagram: &[u8], cx: &mut DatagramContext<'_>| {
                    if datagram == b"b" {
                        gate.pass();
                    }
                    cx.reply(datagram);
                },
            )
            .unwrap(),
    );
    let client = datagrams::client(&server.addresses);
    client.send(b"b").unwrap();
    keeper.is_held_up();
    for n in 0..DATAGRAMS {
        client.send(n.to_string().as_bytes()).unwrap();
    }
    server.end_by(end);
    keeper.let_go();
    let handle = server.handle.clone();
    server.join();
    let answers = answers(&client);
    match end {
        End::Abort => assert!(answers <= DATAGRAMS, "{answers}"),
        _ => assert_eq!(answers, DATAGRAMS + 1, "{:?}", handle.metrics()),
    }
    let metrics = handle.metrics();
    assert_eq!(metrics.datagrams_in, metrics.datagrams_out + metrics.datagrams_lost);
}

/// The number of answers in the socket of a client whose server has ended.
fn answers(client: &UdpSocket) -> usize {
    client.set_nonblocking(true).unwrap();
    (0..).take_while(|_| client.recv(&mut [0; 16]).is_ok()).count()
}

fn datagrams_to_be_sent(end: End) {
    let folder = tempfile::tempdir().unwrap();
    let (server_path, client_path) = (folder.path().join("server"), folder.path().join("client"));
    let server = Server::new();
    let server = Running::start(
        server.listen_datagrams(Address::UnixGram(server_path.clone()), datagrams::echo).unwrap(),
    );
    let client = UnixDatagram::bind(client_path).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.set_write_timeout(Some(PATIENCE)).unwrap();
    for n in 0..DATAGRAMS {
        client.send_to(n.to_string().as_bytes(), &server_path).unwrap();
    }
    let count = DATAGRAMS as u64;
    until_equal("all have come", count, || server.handle.metrics().datagrams_in);
    let handle = server.handle.clone();
    let waiting = count - handle.metrics().datagrams_out;
    assert!(waiting > 0, "the queue of a client that does not read holds all");
    server.end_by(end);
    server.join();
    client.set_nonblocking(true).unwrap();
    let answers = (0..).take_while(|_| client.recv(&mut [0; 16]).is_ok()).count() as u64;
    let metrics = handle.metrics();
    assert_eq!(metrics.datagrams_out, answers, "{metrics:?}");
    if end == End::Drain {
        assert_eq!(metrics.datagrams_lost, count - answers, "what waits is counted: {metrics:?}");
    }
}

/// Makes an outgoing connection, and ends if that fails.
struct Wants {
    to: Destination,
    told: Sender<&'static str>,
    dropped: Arc<AtomicUsize>,
}

struct Wanted {
    front: Id,
    told: Sender<&'static str>,
    _dropped: Counted,
}

impl Handler for Wants {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        let dropped = Counted(Arc::clone(&self.dropped));
        let wanted = Wanted { front: cx.id(), told: self.told.clone(), _dropped: dropped };
        cx.connect(self.to.clone(), wanted);
        cx.write(b"!");
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }

    fn on_notify(&mut self, _: Notification, cx: &mut Context<'_>) {
        cx.close(Close::Done);
    }

    fn on_stop(&mut self, _: &mut Context<'_>) {}

    fn on_close(&mut self, _: &Close, _: &mut Context<'_>) {
        let _ = self.told.send("close");
    }
}

impl Handler for Wanted {
    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }

    fn on_unreachable(&mut self, _: &std::io::Error, cx: &mut Context<'_>) {
        let _ = self.told.send("unreachable");
        cx.notify(self.front, ());
    }
}

/// A listener with a full queue: a connection to it gets neither an answer nor a refusal.
pub(crate) fn silent() -> (Socket, SocketAddr, Vec<TcpStream>) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut held = Vec::new();
    until("its queue is full", || {
        match TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            Ok(stream) => {
                held.push(stream);
                Err("there is room")
            }
            Err(_) => Ok(()),
        }
    });
    (socket, address, held)
}

fn connections_in_the_making(end: End) {
    let (_socket, address, _held) = silent();
    let ((told_to, told), dropped) = (channel(), Arc::new(AtomicUsize::new(0)));
    let of_service = Arc::clone(&dropped);
    let service = move |_| Wants {
        to: Address::from(address).into(),
        told: told_to.clone(),
        dropped: Arc::clone(&of_service),
    };
    let limits = Limits::default().connect(Some(Duration::from_millis(700)));
    let server = Server::new().limits(in_time(limits, end));
    let server = Running::start(server.listen("127.0.0.1:0", service).unwrap());
    let mut client = server.client();
    client.read_exact(&mut [0]).expect("a greeting");
    server.end_by(end);
    let handle = server.handle.clone();
    server.join();
    assert_eq!(last_heard(&mut client), b"");
    let told: Vec<&str> = told.try_iter().collect();
    match end {
        // There is time for the attempt to fail.
        End::Drain => assert_eq!(told, ["unreachable", "close"]),
        End::Overdue | End::Abort => assert_eq!(told.last(), Some(&"close"), "{told:?}"),
    }
    until_equal("its handler is dropped", 1, || dropped.load(Ordering::SeqCst));
    assert_eq!(handle.metrics().open(), 0);
}
