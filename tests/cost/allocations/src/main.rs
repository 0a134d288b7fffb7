//! Counts the allocations of a request to the web service and of a connection, and the memory of an
//! idle connection and of an idle WebSocket. Prints one name and figure on each line. Counts only
//! the thread of the server.

mod counter;

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{self, Sender};
use std::thread;

use socketserver::services::web::{Web, WebSocket};
use socketserver::services::ws::WsHandler;
use socketserver::{Server, ServerHandle};

use counter::{Count, Counter};

#[global_allocator]
static ALLOCATOR: Counter = Counter;

const REQUEST: &[u8] = b"GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
const HANDSHAKE: &[u8] = b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const REQUESTS: usize = 1000;
/// Each takes two descriptors. A power of two, because tables double.
const CONNECTIONS: usize = 256;

/// A handler that keeps nothing.
struct Idle;

impl WsHandler for Idle {}

type Started = (String, ServerHandle);

fn serve(started: &Sender<Started>) -> Result<(), Box<dyn Error + Send + Sync>> {
    counter::count_this_thread();
    let server = Server::bind("127.0.0.1:0")?;
    let address = server.addresses().first().ok_or("no address")?.to_string();
    started.send((address, server.handle()))?;
    let socket = WebSocket::new();
    let web = Web::new()
        .get("/plaintext", |_, reply| reply.text("Hello, World!"))
        .get("/ws", move |request, reply| socket.accept(request, reply, |_| Idle));
    server.serve(web)?;
    Ok(())
}

/// Sends a request, and reads its answer up to its `end`.
fn ask(client: &mut TcpStream, request: &[u8], end: &[u8]) -> Result<(), Box<dyn Error>> {
    client.write_all(request)?;
    let mut answer = Vec::new();
    let mut part = [0; 1024];
    while !answer.ends_with(end) {
        let len = client.read(&mut part)?;
        if len == 0 {
            return Err("the server closed a connection".into());
        }
        answer.extend_from_slice(&part[..len]);
    }
    Ok(())
}

fn request(client: &mut TcpStream) -> Result<(), Box<dyn Error>> {
    ask(client, REQUEST, b"Hello, World!")
}

fn upgrade(client: &mut TcpStream) -> Result<(), Box<dyn Error>> {
    ask(client, HANDSHAKE, b"\r\n\r\n")
}

/// Opens connections and makes one request on each.
fn open(
    address: &str,
    count: usize,
    first: impl Fn(&mut TcpStream) -> Result<(), Box<dyn Error>>,
) -> Result<Vec<TcpStream>, Box<dyn Error>> {
    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        let mut client = TcpStream::connect(address)?;
        client.set_nodelay(true)?;
        first(&mut client)?;
        clients.push(client);
    }
    Ok(clients)
}

/// Closes connections, and waits until the server has noticed.
fn close(clients: Vec<TcpStream>, handle: &ServerHandle) {
    drop(clients);
    while handle.metrics().open() > 0 {
        thread::yield_now();
    }
}

fn print(name: &str, figure: impl Fn(&Count) -> i64, before: &Count, after: &Count, per: usize) {
    println!("{name} {:.2}", (figure(after) - figure(before)) as f64 / per as f64);
}

fn main() -> Result<(), Box<dyn Error>> {
    let (sender, receiver) = mpsc::channel();
    let server = thread::spawn(move || serve(&sender));
    let (address, handle) = receiver.recv()?;

    // The first connection creates the shared state, the first 256 grow the tables.
    close(open(&address, 1, request)?, &handle);
    let small = counter::count();
    let clients = open(&address, CONNECTIONS, request)?;
    let grown = counter::count();
    close(clients, &handle);

    let before = counter::count();
    let mut clients = open(&address, CONNECTIONS, request)?;
    let opened = counter::count();
    for client in &mut clients[..1] {
        for _ in 0..REQUESTS {
            request(client)?;
        }
    }
    let served = counter::count();
    print("allocations-per-request", |count| count.allocations, &opened, &served, REQUESTS);
    print("allocations-per-connection", |count| count.allocations, &before, &opened, CONNECTIONS);
    print("bytes-per-connection", |count| count.bytes, &small, &grown, CONNECTIONS);

    close(clients, &handle);

    // In a server of its own, whose tables are as small as at first.
    let (sender, receiver) = mpsc::channel();
    handle.stop();
    server.join().map_err(|_| "the server panicked")?.map_err(|error| error as Box<dyn Error>)?;
    let server = thread::spawn(move || serve(&sender));
    let (address, handle) = receiver.recv()?;
    close(open(&address, 1, upgrade)?, &handle);
    let small = counter::count();
    let clients = open(&address, CONNECTIONS, upgrade)?;
    let grown = counter::count();
    print("bytes-per-websocket", |count| count.bytes, &small, &grown, CONNECTIONS);
    close(clients, &handle);
    handle.stop();
    server.join().map_err(|_| "the server panicked")?.map_err(|error| error as Box<dyn Error>)
}
