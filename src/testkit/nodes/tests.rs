//! Turns in which a member publishes and the engine answers.

use std::time::Duration;

use super::*;
use crate::close::Close;
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::limits::Limits;
use crate::protocol::resp::append_command;
use crate::testkit::BrokerFault;
use crate::topic::Topic;

/// Publishes each byte of its input.
struct Bytes;

impl Handler for Bytes {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        input.iter().for_each(|byte| cx.publish(&Topic::new("room:1"), vec![*byte]));
        Ok(input.len())
    }
}

#[test]
fn a_publisher_is_read_on_if_the_window_fills_and_empties_within_one_turn() {
    let network = Network::new(Limits::default());
    let mut nodes = Nodes::new([network], |it| it.share("room:", "").window(16, 1024 * 1024));
    // Its input comes before that of the connection to the broker, which is younger.
    let publisher = nodes.network(0).connect(Bytes);
    nodes.settle();
    nodes.network(0).send(publisher, b"1");
    nodes.settle();
    let Nodes { broker, nodes: all } = &mut nodes;
    let Node { network, link, .. } = &mut all[0];
    let Link { client, number } = link.unwrap();
    network.send(publisher, &[b'2'; 10]);
    network.settle();
    broker.send(number, &network.received(client));
    network.send(publisher, &[b'3'; 6]);
    network.send(client, &broker.received(number));
    nodes.settle();
    nodes.network(0).send(publisher, b"4");
    nodes.settle();
    assert_eq!(nodes.network(0).unread(publisher), 0);
    assert_eq!(nodes.network(0).metrics().published, 18);
}

/// The node itself gives up an engine that is silent, or reads nothing, after 3 s.
#[test]
fn the_connection_to_an_engine_is_under_no_limit_of_clients() {
    let short = Some(Duration::from_millis(100));
    let limits = Limits::default().first_byte(short).idle(short).write_stall(short);
    for is_read in [true, false] {
        let mut network = Network::new(limits.clone());
        network.share_topics(backplane().share("room:", ""));
        network.settle();
        let client = network.grant();
        if !is_read {
            network.window(client, 0);
        }
        network.advance(Duration::from_millis(2_900));
        assert!(!network.is_closed(client), "it reads: {is_read}");
        network.advance(Duration::from_millis(200));
        assert!(network.is_closed(client));
    }
}

/// A member of the topic that its first byte names, to which it publishes the others.
struct Member;

impl Handler for Member {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let [room, line @ ..] = input else { return Ok(0) };
        let topic = Topic::new(&format!("room:{}", char::from(*room)));
        cx.join(&topic);
        if !line.is_empty() {
            cx.publish(&topic, &*line);
        }
        Ok(input.len())
    }
}

/// Two nodes with a member each of the rooms 1 and 2.
struct Rooms {
    nodes: Nodes,
    members: [[Client; 2]; 2],
}

impl Rooms {
    fn new() -> Rooms {
        let networks = (0..2).map(|_| Network::new(Limits::default()));
        let mut nodes = Nodes::new(networks, |it| it.share("room:", "* "));
        let members = [0, 1].map(|node| {
            ["1", "2"].map(|room| {
                let client = nodes.network(node).connect(Member);
                nodes.network(node).send(client, room.as_bytes());
                client
            })
        });
        nodes.settle();
        Rooms { nodes, members }
    }

    /// Runs a command of another program.
    fn command(&mut self, parts: &[&[u8]]) {
        let client = self.nodes.broker().connect();
        let mut out = Vec::new();
        append_command(&mut out, parts);
        self.nodes.broker().send(client, &out);
        assert!(!self.nodes.broker().received(client).starts_with(b"-"), "{parts:?}");
        self.nodes.broker().close(client);
    }

    /// Returns the texts that the members of a room got, node by node, after a message of node 0.
    fn say(&mut self, room: usize, text: &str) -> [String; 2] {
        let line = format!("{}{text}", room + 1);
        self.nodes.network(0).send(self.members[0][room], line.as_bytes());
        self.nodes.settle();
        self.got(room)
    }

    fn got(&mut self, room: usize) -> [String; 2] {
        [0, 1].map(|node| {
            let received = self.nodes.network(node).received(self.members[node][room]);
            String::from_utf8(received).unwrap()
        })
    }

    /// No node had to connect again.
    fn check_links(&mut self) {
        let numbers = self.nodes.nodes.iter().map(|node| node.link.map(|link| link.number));
        assert_eq!(numbers.collect::<Vec<_>>(), [Some(0), Some(1)]);
    }
}

#[test]
fn an_entry_of_another_program_is_a_mark_in_its_topic_and_nothing_more() {
    let mut rooms = Rooms::new();
    assert_eq!(rooms.say(0, "a"), ["", "a"]);
    rooms.nodes.broker().fault(BrokerFault::Foreign(b"bp:{room:1}".to_vec()));
    assert_eq!(rooms.say(1, "b"), ["", "b"]);
    assert_eq!(rooms.say(0, "c"), ["* ", "* c"]);
    let last = b"999999999999998-18446744073709551615";
    rooms.command(&[b"XADD", b"bp:{room:1}", last, b"m", b""]);
    assert_eq!(rooms.say(0, "d"), ["* * ", "* * d"], "the message begins an epoch");
    assert_eq!(
        (rooms.say(0, "e"), rooms.say(1, "f")),
        (["", "e"].map(Into::into), ["", "f"].map(Into::into))
    );
    rooms.check_links();
}

#[test]
fn a_message_of_another_program_changes_nothing() {
    let mut rooms = Rooms::new();
    assert_eq!(rooms.say(0, "a"), ["", "a"]);
    for payload in [&b""[..], b"hello", b"9999999999999-7 hello", b"5-0 hello", b"1"] {
        for channel in [&b"bp:{room:1}"[..], b"bp:node:0000000000000001"] {
            let junk = BrokerFault::Junk(channel.to_vec(), payload.to_vec());
            rooms.nodes.broker().fault(junk);
            rooms.nodes.settle();
            assert_eq!(rooms.say(0, "b"), ["", "b"], "{}", payload.escape_ascii());
        }
    }
    rooms.check_links();
}

#[test]
fn a_topic_works_again_after_the_key_of_another_program_was_removed() {
    let mut rooms = Rooms::new();
    for spoil in [
        &[&b"SET"[..], b"bp:{room:1}", b"x"][..],
        &[b"XADD", b"bp:{room:1}", b"1000000000000000-0", b"a", b"b"],
    ] {
        assert_eq!(rooms.say(0, "a"), ["", "a"]);
        rooms.command(spoil);
        // The publisher is told.
        assert_eq!(rooms.say(0, "b"), ["* ", ""]);
        rooms.nodes.cut(1);
        rooms.nodes.advance(Duration::from_secs(5));
        assert_eq!(rooms.got(0), ["", "* "], "a node that reads it");
        assert_eq!(rooms.say(1, "c"), ["", "c"]);
        rooms.command(&[b"DEL", b"bp:{room:1}"]);
        rooms.nodes.advance(Duration::from_secs(2));
        rooms.got(0);
        let [own, other] = rooms.say(0, "d");
        assert!(other.ends_with('d') && !own.contains('d'), "{own:?} {other:?}");
        assert_eq!(rooms.say(0, "e"), ["", "e"]);
    }
}
