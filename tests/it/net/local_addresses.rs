//! The local address of a connection, as handlers and services get it, over real sockets.

use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Sender, channel};

use socketserver::{
    Address, BlockingHandler, Close, Context, Handler, Incoming, Limits, Listen, Mode, Server,
    Stream,
};

use super::listening::has_ipv6;
use crate::support::real::{Running, connect, read_to_end, soon, tcp};

/// Sends its local address on request, and at its end.
struct Says;

impl Handler for Says {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let address = cx.local_address().to_string();
        cx.write(address.as_bytes());
        cx.close(Close::Done);
        Ok(input.len())
    }
}

impl BlockingHandler for Says {
    fn handle(&mut self, stream: &mut Stream) -> std::io::Result<()> {
        let address = stream.local_address().to_string();
        stream.write_all(address.as_bytes())
    }
}

/// Returns the local address that the server sends to a client at `to`.
fn told(to: SocketAddr) -> String {
    let mut client = connect(to);
    client.write_all(b"?").unwrap();
    String::from_utf8(read_to_end(&mut client)).unwrap()
}

#[test]
fn the_local_address_is_the_one_the_peer_has_connected_to_in_every_mode() {
    for mode in [Mode::Multiplex, Mode::Threads(2), Mode::Reactors(3)] {
        for bound in ["127.0.0.1:0", "0.0.0.0:0"] {
            let server = Server::new().mode(mode).listen(bound, |_| Says).unwrap();
            let port = tcp(&server.addresses()[0]).port();
            let _server = Running::start(server);
            for _ in 0..4 {
                let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                assert_eq!(told(to), to.to_string(), "{bound}, {mode:?}");
            }
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_listener_on_all_addresses_tells_them_apart() {
    let server = Server::new().listen("0.0.0.0:0", |_| Says).unwrap();
    let port = tcp(&server.addresses()[0]).port();
    let _server = Running::start(server);
    for host in [1, 2, 3, 2, 1] {
        let to = SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), port));
        assert_eq!(told(to), to.to_string());
    }
}

#[test]
fn on_a_dual_stack_an_ipv4_peer_has_connected_to_an_ipv4_address() {
    if !has_ipv6() {
        return;
    }
    let server =
        Server::new().listen(Listen::try_from("[::]:0").unwrap().dual_stack(), |_| Says).unwrap();
    let port = tcp(&server.addresses()[0]).port();
    let _server = Running::start(server);
    for to in [
        SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
    ] {
        assert_eq!(told(to), to.to_string());
    }
}

#[test]
fn blocking_handlers_and_services_are_told_too() {
    let (tell, heard) = channel();
    let server = Server::new().mode(Mode::Threads(1));
    let server = server
        .listen_blocking("0.0.0.0:0", move |incoming: Incoming| {
            tell.send(incoming.local_address().clone()).unwrap();
            Says
        })
        .unwrap();
    let port = tcp(&server.addresses()[0]).port();
    let _server = Running::start(server);
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    assert_eq!(told(to), to.to_string());
    assert_eq!(soon(&heard), Address::Tcp(to));
}

#[test]
fn the_local_address_of_a_unix_socket_is_the_path_of_the_listener() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listen = Listen::on(Address::Unix(path.clone()));
    let _server = Running::start(Server::new().listen(listen, |_| Says).unwrap());
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"?").unwrap();
    let said = String::from_utf8(read_to_end(&mut client)).unwrap();
    assert_eq!(said, format!("unix:{}", path.display()));
}

/// Reports its local address when it is opened.
struct Tells(Sender<Address>);

impl Handler for Tells {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        self.0.send(cx.local_address().clone()).unwrap();
        cx.close(Close::Done);
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }
}

#[test]
fn an_outgoing_connection_has_a_local_address_too() {
    let (tell, heard) = channel();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let to = Address::from(listener.local_addr().unwrap());
    Server::new().connect(to, Tells(tell)).run().unwrap();
    let (_, peer) = listener.accept().unwrap();
    assert_eq!(soon(&heard), Address::Tcp(peer));
}

#[test]
fn a_service_that_cannot_serve_is_found_before_the_server_runs() {
    struct Broken;

    impl socketserver::Service for Broken {
        fn accept(&mut self, _: Incoming) -> Option<Box<dyn Handler>> {
            None
        }

        fn check(&self) -> std::io::Result<()> {
            Err(std::io::Error::other("the table of routes is empty"))
        }
    }

    let server = Server::new().limits(Limits::default()).listen("127.0.0.1:0", Broken).unwrap();
    let error = server.check().unwrap_err();
    assert_eq!(error.to_string(), "the table of routes is empty");
    assert_eq!(server.run().unwrap_err().to_string(), error.to_string());
}
