//! Several reactors in one process on real sockets: the distribution of connections, and the
//! appearance of a single server from outside.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use socketserver::{
    Address, Close, Context, Destination, Handler, Id, Limits, Mode, Notification, Server, Topic,
};

use crate::support::real::{PATIENCE, Running, accept, read_to_end};

/// Reports its thread, joins the news, and sends its input back.
struct Where(Sender<Id>);

impl Handler for Where {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        let thread = thread::current();
        cx.write(format!("{}\n", thread.name().unwrap_or("none")).as_bytes());
        cx.join(&Topic::new("news"));
        self.0.send(cx.id()).unwrap();
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        cx.publish(&Topic::new("news"), &*input);
        Ok(input.len())
    }

    fn on_notify(&mut self, note: Notification, cx: &mut Context<'_>) {
        cx.write(note.downcast::<String>().unwrap().as_bytes());
    }
}

/// Reads byte by byte, so that later bytes stay in the socket.
fn read_line(mut stream: &TcpStream) -> String {
    let (mut line, mut byte) = (String::new(), [0]);
    while !line.ends_with('\n') && stream.read(&mut byte).unwrap() > 0 {
        line.push(char::from(byte[0]));
    }
    line
}

fn start(reactors: usize, limits: Limits) -> (Running, std::sync::mpsc::Receiver<Id>) {
    let (sender, ids) = channel();
    let server = Server::new().mode(Mode::Reactors(reactors));
    let server =
        server.limits(limits).listen("127.0.0.1:0", move |_| Where(sender.clone())).unwrap();
    (Running::start(server), ids)
}

#[test]
fn connections_are_distributed_evenly_also_after_some_have_closed() {
    let (server, _ids) = start(4, Limits::default());
    let mut clients: Vec<(String, TcpStream)> = Vec::new();
    let enter = |clients: &mut Vec<(String, TcpStream)>| {
        let client = server.client();
        clients.push((read_line(&client), client));
    };
    for _ in 0..40 {
        enter(&mut clients);
    }
    let count = |clients: &[(String, TcpStream)]| {
        clients.iter().fold(BTreeMap::new(), |mut count, (thread, _)| {
            *count.entry(thread.clone()).or_insert(0) += 1;
            count
        })
    };
    let evenly = count(&clients);
    assert!(evenly.len() == 4 && evenly.values().all(|n| *n == 10), "{evenly:?}");
    // All connections of one reactor close, and it gets the next ones.
    let (left, mut stay): (Vec<_>, Vec<_>) =
        clients.into_iter().partition(|(thread, _)| thread == "reactor-2\n");
    for (_, mut client) in left {
        client.shutdown(std::net::Shutdown::Write).unwrap();
        read_to_end(&mut client);
    }
    // The places are free at the latest when the last connections of another turn have been served.
    let mut before = stay.len();
    while count(&stay).get("reactor-2\n").copied().unwrap_or(0) < 10 && before < 60 {
        enter(&mut stay);
        before += 1;
    }
    assert!(before <= 43, "{:?} after {before}", count(&stay));
}

#[test]
fn the_limit_of_connections_is_that_of_the_whole_server() {
    let limits = Limits::default().connections(5);
    let (server, _ids) = start(3, limits);
    let inside: Vec<TcpStream> = (0..5).map(|_| server.client()).collect();
    for client in &inside {
        read_line(client);
    }
    // The sixth is only in the queue; a close on either reactor makes room for it.
    let mut waiting = server.client();
    let mut admitted = Vec::new();
    for mut leaving in inside {
        waiting.set_nonblocking(true).unwrap();
        let nothing = waiting.read(&mut [0; 1]);
        assert_eq!(nothing.unwrap_err().kind(), ErrorKind::WouldBlock);
        waiting.set_nonblocking(false).unwrap();
        leaving.shutdown(std::net::Shutdown::Write).unwrap();
        read_to_end(&mut leaving);
        assert_ne!(read_line(&waiting), "");
        admitted.push(std::mem::replace(&mut waiting, server.client()));
    }
}

