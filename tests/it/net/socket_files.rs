//! The file of a Unix socket with several servers that start and stop at it: one has it, and every
//! server that listens is reached by it.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Barrier, mpsc};
use std::thread;

use socketserver::{Address, Close, Context, Handler, Listen, Server};

use crate::support::real::{Echo, Running, soon};
use crate::support::waiting::until;

const ROUNDS: usize = 300;
const STARTERS: usize = 4;

/// Starts servers at one address at the same time. Returns those that listen.
fn start_at_once(address: &Address) -> Vec<Server> {
    let barrier = Barrier::new(STARTERS);
    let start = || {
        barrier.wait();
        Server::bind(address.clone())
    };
    let results: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..STARTERS).map(|_| scope.spawn(start)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let is_refused = |error: std::io::Error| assert_eq!(error.kind(), ErrorKind::AddrInUse);
    results.into_iter().filter_map(|result| result.map_err(is_refused).ok()).collect()
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn one_of_several_starters_replaces_a_stale_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web");
    for round in 0..ROUNDS {
        drop(UnixListener::bind(&path).unwrap());
        let mut servers = start_at_once(&Address::Unix(path.clone()));
        assert_eq!(servers.len(), 1, "round {round}");
        UnixStream::connect(&path).unwrap_or_else(|error| panic!("round {round}: {error}"));
        servers.clear();
        assert_eq!(entries(folder.path()), [""; 0], "round {round}");
    }
}

#[test]
fn one_of_several_receivers_of_datagrams_replaces_a_stale_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("beacon");
    for round in 0..ROUNDS {
        drop(UnixDatagram::bind(&path).unwrap());
        let servers = start_at_once(&Address::UnixGram(path.clone()));
        assert_eq!(servers.len(), 1, "round {round}");
        let sent = UnixDatagram::unbound().unwrap().send_to(b"hello", &path);
        sent.unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
}

#[test]
fn a_server_that_stops_leaves_the_file_of_its_successor() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web");
    let bind = || Server::bind(Address::Unix(path.clone()));
    let mut server = bind().unwrap();
    for round in 0..10 * ROUNDS {
        let barrier = Barrier::new(2);
        let successor = thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                drop(server);
            });
            barrier.wait();
            until("the successor listens", || bind().map_err(|error| error.kind()))
        });
        UnixStream::connect(&path).unwrap_or_else(|error| panic!("round {round}: {error}"));
        server = successor;
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_abstract_name_has_no_file() {
    let name = format!("@socketserver-{}", std::process::id());
    for form in ["unix", "seqpacket", "unixgram"] {
        let address: Address = format!("{form}:{name}").parse().unwrap();
        assert_eq!(address.to_string(), format!("{form}:{name}"));
        let server = Server::bind(address.clone()).unwrap();
        assert_eq!(server.addresses(), [address.clone()].as_slice());
        assert_eq!(Server::bind(address.clone()).unwrap_err().kind(), ErrorKind::AddrInUse);
        let error = Server::bind(Listen::on(address.clone()).mode(0o600)).unwrap_err();
        assert!(error.to_string().contains("an abstract name has none"), "{error}");
        drop(server);
        drop(Server::bind(address).unwrap());
    }
    assert!(!Path::new(&name).exists());
    assert_eq!("unix:./@name".parse::<Address>().unwrap(), Path::new("./@name").into());
    assert_eq!(
        "unix:@".parse::<Address>().unwrap_err().to_string(),
        "'unix:@' has no name: write unix:@NAME"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_is_reached_by_its_abstract_name() {
    let to = Address::try_from(format!("unix:@socketserver-to-{}", std::process::id()).as_str());
    let server = Running::serve(Server::bind(to.unwrap()).unwrap(), |_| Echo);
    let address = server.addresses[0].clone();
    let (tell, told) = mpsc::channel();
    let client = Server::new().connect(address, Caller(tell));
    let _client = Running::start(client);
    assert_eq!(soon(&told), b"hello");
}

/// Says `hello`, and reports its input.
struct Caller(mpsc::Sender<Vec<u8>>);

impl Handler for Caller {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.write(b"hello");
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        self.0.send(input.to_vec()).unwrap();
        cx.close(Close::Done);
        Ok(input.len())
    }
}

/// Every client that has connected is served, whenever the server stops.
#[test]
fn a_stop_loses_no_connection_of_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("echo");
    for round in 0..50 {
        let server =
            Running::start(Server::new().listen(Address::Unix(path.clone()), |_| Echo).unwrap());
        thread::scope(|scope| {
            let clients: Vec<_> =
                (0..3).map(|_| scope.spawn(|| echo_until_refused(&path))).collect();
            until("a client has come", || match server.handle.metrics().accepted {
                0 => Err("none"),
                _ => Ok(()),
            });
            server.handle.stop();
            for client in clients {
                client.join().unwrap().unwrap_or_else(|error| panic!("round {round}: {error}"));
            }
        });
        server.join();
    }
}

fn echo_until_refused(path: &Path) -> std::io::Result<()> {
    loop {
        let mut client = match UnixStream::connect(path) {
            Ok(client) => client,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Ok(()),
            Err(error) => return Err(error),
        };
        client.write_all(b"hello")?;
        client.read_exact(&mut [0; 5])?;
    }
}

#[test]
fn the_lock_file_of_a_killed_starter_is_used_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web");
    fs::write(folder.path().join("web.starting"), "").unwrap();
    let _server = Server::bind(Address::Unix(path)).unwrap();
    assert_eq!(entries(folder.path()), ["web"]);
}

/// A foreign program takes no claim on the file.
#[test]
#[cfg(target_os = "linux")]
fn a_socket_that_does_not_listen_yet_keeps_its_file() {
    use socket2::{Domain, SockAddr, Socket, Type};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a socket");
    let foreign = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    foreign.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    // The same file by another name.
    let detour = folder.path().join("..").join(folder.path().file_name().unwrap()).join("a socket");
    for path in [&path, &detour] {
        let error = Server::bind(Address::Unix(path.clone())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    }
    foreign.listen(1).unwrap();
    let client = UnixStream::connect(&path).unwrap();
    // Once it has died, its connections do not keep the file.
    let accepted = foreign.accept().unwrap();
    drop(foreign);
    drop(Server::bind(Address::Unix(path)).unwrap());
    drop((client, accepted));
}
