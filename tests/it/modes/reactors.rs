//! Several reactors as one server, in memory: the reactor of a connection makes no difference
//! except to the order of messages from different senders.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketserver::testkit::{Client, Network, Random};
use socketserver::{Close, Context, Handler, Id, Limits, Notification, Topic};

const REACTORS: usize = 3;

fn limits() -> Limits {
    Limits::default().idle(None).first_byte(None)
}

/// Publishes its input to the others in the room, line by line.
struct Member;

impl Handler for Member {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.join(&Topic::new("room"));
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let end = input.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        for line in input[..end].split_inclusive(|byte| *byte == b'\n') {
            cx.publish(&Topic::new("room"), line);
        }
        Ok(end)
    }
}

/// Each line is `SPEAKER NUMBER`. Counts the lines of each speaker, and checks that each one's are
/// in order.
fn in_order(heard: &[u8]) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for line in std::str::from_utf8(heard).unwrap().lines() {
        let (speaker, number) = line.split_once(' ').unwrap();
        let next = count.entry(speaker.to_owned()).or_insert(0);
        assert_eq!(number, next.to_string(), "of {speaker}");
        *next += 1;
    }
    count
}

#[test]
fn all_members_get_everything_whatever_their_reactor() {
    for seed in 0..50 {
        let mut random = Random::new(seed + 1);
        let reactors = 1 + random.below(4);
        let mut network = Network::with_reactors(limits(), reactors);
        let members: Vec<Client> = (0..9).map(|_| network.connect(Member)).collect();
        network.turn();
        let mut said = [0; 9];
        for _ in 0..300 {
            let who = random.below(9);
            match random.below(4) {
                0 => network.turn(),
                1 => network.spurious(members[who]),
                _ => {
                    network.send(members[who], format!("{who} {}\n", said[who]).as_bytes());
                    said[who] += 1;
                }
            }
        }
        network.settle();
        for (who, member) in members.iter().enumerate() {
            let heard = in_order(&network.received(*member));
            for other in (0..9).filter(|other| *other != who) {
                assert_eq!(heard[&other.to_string()], said[other], "seed {seed}");
            }
            assert!(!heard.contains_key(&who.to_string()), "seed {seed}: its own words");
        }
    }
}

/// Sends to and notifies the connection that its input names: `s` or `t`, and the index in the
/// list.
struct Caller(Arc<Mutex<Vec<Id>>>);

impl Handler for Caller {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        for order in input.chunks_exact(2) {
            let to = self.0.lock().unwrap()[usize::from(order[1])];
            match order[0] {
                b's' => cx.send(to, *b"sent "),
                _ => cx.notify(to, "told "),
            }
        }
        Ok(input.len())
    }

    fn on_notify(&mut self, note: Notification, cx: &mut Context<'_>) {
        match note {
            Notification::Undelivered { to, .. } => write!(cx, "{to} has gone "),
            note => cx.write(note.downcast::<&str>().unwrap().as_bytes()),
        }
    }
}

#[test]
fn ids_name_connections_of_every_reactor_and_never_another_one() {
    let ids = Arc::new(Mutex::new(Vec::new()));
    let mut network = Network::with_reactors(limits(), REACTORS);
    let clients: Vec<Client> = (0..6).map(|_| network.connect(Caller(ids.clone()))).collect();
    ids.lock().unwrap().extend(clients.iter().map(|client| network.id(*client)));
    let mut sorted = ids.lock().unwrap().clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), 6, "two have the same name");
    for to in 0..6 {
        network.send(clients[0], &[b's', to, b't', to]);
        network.settle();
        // A note is delivered in the next turn, and sent bytes are there at once.
        assert_eq!(network.received(clients[usize::from(to)]), b"sent told ");
    }
    // The second connection of the second reactor ends, and another one gets its slot.
    network.reset(clients[4]);
    network.settle();
    let slots: Vec<Client> = (0..3).map(|_| network.connect(Caller(ids.clone()))).collect();
    network.send(clients[0], b"s\x04t\x04");
    network.settle();
    for stranger in slots {
        assert_eq!(network.received(stranger), b"");
    }
    let gone = format!("{} has gone ", ids.lock().unwrap()[4]);
    assert_eq!(network.received(clients[0]), gone.as_bytes());
}

/// Forwards its input to another connection.
struct Pipe(Id);

impl Handler for Pipe {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        cx.forward(self.0, &*input);
        Ok(input.len())
    }
}

struct Silent;

impl Handler for Silent {
    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }
}