#[test]
fn other_threads_reach_connections_of_every_reactor() {
    let (server, ids) = start(3, Limits::default());
    let clients: Vec<TcpStream> = (0..6).map(|_| server.client()).collect();
    for client in &clients {
        read_line(client);
    }
    let ids: Vec<Id> = (0..6).map(|_| ids.recv_timeout(PATIENCE).unwrap()).collect();
    for id in &ids {
        server.handle.send(*id, *b"sent\n").unwrap();
    }
    for client in &clients {
        assert_eq!(read_line(client), "sent\n");
    }
    for id in &ids {
        server.handle.notify(*id, "told\n".to_owned()).unwrap();
    }
    for client in &clients {
        assert_eq!(read_line(client), "told\n");
    }
    server.handle.publish(&Topic::new("news"), *b"news\n").unwrap();
    for client in &clients {
        assert_eq!(read_line(client), "news\n");
    }
    server.handle.stop();
    server.join();
}

#[test]
fn no_line_in_a_room_is_lost_between_reactors() {
    const MEMBERS: usize = 48;
    const LINES: usize = 50;
    let (server, _ids) = start(4, Limits::default());
    let clients: Vec<TcpStream> = (0..MEMBERS).map(|_| server.client()).collect();
    for client in &clients {
        read_line(client);
    }
    // No client speaks before all have joined, which their welcome shows.
    let threads: Vec<_> = clients
        .into_iter()
        .enumerate()
        .map(|(who, client)| {
            thread::spawn(move || {
                let mut writer = client.try_clone().unwrap();
                let speaker = thread::spawn(move || {
                    for line in 0..LINES {
                        writer.write_all(format!("{who} {line}\n").as_bytes()).unwrap();
                    }
                });
                let mut next = vec![0; MEMBERS];
                let lines = BufReader::new(&client).lines().take((MEMBERS - 1) * LINES);
                for line in lines.map(Result::unwrap) {
                    let (speaker, number) = line.split_once(' ').unwrap();
                    let next = &mut next[speaker.parse::<usize>().unwrap()];
                    assert_eq!(number.parse(), Ok(*next), "{who} hears {speaker}");
                    *next += 1;
                }
                assert_eq!(next.iter().sum::<usize>(), (MEMBERS - 1) * LINES);
                speaker.join().unwrap();
                client
            })
        })
        .collect();
    let clients: Vec<TcpStream> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    drop(clients);
    server.handle.stop();
    server.join();
}

#[test]
fn stopping_serves_established_connections_on_every_reactor() {
    let (server, _ids) = start(3, Limits::default());
    for _ in 0..10 {
        let clients: Vec<TcpStream> = (0..20).map(|_| server.client()).collect();
        drop(clients);
    }
    let clients: Vec<TcpStream> = (0..60).map(|_| server.client()).collect();
    server.handle.stop();
    server.join();
    for mut client in clients {
        let said = String::from_utf8(read_to_end(&mut client)).unwrap();
        assert!(said.ends_with('\n'), "connected and not served: {said:?}");
    }
}

#[test]
fn connections_of_a_server_without_listeners_are_distributed() {
    /// Sends the name of its thread, and closes.
    struct Name;

    impl Handler for Name {
        fn on_open(&mut self, cx: &mut Context<'_>) {
            cx.write(thread::current().name().unwrap_or("none").as_bytes());
            cx.close(Close::Done);
        }

        fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
            Ok(input.len())
        }
    }

    let far = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut server = Server::new().mode(Mode::Reactors(3));
    for _ in 0..6 {
        let to = Address::from(far.local_addr().unwrap());
        server = server.connect(Destination::from(to), Name);
    }
    let server = thread::Builder::new().name("reactor-0".to_owned()).spawn(|| server.run());
    let mut names: Vec<String> =
        (0..6).map(|_| String::from_utf8(read_to_end(&mut accept(&far))).unwrap()).collect();
    names.sort_unstable();
    let twice = ["0", "0", "1", "1", "2", "2"].map(|number| format!("reactor-{number}"));
    assert_eq!(names, twice);
    server.unwrap().join().unwrap().unwrap();
}
