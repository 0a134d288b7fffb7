//! Misuse and accidents: failed answers, late upgrades, files of other programs, extreme limits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use socketserver::services::web::Web;
use socketserver::testkit::Network;
use socketserver::{Close, Context, Handler, Limits, Peer, Server, Service, Topic};

use crate::support::handlers::{Log, Probe, Told};
use crate::support::log::listen;

fn web(network: &mut Network, mut web: Web) -> socketserver::testkit::Client {
    let handler = web.accept(Peer::unix().into()).unwrap();
    network.connect(handler)
}

#[test]
fn a_failed_answer_to_head_has_no_body() {
    let mut network = Network::new(Limits::default());
    let site = Web::new().get("/", |_, _| Err("no".into()));
    let client = web(&mut network, site);
    network.send(client, b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    network.settle();
    let said = String::from_utf8(network.received(client)).unwrap();
    assert!(said.starts_with("HTTP/1.1 500 "), "{said}");
    assert!(said.ends_with("\r\n\r\n"), "{said}");
}

type Seen = Arc<Mutex<Vec<&'static str>>>;

struct Second(Seen);

impl Handler for Second {
    fn on_open(&mut self, _: &mut Context<'_>) {
        self.0.lock().unwrap().push("open");
    }
    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        self.0.lock().unwrap().push("data");
        Ok(input.len())
    }
    fn on_eof(&mut self, cx: &mut Context<'_>) {
        self.0.lock().unwrap().push("eof");
        cx.close(Close::Eof);
    }
    fn on_timer(&mut self, _: u64, _: &mut Context<'_>) {
        self.0.lock().unwrap().push("wake");
    }
    fn on_stop(&mut self, cx: &mut Context<'_>) {
        self.0.lock().unwrap().push("stop");
        cx.close(Close::Stopping);
    }
    fn on_close(&mut self, _: &Close, _: &mut Context<'_>) {
        self.0.lock().unwrap().push("close");
    }
}

#[derive(Clone, Copy, PartialEq)]
enum At {
    Drain,
    Stop,
    Eof,
    Data,
    Twice,
}

struct First(At, Seen);

impl Handler for First {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        if self.0 == At::Twice {
            cx.upgrade(First(At::Data, Arc::clone(&self.1)));
        }
    }
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        match self.0 {
            At::Drain => cx.write(&[0; 100_000]),
            At::Data => {
                cx.upgrade(Second(Arc::clone(&self.1)));
            }
            _ => {}
        }
        Ok(if self.0 == At::Stop { input.len() } else { 1 })
    }
    fn on_drain(&mut self, cx: &mut Context<'_>) {
        cx.upgrade(Second(Arc::clone(&self.1)));
    }
    fn on_eof(&mut self, cx: &mut Context<'_>) {
        if self.0 == At::Eof {
            cx.upgrade(Second(Arc::clone(&self.1)));
        }
    }
    fn on_stop(&mut self, cx: &mut Context<'_>) {
        if self.0 == At::Stop {
            cx.upgrade(Second(Arc::clone(&self.1)));
        }
    }
}

fn upgraded(
    at: At,
    then: impl FnOnce(&mut Network, socketserver::testkit::Client),
) -> Vec<&'static str> {
    let seen = Seen::default();
    let mut network = Network::new(Limits::default());
    let client = network.connect(First(at, Arc::clone(&seen)));
    network.send(client, b"ab");
    network.settle();
    then(&mut network, client);
    network.settle();

    seen.lock().unwrap().clone()
}

#[test]
fn an_upgrade_while_draining_opens_before_it_hands_on_input() {
    assert_eq!(upgraded(At::Drain, |_, _| {}), ["open", "data"]);
}

#[test]
fn an_upgrade_while_stopping_is_asked_to_stop_too() {
    assert_eq!(upgraded(At::Stop, |network, _| network.stop()), ["open", "stop", "close"]);
}

#[test]
fn an_upgrade_at_the_end_is_told_of_the_end() {
    let seen = upgraded(At::Eof, |network, client| network.shut(client));
    assert_eq!(seen, ["open", "eof", "close"]);
}

