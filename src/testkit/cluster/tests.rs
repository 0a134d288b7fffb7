//! Several nodes and a real server under faults: the same rules as in the simulation, as far as the
//! nodes can see. Skipped without the program, unless `REQUIRE_ENGINES` is set. `ENGINE_SECONDS` is
//! the time of a run, `ENGINE_SEED` chooses the faults.

#[cfg(feature = "nats")]
mod nats;
mod redis;

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use std::time::Duration;

use super::recorder::{Recorder, Seen, content};
use super::world::TOPICS;
use crate::backplane::bounds::Bounds;
use crate::backplane::engine::Engine;
use crate::backplane::exchange::{Exchange, Policy, Published};
use crate::backplane::line::Wish;
use crate::clock::Clock;
use crate::now::Now;
use crate::testkit::random::Random;

/// Which faults a run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Faults {
    Lossless,
    All,
}

/// A server with the messages of all nodes.
trait Store: Sized {
    fn connect(&self) -> io::Result<Box<dyn Pipe>>;
    fn engine(&self, node: u64, generation: u64) -> Box<dyn Engine>;
    /// One of the faults that only this kind of server has.
    fn fault(run: &mut Run<Self>, faults: Faults);
}

/// The socket of a connection.
trait Pipe: Read + Write {
    fn set_waits(&self, waits: bool);
}

impl Pipe for UnixStream {
    fn set_waits(&self, waits: bool) {
        self.set_nonblocking(!waits).unwrap();
    }
}

impl Pipe for TcpStream {
    fn set_waits(&self, waits: bool) {
        self.set_nonblocking(!waits).unwrap();
        self.set_nodelay(true).unwrap();
    }
}

struct Node {
    id: u64,
    generation: u64,
    exchange: Exchange,
    recorder: Recorder,
    link: Option<Link>,
    published: BTreeMap<&'static str, u64>,
    /// It cannot connect.
    is_apart: bool,
}

struct Link {
    stream: Box<dyn Pipe>,
    engine: Box<dyn Engine>,
    input: Vec<u8>,
    output: Vec<u8>,
    /// Nothing moves.
    hangs: bool,
}

impl Node {
    fn new(id: u64, now: Now) -> Node {
        let bounds = Bounds { linger_ms: 1_000_000, window_messages: 500, ..Bounds::default() };
        let mut exchange = Exchange::new(id, Policy::Refuse, bounds, now);
        TOPICS.iter().for_each(|topic| exchange.watch(topic, 5));
        let (recorder, published) = (Recorder::default(), BTreeMap::new());
        let (generation, link, is_apart) = (0, None, false);
        Node { id, generation, exchange, recorder, link, published, is_apart }
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

    fn turn(&mut self, server: &impl Store, now: Now) {
        match self.exchange.wish(now, &mut self.recorder) {
            Wish::Connect => match server.connect() {
                Ok(stream) if !self.is_apart => {
                    self.generation += 1;
                    stream.set_waits(false);
                    let mut engine = server.engine(self.id, self.generation);
                    let mut output = Vec::new();
                    engine.opening(&mut output);
                    let (input, hangs) = (Vec::new(), false);
                    self.link = Some(Link { stream, engine, input, output, hangs });
                }
                _ => self.exchange.cut(now),
            },
            Wish::Cut(_) => drop(self.cut(now)),
            Wish::Probe(_) | Wish::Nothing => {}
        }
        let Some(link) = &mut self.link else { return };
        self.exchange.ask(&mut *link.engine, &mut link.output, now, &mut self.recorder);
        if link.exchange_bytes().is_err() {
            return drop(self.cut(now));
        }
        let (exchange, recorder) = (&mut self.exchange, &mut self.recorder);
        match link.engine.on_data(&link.input, &mut |news| exchange.on_news(news, now, recorder)) {
            Ok(used) => drop(link.input.drain(..used)),
            Err(_) => drop(self.cut(now)),
        }
    }

    fn cut(&mut self, now: Now) -> Option<Link> {
        self.exchange.cut(now);
        self.link.take()
    }
}

impl Link {
    /// Moves the bytes that the socket takes and has.
    fn exchange_bytes(&mut self) -> io::Result<()> {
        if self.hangs {
            return Ok(());
        }
        let is_waiting = |error: &io::Error| error.kind() == ErrorKind::WouldBlock;
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

fn signal(process: &Child, name: &str) {
    let process = process.id().to_string();
    Command::new("kill").args([name, &process]).status().unwrap();
}

/// A run: three nodes, a server, and the connections that were given up.
struct Run<S> {
    server: S,
    nodes: Vec<Node>,
    late: Vec<Link>,
    /// Connections that have sent their last bytes. One that is dropped with input may lose them.
    over: Vec<Link>,
    random: Random,
    clock: Clock,
}

impl<S: Store> Run<S> {
    fn turn(&mut self) {
        let now = self.clock.read();
        self.nodes.iter_mut().for_each(|node| node.turn(&self.server, now));
        if self.random.one_in(50)
            && let Some(mut late) = self.late.pop()
        {
            late.stream.set_waits(true);
            let _ = late.stream.write_all(&late.output);
            self.over.push(late);
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

    /// Publishes for a random time up to this one.
    fn publish_for(&mut self, most_ms: usize) {
        let time = Duration::from_millis(self.random.below(most_ms) as u64);
        let end = self.clock.read().elapsed() + time;
        while self.clock.read().elapsed() < end {
            (0..self.random.below(4)).for_each(|_| self.publish());
            self.turn();
        }
    }

    fn topic(&mut self) -> &'static str {
        TOPICS[self.random.below(TOPICS.len())]
    }

    fn fault(&mut self, faults: Faults) {
        let node = self.random.below(self.nodes.len());
        match self.random.below(8) {
            0 => drop(self.nodes[node].cut(self.clock.read())),
            // The bytes of the old connection arrive after those of the next one.
            1 | 2 => {
                if let Some(link) = &mut self.nodes[node].link {
                    link.hangs = true;
                }
                self.publish_for(400);
                let link = self.nodes[node].cut(self.clock.read());
                self.late.extend(link);
            }
            // It misses messages of the others, and a fault.
            3 => {
                self.nodes[node].is_apart = true;
                drop(self.nodes[node].cut(self.clock.read()));
                self.publish_for(300);
                S::fault(self, faults);
                self.publish_for(300);
                self.nodes[node].is_apart = false;
            }
            _ => S::fault(self, faults),
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
fn judge<S>(run: &Run<S>) -> (u64, u64) {
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

fn run(faults: Faults, server: Option<impl Store>) {
    let Some(server) = server else { return };
    let (mut clock, seed) = (Clock::start(), variable("ENGINE_SEED", 1));
    let nodes = (1..=3).map(|id| Node::new(id, clock.read())).collect();
    let (late, over, random) = (Vec::new(), Vec::new(), Random::new(seed));
    let mut run = Run { server, nodes, late, over, random, clock };
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
