//! Servers on real sockets with clients of the standard library.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc;
use std::time::Duration;

use socketserver::services::web::Web;
use socketserver::{Close, Context, Handler, Incoming, Limits, Peer, Server};

use crate::support::real::{
    Echo, PATIENCE, Running, connect, exchange, finish_upload, get, read_answer, read_to_end, soon,
    tcp, until_refused,
};

fn bind() -> Server {
    Server::bind("127.0.0.1:0").unwrap()
}

fn echo() -> Server {
    Server::new().listen("127.0.0.1:0", |_| Echo).unwrap()
}

fn web() -> Web {
    Web::new()
        .get("/", |_, reply| reply.text("root"))
        .post("/echo", |request, reply| reply.bytes("text/x", request.body()))
        .get("/never", |_, reply| reply.after(Duration::from_secs(3600)).text("never"))
}

fn ping(stream: &mut (impl Read + Write), text: &[u8]) {
    stream.write_all(text).unwrap();
    let mut back = vec![0; text.len()];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(back, text);
}

#[test]
fn bytes_come_back() {
    let server = Running::start(echo());
    let mut client = server.client();
    ping(&mut client, b"hello");
    ping(&mut client, b"again");
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut client), b"");
}

#[test]
fn megabytes_come_back_while_more_is_sent() {
    let server = Running::start(echo());
    let mut reader = server.client();
    let mut writer = reader.try_clone().unwrap();
    let sent: Vec<u8> = (0..8_000_000_u32).map(|n| (n % 251) as u8).collect();
    let expected = sent.clone();
    let sending = std::thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    assert!(read_to_end(&mut reader) == expected);
    sending.join().unwrap();
}

#[test]
fn several_listeners_and_services_share_one_loop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("echo.sock");
    let unix = format!("unix:{}", path.display());
    let mut addresses = vec!["127.0.0.1:0".to_owned(), unix];
    let has_v6 = TcpListener::bind("[::1]:0").is_ok();
    if has_v6 {
        addresses.push("[::1]:0".to_owned());
    }
    let server = Server::new().listen(addresses, |_| Echo).unwrap();
    let server = server.listen("127.0.0.1:0", web()).unwrap();
    let server = Running::start(server);
    let mut v4 = server.client();
    let mut local = UnixStream::connect(&path).unwrap();
    local.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut site = connect(server.tcp(server.addresses.len() - 1));
    for _ in 0..3 {
        ping(&mut v4, b"over v4");
        ping(&mut local, b"over a file");
        assert_eq!(get(&mut site, "/").text(), "root");
    }
    if has_v6 {
        ping(&mut connect(server.tcp(2)), b"over v6");
    }
}

#[test]
fn a_unix_socket_comes_and_goes_with_its_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.sock");
    let address = format!("unix:{}", path.display());
    // The file of a server that died: it refuses connections.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let server = Running::start(Server::new().listen(&*address, web()).unwrap());
    let mut client = UnixStream::connect(&path).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(get(&mut client, "/").text(), "root");

    // A live one is not replaced.
    let error = Server::bind(&*address).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&address), "{error}");
    assert_eq!(get(&mut client, "/").text(), "root");

    server.handle.stop();
    assert_eq!(read_to_end(&mut client), b"");
    server.join();
    assert!(!path.exists());
}

