//! The file of a Unix socket with several servers that start and stop at it: one has it, and every
//! server that listens is reached by it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use socketserver::{Address, Server};

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

#[test]
fn the_lock_file_of_a_killed_starter_is_used_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web");
    fs::write(folder.path().join("web.starting"), "").unwrap();
    let _server = Server::bind(Address::Unix(path)).unwrap();
    assert_eq!(entries(folder.path()), ["web"]);
}
