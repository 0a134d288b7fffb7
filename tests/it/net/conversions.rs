//! The types that a server listens on and connects to, over real sockets.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::sync::mpsc::{Sender, channel};

use socketserver::{
    Address, Close, Context, DatagramContext, Destination, Handler, Limits, Listen, Mode, Server,
    ToDestination, ToListen,
};

use crate::support::real::{Echo, PATIENCE, Running, connect, soon, tcp};

/// Listens on `addresses`, and checks that a client is served there.
fn serves(addresses: impl ToListen) {
    let server = Running::start(Server::new().listen(addresses, |_| Echo).unwrap());
    for address in &server.addresses {
        let mut client = connect(tcp(address));
        client.write_all(b"hello").unwrap();
        let mut back = [0; 5];
        client.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"hello");
    }
}

#[test]
fn a_server_listens_on_text_addresses_and_sockets_of_every_type() {
    let text = String::from("127.0.0.1:0");
    serves("127.0.0.1:0");
    serves(&text);
    serves(("127.0.0.1", 0));
    serves((String::from("127.0.0.1"), 0));
    serves((IpAddr::from(Ipv4Addr::LOCALHOST), 0));
    serves(std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    serves(text.parse::<Address>().unwrap());
    let address: Address = text.parse().unwrap();
    serves(&address);
    serves(text.parse::<Listen>().unwrap());
    serves(TcpListener::bind(&text).unwrap());
    serves([text.clone(), text.clone()]);
    serves(vec![("127.0.0.1", 0), ("127.0.0.1", 0)]);
    serves(text);
}

#[test]
fn the_name_of_a_host_is_looked_up_when_it_is_bound() {
    serves("localhost:0");
    serves(("localhost", 0));
    serves("localhost:0".parse::<Listen>().unwrap().reuse_port());
    let error = Server::bind("nonesuch.invalid:80").unwrap_err().to_string();
    assert!(error.starts_with("cannot listen on nonesuch.invalid:80: "), "{error}");
    let misfit = "localhost:0".parse::<Listen>().unwrap().mode(0o600);
    let error = Server::bind(misfit).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "cannot listen on localhost:0: mode is for Unix sockets");
}

#[test]
fn a_path_is_that_of_a_unix_socket_and_its_socket_may_be_the_programs() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| folder.path().join(name));
    let own = UnixListener::bind(&c).unwrap();
    let server = Server::new().listen(a.as_path(), |_| Echo).unwrap();
    let server = server.listen(b.clone(), |_| Echo).unwrap().listen(own, |_| Echo).unwrap();
    let server = Running::start(server);
    for (path, address) in [&a, &b, &c].into_iter().zip(&server.addresses) {
        assert_eq!(address, &Address::Unix(path.clone()));
        let mut client = UnixStream::connect(path).unwrap();
        client.write_all(b"hello").unwrap();
        client.read_exact(&mut [0; 5]).unwrap();
    }
    drop(server);
    assert_eq!([a, b, c].map(|path| path.exists()), [false, false, true], "its own it leaves");
}

#[test]
fn datagram_sockets_may_be_the_programs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gram");
    let echo = |datagram: &[u8], cx: &mut DatagramContext<'_>| cx.reply(datagram);
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = udp.local_addr().unwrap();
    let server = Server::new().listen_datagrams(udp, echo).unwrap();
    let gram = UnixDatagram::bind(&path).unwrap();
    let _server = Running::start(server.listen_datagrams(gram, echo).unwrap());
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.send_to(b"hello", to).unwrap();
    assert_eq!(client.recv(&mut [0; 9]).unwrap(), 5);
    let client = UnixDatagram::bind(folder.path().join("client")).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.send_to(b"hello", &path).unwrap();
    assert_eq!(client.recv(&mut [0; 9]).unwrap(), 5);
}

#[test]
fn worker_processes_cannot_take_over_a_socket_of_the_program() {
    let own = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::bind(own).unwrap().mode(Mode::Processes(1));
    let error = server.serve(|_| Echo).unwrap_err();
    assert!(error.to_string().contains("a socket of the program"), "{error}");
}

/// Reports the beginning of its connection.
struct Tells(Sender<Result<String, (ErrorKind, String)>>);

impl Handler for Tells {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        self.0.send(Ok(cx.peer().to_string())).unwrap();
        cx.close(Close::Done);
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }

    fn on_unreachable(&mut self, error: &std::io::Error, _: &mut Context<'_>) {
        self.0.send(Err((error.kind(), error.to_string()))).unwrap();
    }
}

fn reaches(to: impl ToDestination, expected: &str) {
    let (tell, told) = channel();
    Server::new().connect(to, Tells(tell)).run().unwrap();
    assert_eq!(soon(&told), Ok(expected.to_owned()));
}

#[test]
fn a_connection_is_made_to_text_addresses_and_sockets_of_every_type() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let text = to.to_string();
    reaches(&*text, &text);
    reaches(&text, &text);
    reaches(text.clone(), &text);
    reaches(("127.0.0.1", to.port()), &text);
    reaches((String::from("localhost"), to.port()), &text);
    reaches((to.ip(), to.port()), &text);
    reaches(to, &text);
    reaches(Address::Tcp(to), &text);
    let address = Address::Tcp(to);
    reaches(&address, &text);
    reaches(text.parse::<Destination>().unwrap(), &text);
    let destination: Destination = text.parse().unwrap();
    reaches(&destination, &text);
    reaches(TcpStream::connect(to).unwrap(), &text);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let _listener = UnixListener::bind(&path).unwrap();
    reaches(path.as_path(), "unix");
    reaches(UnixStream::connect(&path).unwrap(), "unix");
    reaches(path, "unix");
}

#[test]
fn text_that_is_not_a_destination_is_an_error_of_check_or_of_the_handler() {
    let (tell, told) = channel();
    let expected = "'localhost' has no port: write localhost:8080";
    let server = Server::new().connect("localhost", Tells(tell.clone()));
    let error = server.run().unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::InvalidInput, expected.to_owned()));

    let mut network = socketserver::testkit::Network::new(Limits::default());
    let dials = Dials(Some(Tells(tell.clone())));
    network.connect(dials);
    network.settle();
    assert_eq!(soon(&told), Err((ErrorKind::InvalidInput, expected.to_owned())));

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let (tell, told) = channel();
    Server::new().connect(to, Dials(Some(Tells(tell)))).run().unwrap();
    assert_eq!(soon(&told), Err((ErrorKind::InvalidInput, expected.to_owned())));
}

/// Connects to an invalid address.
struct Dials(Option<Tells>);

impl Handler for Dials {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.connect("localhost", self.0.take().unwrap());
        cx.close(Close::Done);
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }
}