#[test]
fn an_upgrade_in_on_open_opens_one_after_the_other() {
    assert_eq!(upgraded(At::Twice, |_, _| {}), ["open", "data"]);
}

#[test]
fn limits_that_check_says_are_good_do_not_panic() {
    let limits = Limits::default().output_high(usize::MAX).output_hard(usize::MAX);
    assert!(limits.check().is_err() || std::panic::catch_unwind(|| Network::new(limits)).is_ok());
}

#[test]
fn a_file_that_took_the_place_of_the_socket_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let address = format!("unix:{}", path.display());
    let server = Server::bind(address.as_str()).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "precious").unwrap();
    drop(server);
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[test]
fn a_server_that_is_busy_does_not_hold_up_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let busy = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    busy.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    busy.listen(0).unwrap();
    let fill = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    fill.connect(&SockAddr::unix(&path).unwrap()).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let address = format!("unix:{}", path.display());
    std::thread::spawn(move || {
        tell.send(Server::bind(address.as_str()).map_err(|e| e.kind()).err())
    });
    let error = told.recv_timeout(Duration::from_secs(5)).expect("bind hangs");
    assert_eq!(error, Some(std::io::ErrorKind::AddrInUse));
}

/// Sets a timer and upgrades, in the order given; or closes and upgrades.
struct HandsOver {
    seen: Seen,
    closes_first: bool,
}

impl Handler for HandsOver {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        if self.closes_first {
            cx.close(Close::Done);
        }
        cx.set_timer(0, Duration::from_secs(1));
        cx.upgrade(Second(Arc::clone(&self.seen)));
        Ok(input.len())
    }
    fn on_close(&mut self, _: &Close, _: &mut Context<'_>) {
        self.seen.lock().unwrap().push("first closed");
    }
}

#[test]
fn a_timer_is_not_inherited() {
    let seen = Seen::default();
    let mut network = Network::new(Limits::default());
    let client = network.connect(HandsOver { seen: Arc::clone(&seen), closes_first: false });
    network.send(client, b"x");
    network.advance(Duration::from_secs(5));
    assert_eq!(*seen.lock().unwrap(), ["open"]);
}

#[test]
fn a_closed_connection_is_not_upgraded() {
    let seen = Seen::default();
    let mut network = Network::new(Limits::default());
    let client = network.connect(HandsOver { seen: Arc::clone(&seen), closes_first: true });
    network.send(client, b"x");
    network.settle();
    assert!(network.is_closed(client));
    assert_eq!(*seen.lock().unwrap(), ["first closed"]);
}

/// Its connection has ended already: of its requests only a reset has an effect.
#[test]
fn a_handler_changes_nothing_about_its_own_end() {
    type Make = fn(Limits) -> Network;
    for make in [Network::new as Make, Network::with_workers] {
        let (mut network, log) = (make(Limits::default()), Log::default());
        let client = network.connect(Probe::new(&log).close(|cx| {
            cx.write(b"never sent");
            cx.join(&Topic::new("all"));
            cx.set_timer(0, Duration::from_secs(1));
            cx.upgrade(Second(Seen::default()));
        }));
        network.settle();
        network.shut(client);
        network.advance(Duration::from_secs(5));
        assert_eq!(log.told(), [Told::Open, Told::Eof, Told::Close(Close::Eof)]);
        assert_eq!(network.received(client), b"");
        assert!(network.is_closed(client) && !network.is_reset(client));
        assert_eq!(network.connections(), 0);
    }
}

/// Claims to have used a byte more than it was given.
struct Greedy;

impl Handler for Greedy {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        cx.write(b"!");
        Ok(input.len() + 1)
    }
}

#[test]
fn a_handler_that_uses_more_than_it_was_given_is_reported() {
    let log = listen();
    let mut network = Network::new(Limits::default());
    let client = network.connect(Greedy);
    network.send(client, b"hello");
    network.settle();
    // The whole input counts as used.
    network.send(client, b"a");
    network.settle();
    assert_eq!(network.received(client), b"!!");
    let told = |line: String| line.contains("on_data returned 2, but its input had only 1 bytes");
    assert!(log.try_iter().any(told));
}
