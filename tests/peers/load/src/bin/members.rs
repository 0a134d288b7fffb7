//! The members of a room and a publisher outside it, in one thread. Knows no server: see wire.rs.
//!
//! `socketserver-members ADDRESS PROTOCOL PATH COUNT [PUBLISHER]` opens COUNT connections, each at
//! PATH, and says `open`. Then it takes a command on each line of its input: `publish COUNT FLIGHT`
//! publishes COUNT messages, at the address PUBLISHER if there is one, of which FLIGHT at most have
//! not reached every member, and says `delivered`; `await COUNT` does the same with messages of
//! others.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream as Blocking};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use socketserver_peers::Failed;
use socketserver_peers::wire::Wire;

const COMMAND: Token = Token(usize::MAX);
const PUBLISHER: Token = Token(usize::MAX - 1);
const BUFFER: usize = 256 * 1024;

struct Member {
    stream: TcpStream,
    /// The beginning of a message.
    rest: Vec<u8>,
    received: u64,
}

struct Room {
    wire: Wire,
    poll: Poll,
    members: Vec<Member>,
    /// The number of messages that each member has at the end of the last command.
    expected: u64,
    publishes_at: SocketAddr,
    /// Opened by the first command.
    publisher: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// Opens a connection, and waits until the server has answered.
fn open(address: SocketAddr, wire: Wire, path: &str) -> Result<TcpStream, Failed> {
    let mut stream = Blocking::connect(address)?;
    stream.set_nodelay(true)?;
    for (said, end) in wire.opening(path) {
        stream.write_all(&said)?;
        let mut answer = Vec::new();
        let mut part = [0; 1024];
        while !answer.ends_with(end) {
            let len = stream.read(&mut part)?;
            if len == 0 {
                let answer = String::from_utf8_lossy(&answer);
                return Err(format!("the server closed a connection: {answer}").into());
            }
            answer.extend_from_slice(&part[..len]);
        }
        if answer.starts_with(b"HTTP/1.1") && !answer.starts_with(b"HTTP/1.1 101") {
            return Err(format!("refused: {}", String::from_utf8_lossy(&answer)).into());
        }
    }
    stream.set_nonblocking(true)?;
    Ok(TcpStream::from_std(stream))
}

impl Room {
    fn open(address: SocketAddr, wire: Wire, path: &str, count: usize) -> Result<Room, Failed> {
        let poll = Poll::new()?;
        let mut members = Vec::with_capacity(count);
        for number in 0..count {
            let mut stream = open(address, wire, path)?;
            poll.registry().register(&mut stream, Token(number), Interest::READABLE)?;
            members.push(Member { stream, rest: Vec::new(), received: 0 });
        }
        let (expected, publishes_at, publisher) = (0, address, None);
        let buffer = vec![0; BUFFER];
        Ok(Room { wire, poll, members, expected, publishes_at, publisher, buffer })
    }

    fn publisher(&mut self) -> Result<&mut TcpStream, Failed> {
        if self.publisher.is_none() {
            let mut stream = open(self.publishes_at, self.wire, "/publisher")?;
            self.poll.registry().register(&mut stream, PUBLISHER, Interest::READABLE)?;
            self.publisher = Some(stream);
        }
        self.publisher.as_mut().ok_or_else(|| "no publisher".into())
    }

    /// Reads the input of the publisher, which has no meaning here.
    fn drain_publisher(&mut self) -> Result<(), Failed> {
        let Some(publisher) = &mut self.publisher else { return Ok(()) };
        loop {
            match publisher.read(&mut self.buffer) {
                Ok(0) => return Err("the server closed the publisher".into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn read(&mut self, number: usize) -> Result<(), Failed> {
        let member = &mut self.members[number];
        loop {
            let len = match member.stream.read(&mut self.buffer) {
                Ok(0) => return Err("the server closed a member".into()),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let input = if member.rest.is_empty() {
                let input = self.wire.read(&self.buffer[..len])?;
                member.rest.extend_from_slice(&self.buffer[input.used..len]);
                input
            } else {
                member.rest.extend_from_slice(&self.buffer[..len]);
                let input = self.wire.read(&member.rest)?;
                member.rest.drain(..input.used);
                input
            };
            member.received += input.messages;
            if !input.output.is_empty() {
                // Short: there is room for it.
                member.stream.write_all(&input.output)?;
            }
        }
    }

    /// Waits for input and reads it. Commands only wake it.
    fn turn(&mut self, events: &mut Events) -> Result<(), Failed> {
        match self.poll.poll(events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        for event in events.iter() {
            match event.token() {
                COMMAND => {}
                PUBLISHER => self.drain_publisher()?,
                Token(number) => self.read(number)?,
            }
        }
        Ok(())
    }

    /// Waits for `count` messages at each member. Publishes them, unless `flight` is 0.
    fn run(&mut self, count: u64, flight: u64, events: &mut Events) -> Result<(), Failed> {
        let before = self.expected;
        self.expected += count;
        let message = self.wire.message();
        let mut sent = 0;
        loop {
            let least = self.members.iter().map(|member| member.received).min().unwrap_or(0);
            let done = least.saturating_sub(before);
            if done >= count {
                return Ok(());
            }
            let now = count.min(done + flight).saturating_sub(sent);
            if flight > 0 && now > 0 {
                // Short: there is room for it.
                self.publisher()?.write_all(&message.repeat(usize::try_from(now)?))?;
                sent += now;
            }
            self.turn(events)?;
        }
    }
}

/// Reads the commands in a thread of its own, each of which wakes the caller.
fn commands(poll: &Poll) -> io::Result<Receiver<String>> {
    let waker = Arc::new(Waker::new(poll.registry(), COMMAND)?);
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() || waker.wake().is_err() {
                return;
            }
        }
        drop(sender);
        let _ = waker.wake();
    });
    Ok(receiver)
}

fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, protocol, path, count, publisher @ ..] = &arguments[..] else {
        return Err("the arguments are ADDRESS, ws, redis or socketio, PATH and COUNT".into());
    };
    let wire = match protocol.as_str() {
        "ws" => Wire::WebSocket,
        "redis" => Wire::Redis,
        "socketio" => Wire::SocketIo,
        other => return Err(format!("no protocol {other}: ws, redis or socketio").into()),
    };
    let mut room = Room::open(address.parse()?, wire, path, count.parse()?)?;
    if let Some(publisher) = publisher.first() {
        room.publishes_at = publisher.parse()?;
    }
    let commands = commands(&room.poll)?;
    writeln!(io::stdout(), "open")?;
    let mut events = Events::with_capacity(1024);
    loop {
        match commands.try_recv() {
            Err(TryRecvError::Empty) => room.turn(&mut events)?,
            Err(TryRecvError::Disconnected) => return Ok(()),
            Ok(line) => {
                match line.split(' ').collect::<Vec<_>>()[..] {
                    ["publish", count, flight] => {
                        room.run(count.parse()?, flight.parse()?, &mut events)?;
                    }
                    ["await", count] => room.run(count.parse()?, 0, &mut events)?,
                    _ => return Err(format!("no command {line}").into()),
                }
                writeln!(io::stdout(), "delivered")?;
            }
        }
    }
}