#[test]
fn a_file_that_is_not_a_socket_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("precious.txt");
    std::fs::write(&path, "precious").unwrap();
    let error = Server::bind(&*format!("unix:{}", path.display())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn an_address_in_use_and_an_invalid_one_have_different_errors() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = Server::bind(&*address).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().starts_with(&format!("cannot listen on {address}: ")), "{error}");
    assert_eq!(Server::bind("localhost").unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_server_without_service_or_with_senseless_limits_does_not_start() {
    assert_eq!(bind().run().unwrap_err().kind(), ErrorKind::InvalidInput);
    let limits = Limits::default().connections(0);
    assert_eq!(echo().limits(limits).run().unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn stopping_finishes_requests_that_have_begun() {
    let server = Running::start(Server::new().listen("127.0.0.1:0", web()).unwrap());
    let mut idle = server.client();
    assert_eq!(get(&mut idle, "/").text(), "root");
    let mut busy = server.client();
    let head =
        "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    // The go-ahead shows that the request has begun.
    assert_eq!(exchange(&mut busy, head).status, 100);
    server.handle.stop();
    assert_eq!(read_to_end(&mut idle), b"");
    until_refused(server.tcp(0));
    finish_upload(busy);
    server.join();
}

#[test]
fn a_connection_in_the_queue_of_a_stopping_server_is_served() {
    // The queue filled up before the server made it short.
    let limits = Limits::default().accept_burst(1).listen_queue(1);
    let server = Server::new().listen("127.0.0.1:0", web()).unwrap().limits(limits);
    let handle = server.handle();
    let address = tcp(&server.addresses()[0]);
    let mut clients: Vec<_> = (0..50).map(|_| connect(address)).collect();
    for client in &mut clients {
        client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    }
    handle.stop();
    let server = Running::start(server);
    for client in &mut clients {
        assert_eq!(read_answer(client, "GET").text(), "root");
    }
    drop(clients);
    server.join();
}

#[test]
fn aborting_ends_everything_at_once() {
    let server = Running::start(Server::new().listen("127.0.0.1:0", web()).unwrap());
    let mut client = server.client();
    client.write_all(b"GET /never HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    // Served after the other one, which is therefore being waited for.
    assert_eq!(get(&mut server.client(), "/").text(), "root");
    server.handle.stop();
    until_refused(server.tcp(0));
    server.handle.abort();
    server.join();
    assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
}

#[test]
fn a_remote_is_harmless_once_its_server_has_gone() {
    let server = Running::start(echo());
    let handle = server.handle.clone();
    handle.stop();
    server.join();
    handle.stop();
    handle.abort();
}

#[test]
fn more_than_a_burst_of_newcomers_are_all_served() {
    let limits = Limits::default().accept_burst(2);
    let server = echo().limits(limits);
    // They connect before the server looks, so there is no separate event for each of them.
    let address = tcp(&server.addresses()[0]);
    let mut clients: Vec<_> = (0..101).map(|_| connect(address)).collect();
    let _server = Running::start(server);
    // The last one first: activity on the others must not help it.
    for client in clients.iter_mut().rev() {
        ping(client, b"me too");
    }
}

#[test]
fn without_room_the_next_connection_waits_until_another_ends() {
    let limits = Limits::default().connections(2);
    let server = Running::start(echo().limits(limits));
    let mut held: Vec<TcpStream> = (0..2).map(|_| server.client()).collect();
    held.iter_mut().for_each(|client| ping(client, b"I am in"));
    let mut next = server.client();
    next.write_all(b"me too").unwrap();
    // Several turns of the server, in each of which it could accept the next one.
    for _ in 0..10 {
        held.iter_mut().for_each(|client| ping(client, b"still here"));
    }
    next.set_nonblocking(true).unwrap();
    assert_eq!(next.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    next.set_nonblocking(false).unwrap();
    drop(held.pop());
    let mut back = [0; 6];
    next.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"me too");
    ping(&mut held[0], b"nothing changed");
}

#[test]
fn a_service_may_refuse_and_may_panic_without_harm_to_others() {
    let mut count = 0;
    let server = Running::start(
        Server::new()
            .listen("127.0.0.1:0", move |_| {
                count += 1;
                assert!(count != 2, "on purpose");
                (count != 1).then_some(Echo)
            })
            .unwrap(),
    );
    assert_eq!(read_to_end(&mut server.client()), b"");
    assert_eq!(read_to_end(&mut server.client()), b"");
    ping(&mut server.client(), b"third time lucky");
}

#[test]
fn a_handler_that_panics_ends_its_connection_only() {
    struct Fragile;
    impl Handler for Fragile {
        fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
            cx.write(input);
            assert!(input != b"break", "on purpose");
            Ok(input.len())
        }
    }
    let server = Running::start(Server::new().listen("127.0.0.1:0", |_| Fragile).unwrap());
    let mut other = server.client();
    ping(&mut other, b"hello");
    let mut client = server.client();
    ping(&mut client, b"hello");
    client.write_all(b"break").unwrap();
    assert_eq!(read_to_end(&mut client), b"break");
    ping(&mut other, b"still here");
}

#[test]
fn an_early_refusal_is_readable_though_the_client_goes_on_sending() {
    let server = Running::start(Server::new().listen("127.0.0.1:0", web()).unwrap());
    for _ in 0..5 {
        let mut client = server.client();
        client
            .write_all(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5000000\r\n\r\n")
            .unwrap();
        // The whole body, as clients that do not read meanwhile send it.
        client.write_all(&vec![b'x'; 5_000_000]).unwrap();
        let answer = read_answer(&mut client, "POST");
        assert_eq!(answer.status, 413);
        assert_eq!(read_to_end(&mut client), b"");
    }
}

#[test]
fn peers_are_told_by_their_address() {
    let (tell, told) = mpsc::channel();
    let server = Running::start(
        Server::new()
            .listen("127.0.0.1:0", move |incoming: Incoming| {
                tell.send(incoming.peer().clone()).unwrap();
                Echo
            })
            .unwrap(),
    );
    let client = server.client();
    assert_eq!(soon(&told), Peer::from(client.local_addr().unwrap()));
}

#[test]
fn a_stopping_server_serves_on_for_the_drain_delay() {
    let limits = Limits::default().drain_delay(Duration::from_secs(2));
    let server = Server::new().limits(limits).listen("127.0.0.1:0", web()).unwrap();
    let running = Running::start(server);
    assert!(!running.handle.is_stopping());
    running.handle.stop();
    assert!(running.handle.is_stopping());
    let mut newcomer = running.client();
    assert_eq!(get(&mut newcomer, "/none").status, 404);
    drop(newcomer);
    running.join();
}
