//! The routes for health checks: in a network in memory, in real servers, with and without a
//! backplane, and in the examples.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use socketserver::services::web::{self, Method, Web};
use socketserver::testkit::{Broker, WebClient};
use socketserver::{Backplane, Close, Context, Handler, Limits, Metrics, Mode, Server};

use crate::hub::cuts::modes;
use crate::support::real::{Example, Running, command, connect, example_path, get, tcp};
use crate::support::waiting::until;

#[test]
fn a_check_gets_a_status_and_a_reason() {
    let unready = |reason: Option<&'static str>| {
        WebClient::new(web::health(move || {
            let mut metrics = Metrics::default();
            metrics.unready = reason.map(str::to_owned);
            metrics
        }))
    };
    for (reason, status, text) in
        [(None, 200, "ok\n"), (Some("the disk is full"), 503, "the disk is full\n")]
    {
        let mut client = unready(reason);
        let answer = client.get("/readyz");
        assert_eq!((answer.status(), answer.text()), (status, text));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let head = client.request(Method::HEAD, "/readyz").send();
        assert_eq!((head.status(), head.text()), (status, ""));
        let answer = client.get("/livez");
        assert_eq!((answer.status(), answer.text()), (200, "ok\n"));
        let page = client.get("/metrics");
        assert_eq!(page.header("content-type"), Some(Metrics::PROMETHEUS));
        let line = format!("\nsocketserver_unready {}\n", u8::from(reason.is_some()));
        assert!(page.text().contains(&line), "{}", page.text());
        assert!(!page.text().contains("backplane"), "there is none");
        assert_eq!(client.get("/").status(), 404);
    }
}

/// A server with a listener for clients and one for checks.
fn start(mode: Mode, backplane: Option<Backplane>) -> Running {
    let limits = Limits::default().drain_delay(Duration::from_secs(1));
    let web = Web::new().get("/", |_, reply| reply.text("welcome"));
    let server = Server::new().mode(mode).limits(limits);
    let server = match backplane {
        Some(backplane) => server.backplane(backplane),
        None => server,
    };
    let handle = server.handle();
    let server = server.listen("127.0.0.1:0", web).unwrap();
    let health = web::health(move || handle.metrics());
    Running::start(server.listen("127.0.0.1:0", health).unwrap())
}

fn checker(server: &Running) -> TcpStream {
    connect(tcp(&server.addresses[1]))
}

fn ask(client: &mut TcpStream, path: &str) -> (u16, String) {
    let answer = get(client, path);
    (answer.status, answer.text().to_owned())
}

/// Sends back its input, and never gives way.
struct Echo;

impl Handler for Echo {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        cx.write(input);
        Ok(input.len())
    }
}

fn echo(client: &mut TcpStream) {
    client.write_all(b"?").unwrap();
    client.read_exact(&mut [0]).unwrap();
}

/// A supervisor would restart it under load.
#[test]
fn a_server_with_the_most_clients_answers_its_checks_in_every_mode() {
    for mode in modes() {
        let server = Server::new().mode(mode).limits(Limits::default().connections(1));
        let handle = server.handle();
        let server = server.listen("127.0.0.1:0", |_| Echo).unwrap();
        let health = web::health(move || handle.metrics());
        let server = Running::start(server.listen("127.0.0.1:0", health).unwrap());
        let mut client = server.client();
        echo(&mut client);
        // Each gives its place back.
        for _ in 0..40 {
            assert_eq!(ask(&mut checker(&server), "/livez").0, 200, "{mode:?}");
        }
        let mut held: Vec<_> = (0..16).map(|_| checker(&server)).collect();
        for checker in &mut held {
            assert_eq!(ask(checker, "/readyz").0, 200, "{mode:?}");
        }
        // Clients have as many places as without checks.
        let mut next = server.client();
        assert_eq!(ask(&mut held[0], "/livez").0, 200, "{mode:?}");
        assert!(server.handle.metrics().open() <= 17, "{mode:?}");
        drop(client);
        echo(&mut next);
        server.handle.abort();
        server.join();
    }
}

#[test]
fn a_server_that_leaves_is_live_and_not_ready_in_every_mode() {
    for mode in modes() {
        let server = start(mode, None);
        let mut checker = checker(&server);
        assert_eq!(ask(&mut checker, "/readyz"), (200, "ok\n".to_owned()), "{mode:?}");
        server.handle.stop();
        assert_eq!(ask(&mut checker, "/readyz"), (503, "stopping\n".to_owned()), "{mode:?}");
        assert_eq!(ask(&mut checker, "/livez").0, 200, "{mode:?}");
        assert_eq!(get(&mut server.client(), "/").text(), "welcome", "{mode:?}");
        server.join();
    }
}

/// Serves one connection as the engine, until it ends or the sender of `end` is dropped.
fn serve_one(listener: &TcpListener, end: &Receiver<()>) {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut broker = Broker::new();
    let client = broker.connect();
    let mut input = [0; 4096];
    while end.try_recv() == Err(TryRecvError::Empty) {
        match stream.read(&mut input) {
            Ok(0) => return,
            Ok(len) => broker.send(client, &input[..len]),
            Err(_) => {}
        }
        if stream.write_all(&broker.received(client)).is_err() {
            return;
        }
    }
}

#[test]
fn a_server_is_ready_while_its_engine_answers() {
    for mode in modes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("redis://:secret@{}", listener.local_addr().unwrap());
        let backplane = Backplane::at(&url).unwrap().share("room:", "* a gap\n");
        let server = start(mode, Some(backplane));
        let mut checker = checker(&server);
        let (status, why) = ask(&mut checker, "/readyz");
        assert_eq!((status, &*why), (503, "backplane: no connection to the engine yet\n"));
        let (end, ends) = channel();
        let engine = thread::spawn(move || serve_one(&listener, &ends));
        until("it is ready", || match ask(&mut checker, "/readyz") {
            (200, _) => Ok(()),
            other => Err(other),
        });
        let (_, page) = ask(&mut checker, "/metrics");
        for line in ["backplane_connections_total 1", "backplane_unaccepted 0", "unready 0"] {
            assert!(page.contains(&format!("\nsocketserver_{line}\n")), "{line}: {page}");
        }
        drop(end);
        engine.join().unwrap();
        let why = until("it is not ready", || match ask(&mut checker, "/readyz") {
            (503, why) => Ok(why),
            other => Err(other),
        });
        assert!(
            why.starts_with("backplane: the engine is away for ") && why.ends_with('\n'),
            "{why}"
        );
        assert!(!why.contains("secret") && why.lines().count() == 1, "{why}");
        assert_eq!(ask(&mut checker, "/livez").0, 200);
    }
}

#[test]
fn examples_have_a_listener_for_checks() {
    let processes = ["--mode", "processes", "--workers", "2"];
    for (name, arguments) in
        [("reactor_web", &[][..]), ("reactor_web", &processes), ("reactor_chat", &[])]
    {
        let arguments = [&["--log", "off", "--health", "127.0.0.1:0"], arguments].concat();
        let path = example_path(name);
        let mut command = command(&path);
        command.args(["--bind", "127.0.0.1:0"]).args(arguments);
        let example = Example::spawn(command, 2);
        let mut client = connect(tcp(&example.addresses[1]));
        assert_eq!(get(&mut client, "/livez").status, 200, "{name}");
        assert_eq!(get(&mut client, "/readyz").text(), "ok\n", "{name}");
        assert!(get(&mut client, "/metrics").text().contains("socketserver_connections "));
    }
}