fn pipe() -> (Network, Client, Client) {
    let mut network = Network::with_reactors(limits(), 2);
    let reader = network.connect(Silent);
    let to = network.id(reader);
    let writer = network.connect(Pipe(to));
    (network, writer, reader)
}

#[test]
fn forwarding_to_another_reactor_goes_at_the_pace_of_the_reader() {
    let (mut network, writer, reader) = pipe();
    network.window(reader, 1000);
    let sent: Vec<u8> = (0..4_000_000_u32).map(|n| (n / 7) as u8).collect();
    network.send(writer, &sent);
    network.settle();
    assert!(network.unread(writer) > 3_000_000, "read although nobody takes it");
    let mut got = Vec::new();
    while got.len() < sent.len() {
        network.window(reader, 100_000);
        let more = network.received(reader);
        got.extend(more);
        network.settle();
    }
    assert!(got == sent, "other bytes, or in another order");
}

#[test]
fn no_sender_is_throttled_for_a_closed_reader() {
    let (mut network, writer, reader) = pipe();
    network.window(reader, 0);
    network.send(writer, &[b'x'; 1_000_000]);
    network.settle();
    assert!(network.unread(writer) > 0);
    network.reset(reader);
    network.settle();
    assert_eq!(network.unread(writer), 0);
}

#[test]
fn a_publisher_faster_than_another_reactor_is_throttled() {
    let limits = limits().read_budget(1024 * 1024);
    let mut network = Network::with_reactors(limits, 2);
    let publisher = network.connect(Member);
    // Every second one is on the other reactor, and the rest get nothing.
    let clients: Vec<Client> = (0..32)
        .map(|n| match n % 2 {
            0 => network.connect(Member),
            _ => network.connect(Silent),
        })
        .collect();
    network.turn();
    let line = [&[b'x'; 1023][..], b"\n"].concat();
    for _ in 0..8 * 1024 {
        network.send(publisher, &line);
    }
    let mut got = 0;
    let mut left = Vec::new();
    for _ in 0..400 {
        network.turn();
        left.push(network.unread(publisher));
        got += network.received(clients[0]).len();
        for client in &clients[1..] {
            network.received(*client);
        }
    }
    assert!(left[8] > 4_000_000, "not held: {} bytes left", left[8]);
    assert_eq!(left.last(), Some(&0), "held for ever");
    assert_eq!(got, 8 * 1024 * 1024);
}

/// Publishes its input, and answers.
struct Herald;

impl Handler for Herald {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        cx.publish(&Topic::new("room"), &*input);
        cx.write(b"published");
        Ok(input.len())
    }
}

#[test]
fn an_answer_leaves_after_messages_published_with_it() {
    // A client that gets the answer may join, and must not get messages published before.
    let mut network = Network::with_reactors(limits(), 2);
    let herald = network.connect(Herald);
    network.settle();
    network.send(herald, b"news");
    network.turn();
    assert_eq!(network.received(herald), b"", "answered in the turn that published");
    let late: Vec<Client> = (0..2).map(|_| network.connect(Member)).collect();
    network.turn();
    assert_eq!(network.received(herald), b"published");
    network.settle();
    for member in late {
        assert_eq!(network.received(member), b"");
    }
    // A single reactor has no other one to wait for.
    let mut network = Network::new(limits());
    let herald = network.connect(Herald);
    network.send(herald, b"news");
    network.turn();
    assert_eq!(network.received(herald), b"published");
}

#[test]
fn stopping_stops_every_reactor() {
    let mut network = Network::with_reactors(limits(), REACTORS);
    for _ in 0..10 {
        network.connect(Member);
    }
    network.settle();
    network.stop();
    network.advance(Duration::from_secs(5));
    assert_eq!(network.connections(), 0);
}

/// Publishes each byte of its input separately.
struct Bytewise;

impl Handler for Bytewise {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        input.iter().for_each(|byte| cx.publish(&Topic::new("room"), [*byte]));
        Ok(input.len())
    }
}

/// More messages are in transit to another reactor than it receives in one turn. Meanwhile its
/// members leave, and others join: these get none of the messages.
#[test]
fn a_member_gets_no_message_for_earlier_members() {
    let mut network = Network::with_reactors(limits(), 2);
    let herald = network.connect(Bytewise);
    let early = network.connect(Member);
    network.settle();
    network.send(herald, &[b'x'; 5000]);
    network.turn();
    network.reset(early);
    network.turn();
    assert!(network.is_closed(early));
    let _on_the_first = network.connect(Silent);
    let late = network.connect(Member);
    network.settle();
    assert_eq!(network.received(late).len(), 0);
}
