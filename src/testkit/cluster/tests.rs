//! Several nodes and a real redis-server under faults: the same rules as in the simulation, as far
//! as the nodes can see. Skipped without the program, unless `REQUIRE_ENGINES` is set.
//! `ENGINE_SECONDS` is the time of a run, `ENGINE_SEED` chooses the faults.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use super::recorder::{Recorder, Seen, content};
use super::world::TOPICS;
use crate::backplane::engine::Engine;
use crate::backplane::exchange::{Bounds, Exchange, Policy, Published};
use crate::backplane::line::Wish;
use crate::backplane::redis::{Redis, Settings, topic_key};
use crate::clock::Clock;
use crate::now::Now;
use crate::protocol::resp::append_command;
use crate::testkit::random::Random;
use crate::testkit::redis_server::RedisServer;

/// Which faults a run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Faults {
    Lossless,
    All,
}

struct Node {
    id: u64,
    generation: u64,
    exchange: Exchange,
    recorder: Recorder,
    link: Option<Link>,
    published: BTreeMap<&'static str, u64>,
}

struct Link {
    stream: UnixStream,
    redis: Redis,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Node {
    fn new(id: u64, now: Now) -> Node {
        let bounds = Bounds { linger_ms: 1_000_000, window_messages: 500, ..Bounds::default() };
        let mut exchange = Exchange::new(id, Policy::Refuse, bounds, now);
        TOPICS.iter().for_each(|topic| exchange.watch(topic, 5));
        let (recorder, published) = (Recorder::default(), BTreeMap::new());
        Node { id, generation: 0, exchange, recorder, link: None, published }
    }

    fn publish(&mut self, topic: &'static str, now: Now) {
        let count = self.published.entry(topic).or_default();
        *count += 1;
        let number = (self.id, *count);
        let published = self.exchange.publish(topic, 0, &content(number), now, &mut self.recorder);
        if published != Published::Queued {
            self.recorder.unshared.insert((topic.to_owned(), number));
        }
    }

    fn turn(&mut self, server: &RedisServer, now: Now) {
        match self.exchange.wish(now, &mut self.recorder) {
            Wish::Connect => match server.connect() {
                Ok(stream) => self.begin(stream),
                Err(_) => self.exchange.cut(now),
            },
            Wish::Cut(_) => drop(self.cut(now)),
            Wish::Probe(_) | Wish::Nothing => {}
        }
        let Some(link) = &mut self.link else { return };
        self.exchange.ask(&mut link.redis, &mut link.output, &mut self.recorder);
        if link.exchange_bytes().is_err() {
            return drop(self.cut(now));
        }
        let (exchange, recorder) = (&mut self.exchange, &mut self.recorder);
        match link.redis.on_data(&link.input, &mut |news| exchange.on_news(news, now, recorder)) {
            Ok(used) => drop(link.input.drain(..used)),
            Err(_) => drop(self.cut(now)),
        }
    }

    fn begin(&mut self, stream: UnixStream) {
        self.generation += 1;
        stream.set_nonblocking(true).unwrap();
        let mut redis = Redis::new(Settings {
            node: self.id,
            generation: self.generation,
            birth: self.id,
            login: None,
            database: 0,
            log_messages: 100_000,
            retention_ms: 1_000_000,
        });
        let mut output = Vec::new();
        redis.opening(&mut output);
        self.link = Some(Link { stream, redis, input: Vec::new(), output });
    }

    fn cut(&mut self, now: Now) -> Option<Link> {
        self.exchange.cut(now);
        self.link.take()
    }
}

impl Link {
    /// Moves the bytes that the socket takes and has.
    fn exchange_bytes(&mut self) -> std::io::Result<()> {
        let is_waiting = |error: &std::io::Error| error.kind() == ErrorKind::WouldBlock;
        match self.stream.write(&self.output) {
            Ok(count) => drop(self.output.drain(..count)),
            Err(error) if is_waiting(&error) => {}
            Err(error) => return Err(error),
        }
        let mut buffer = [0; 16384];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.input.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Err(error) if is_waiting(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn command(server: &RedisServer, parts: &[&[u8]]) {
    let Ok(mut stream) = server.connect() else { return };
    let mut out = Vec::new();
    append_command(&mut out, parts);
    let _ = stream.write_all(&out).and_then(|()| stream.read(&mut [0; 64]));
}

fn signal(server: &RedisServer, name: &str) {
    let process = server.process.id().to_string();
    Command::new("kill").args([name, &process]).status().unwrap();
}

/// Takes the last bytes of the append-only file, as a power failure may.
fn lose_power(server: &mut RedisServer, bytes: u64) {
    server.kill();
    let path = server.path("appendonlydir/appendonly.aof.1.incr.aof");
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len().saturating_sub(bytes)).unwrap();
    server.start_again();
}

/// A run: three nodes, a server, and the connections that were given up.
struct Run {
    server: RedisServer,
    nodes: Vec<Node>,
    late: Vec<Link>,
    random: Random,
    clock: Clock,
}

impl Run {
    fn turn(&mut self) {
        let now = self.clock.read();
        self.nodes.iter_mut().for_each(|node| node.turn(&self.server, now));
        if self.random.one_in(50)
            && let Some(mut late) = self.late.pop()
        {
            let _ = late.stream.set_nonblocking(false);
            let _ = late.stream.write_all(&late.output);
        }
    }

    fn turns_for(&mut self, time: Duration) {
        let end = self.clock.read().elapsed() + time;
        while self.clock.read().elapsed() < end {
            self.turn();
        }
    }

    fn publish(&mut self) {
        let now = self.clock.read();
        let topic = TOPICS[self.random.below(TOPICS.len())];
        let node = self.random.below(self.nodes.len());
        if !self.nodes[node].exchange.holds_publishers() {
            self.nodes[node].publish(topic, now);
        }
    }

    fn fault(&mut self, faults: Faults) {
        let node = self.random.below(self.nodes.len());
        let key = topic_key(TOPICS[self.random.below(TOPICS.len())]);
        let count = if faults == Faults::All { 12 } else { 6 };
        match self.random.below(count) {
            0 => drop(self.nodes[node].cut(self.clock.read())),
            // The bytes of the old connection arrive after those of the next one.
            1 | 2 => {
                let link = self.nodes[node].cut(self.clock.read());
                self.late.extend(link);
            }
            3 => command(&self.server, &[b"SCRIPT", b"FLUSH"]),
            4 => {
                command(&self.server, &[b"CONFIG", b"SET", b"maxmemory", b"1"]);
                self.turns_for(Duration::from_millis(30));
                command(&self.server, &[b"CONFIG", b"SET", b"maxmemory", b"0"]);
            }
            5 => {
                signal(&self.server, "-STOP");
                self.turns_for(Duration::from_millis(400));
                signal(&self.server, "-CONT");
            }
            6 => command(&self.server, &[b"FLUSHALL"]),
            7 => command(&self.server, &[b"DEL", &key]),
            8 => {
                self.server.kill();
                self.server.start_again();
            }
            _ => {
                let bytes = 1 + self.random.below(20_000) as u64;
                lose_power(&mut self.server, bytes);
            }
        }
    }

    /// Runs until nothing is on its way.
    fn settle(&mut self) {
        let end = self.clock.read().elapsed() + Duration::from_secs(30);
        while !self.nodes.iter().all(|node| node.exchange.is_settled()) {
            assert!(self.clock.read().elapsed() < end, "the nodes are not in step");
            self.turn();
        }
        self.turns_for(Duration::from_millis(300));
    }
}

/// Returns the number of deliveries and of marks.
fn judge(run: &Run) -> (u64, u64) {
    let (mut deliveries, mut marks) = (0, 0);
    for node in &run.nodes {
        for topic in TOPICS {
            let sessions = &node.recorder.sessions[topic];
            assert_eq!(sessions.len(), 1, "the topic was watched all the time");
            let mut last: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
            let mut seen_marks = 0;
            for seen in &sessions[0].seen {
                let Seen::Message((publisher, count)) = *seen else {
                    seen_marks += 1;
                    continue;
                };
                deliveries += 1;
                let before = last.insert(publisher, (count, seen_marks));
                let Some((before, marks_before)) = before else { continue };
                assert!(before < count, "{topic}: {count} of {publisher} after {before}");
                let unshared = |count| {
                    let number = (topic.to_owned(), (publisher, count));
                    run.nodes.iter().any(|node| node.recorder.unshared.contains(&number))
                };
                let is_whole = marks_before < seen_marks || (before + 1..count).all(unshared);
                assert!(is_whole, "{topic}: {publisher} from {before} to {count} without a mark");
            }
            marks += seen_marks;
            for publisher in &run.nodes {
                let expected = publisher.published[topic];
                let found = last.get(&publisher.id).map(|(count, _)| *count);
                assert_eq!(found, Some(expected), "the last words of {} in {topic}", publisher.id);
            }
        }
    }
    (deliveries, marks)
}

fn variable(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

fn run(faults: Faults) {
    let arguments = ["--appendonly", "yes", "--aof-use-rdb-preamble", "no"];
    let Some(server) = RedisServer::start(&arguments) else { return };
    let (mut clock, seed) = (Clock::start(), variable("ENGINE_SEED", 1));
    let nodes = (1..=3).map(|id| Node::new(id, clock.read())).collect();
    let mut run = Run { server, nodes, late: Vec::new(), random: Random::new(seed), clock };
    run.settle();
    let end = run.clock.read().elapsed() + Duration::from_secs(variable("ENGINE_SECONDS", 2));
    let mut fault_count = 0;
    while run.clock.read().elapsed() < end {
        (0..run.random.below(4)).for_each(|_| run.publish());
        run.turn();
        if run.random.one_in(3_000) {
            fault_count += 1;
            run.fault(faults);
        }
    }
    run.settle();
    let now = run.clock.read();
    for node in &mut run.nodes {
        TOPICS.iter().for_each(|topic| node.publish(topic, now));
    }
    run.settle();
    let (deliveries, marks) = judge(&run);
    println!("{faults:?}: {fault_count} faults, {deliveries} deliveries, {marks} marks");
    assert!(marks == 0 || faults == Faults::All, "{marks} marks, and nothing was lost");
}

#[test]
fn a_real_server_loses_nothing_behind_our_back() {
    run(Faults::All);
}

#[test]
fn a_real_server_without_losses_makes_no_mark() {
    run(Faults::Lossless);
}
