//! Servers that share topics through a broker, in memory: members on all nodes get the messages of
//! each topic in one order, once, and a gap only behind a mark.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use socketserver::protocol::ws::Frame;
use socketserver::services::ws::Frames;
use socketserver::testkit::{BrokerFault, Client, Network, Nodes};
use socketserver::{
    Backplane, Close, Context, Handler, History, Later, Limits, Payload, Policy, Server,
    SharedMessage, Topic,
};

use crate::hub::cuts::modes;
use crate::support::real::{Running, read_to_end};
use crate::support::waiting::until;

const MARK: &str = "* some messages may be missing\n";

/// Joins a topic, and forwards its input to all other members.
struct Member(&'static str);

impl Handler for Member {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.join(&Topic::new(self.0));
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        cx.publish(&Topic::new(self.0), &*input);
        Ok(input.len())
    }
}

/// A feed that tells the publisher of a message that was not shared.
struct Telling;

impl socketserver::Feed for Telling {
    fn unshared(&mut self, message: &SharedMessage<'_>) -> Option<Payload> {
        Some(Payload::from([b"not sent: ", message.bytes].concat()))
    }
}

fn nodes(networks: impl IntoIterator<Item = Network>) -> Nodes {
    Nodes::new(networks, |it| it.share("room:", MARK))
}

fn plain(count: usize) -> Vec<Network> {
    (0..count).map(|_| Network::new(Limits::default())).collect()
}

/// Connects a member of `room:1` to each node.
fn members(nodes: &mut Nodes, count: usize) -> Vec<Client> {
    let members = (0..count).map(|node| nodes.network(node).connect(Member("room:1"))).collect();
    nodes.settle();
    members
}

fn received(nodes: &mut Nodes, node: usize, client: Client) -> String {
    String::from_utf8(nodes.network(node).received(client)).unwrap()
}

#[test]
fn a_message_reaches_the_members_of_all_nodes_and_not_its_author() {
    let mut nodes = nodes(plain(3));
    let members = members(&mut nodes, 3);
    let near = nodes.network(0).connect(Member("room:1"));
    nodes.settle();
    nodes.network(0).send(members[0], b"hello\n");
    nodes.settle();
    assert_eq!(received(&mut nodes, 0, members[0]), "");
    assert_eq!(received(&mut nodes, 0, near), "hello\n");
    for (node, member) in members.iter().enumerate().skip(1) {
        assert_eq!(received(&mut nodes, node, *member), "hello\n");
    }
}

#[test]
fn other_topics_stay_in_their_server() {
    let mut nodes = nodes(plain(2));
    let [one, near] = [0, 0].map(|node| nodes.network(node).connect(Member("local")));
    let far = nodes.network(1).connect(Member("local"));
    nodes.settle();
    nodes.network(0).send(one, b"hello\n");
    nodes.settle();
    assert_eq!(received(&mut nodes, 0, near), "hello\n");
    assert_eq!(received(&mut nodes, 1, far), "");
}

#[test]
fn reactors_and_workers_share_topics_as_one_loop_does() {
    let networks = [
        Network::with_reactors(Limits::default(), 3),
        Network::with_workers(Limits::default()),
        Network::new(Limits::default()),
    ];
    let mut nodes = nodes(networks);
    let members: Vec<Vec<Client>> = (0..3)
        .map(|node| (0..4).map(|_| nodes.network(node).connect(Member("room:1"))).collect())
        .collect();
    nodes.settle();
    let mut expected = String::new();
    for (round, node) in (0..12).zip([0, 1, 2].into_iter().cycle()) {
        let line = format!("line {round}\n");
        let author = members[node][round % 3];
        nodes.network(node).send(author, line.as_bytes());
        nodes.settle();
        expected.push_str(&line);
    }
    // The last one of each node says nothing.
    for (node, members) in members.iter().enumerate() {
        assert_eq!(received(&mut nodes, node, members[3]), expected, "{node}");
    }
}

#[test]
fn messages_of_all_nodes_have_one_order() {
    let mut nodes = nodes(plain(3));
    let members = members(&mut nodes, 3);
    let near: Vec<Client> = (0..3).map(|n| nodes.network(n).connect(Member("room:1"))).collect();
    nodes.settle();
    for round in 0..20 {
        for (node, member) in members.iter().enumerate() {
            nodes.network(node).send(*member, format!("{node}-{round}\n").as_bytes());
        }
        nodes.settle();
    }
    let orders: Vec<String> = (0..3).map(|n| received(&mut nodes, n, near[n])).collect();
    assert_eq!(orders[0].lines().count(), 60);
    assert!(orders.iter().all(|order| *order == orders[0]));
}

#[test]
fn a_break_of_the_connection_loses_nothing_and_makes_no_mark() {
    let mut nodes = nodes(plain(2));
    let members = members(&mut nodes, 2);
    let mut expected = String::new();
    for round in 0..20 {
        nodes.cut(round % 2);
        let line = format!("line {round}\n");
        nodes.network(0).send(members[0], line.as_bytes());
        expected.push_str(&line);
        nodes.advance(Duration::from_millis(300));
    }
    nodes.advance(Duration::from_secs(3));
    assert_eq!(received(&mut nodes, 1, members[1]), expected);
}

#[test]
fn a_loss_of_the_store_is_behind_a_mark() {
    let mut nodes = nodes(plain(2));
    let members = members(&mut nodes, 2);
    nodes.network(0).send(members[0], b"one\n");
    nodes.settle();
    nodes.cut_off(1);
    nodes.network(0).send(members[0], b"two\n");
    nodes.advance(Duration::from_secs(1));
    nodes.broker().fault(BrokerFault::Wipe);
    nodes.rejoin(1);
    nodes.advance(Duration::from_secs(3));
    nodes.network(0).send(members[0], b"three\n");
    nodes.advance(Duration::from_secs(1));
    let feed = received(&mut nodes, 1, members[1]);
    // Also the other node has found the loss, and has written a mark for all.
    let marks = feed.strip_prefix("one\n").and_then(|rest| rest.strip_suffix("three\n"));
    assert!(matches!(marks, Some(marks) if [1, 2].map(|n| MARK.repeat(n)).contains(&marks.into())));
}

#[test]
fn a_publisher_is_told_that_the_engine_is_away() {
    let mut nodes = Nodes::new(plain(2), |it| it.share("room:", Telling));
    let members = members(&mut nodes, 2);
    nodes.cut_off(0);
    nodes.advance(Duration::from_secs(1));
    nodes.network(0).send(members[0], b"early\n");
    nodes.settle();
    assert_eq!(received(&mut nodes, 0, members[0]), "");
    nodes.advance(Duration::from_secs(3));
    assert_eq!(received(&mut nodes, 0, members[0]), "not sent: early\n");
    nodes.network(0).send(members[0], b"late\n");
    nodes.settle();
    assert_eq!(received(&mut nodes, 0, members[0]), "not sent: late\n");
    nodes.rejoin(0);
    nodes.advance(Duration::from_secs(3));
    nodes.network(0).send(members[0], b"again\n");
    nodes.settle();
    assert_eq!(received(&mut nodes, 1, members[1]), "again\n");
}

/// A feed that is a text says it in this case, too.
#[test]
fn a_publisher_is_told_that_a_message_is_too_long() {
    let mut nodes = nodes(plain(2));
    let members = members(&mut nodes, 2);
    for (length, told) in [(48 * 1024, ""), (48 * 1024 + 1, MARK)] {
        nodes.network(0).send(members[0], &vec![b'x'; length]);
        nodes.settle();
        assert_eq!(received(&mut nodes, 0, members[0]), told);
        let arrived = if told.is_empty() { length } else { 0 };
        assert_eq!(received(&mut nodes, 1, members[1]).len(), arrived);
    }
}

/// Publishes its input to the topic as a message of a WebSocket.
struct Socket;

impl Handler for Socket {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        cx.publish(&Topic::new("room:1"), Frame::binary(input));
        Ok(input.len())
    }
}

#[test]
fn a_publisher_of_frames_is_told_that_one_is_not_sent() {
    const MARK: &str = r#"{"kind":"gap"}"#;
    for (frames, told) in [
        (Frames::new().mark(MARK), Vec::from(Frame::text(MARK))),
        // Without a mark no text is known.
        (Frames::new(), Vec::new()),
    ] {
        let mut nodes = Nodes::new(plain(1), |it| it.share("room:", frames.clone()));
        let socket = nodes.network(0).connect(Socket);
        let reader = nodes.network(0).connect(Member("room:1"));
        nodes.settle();
        nodes.network(0).send(socket, &[b'x'; 48 * 1024]);
        nodes.settle();
        assert_eq!(nodes.network(0).received(socket), told, "too long");
        nodes.cut_off(0);
        nodes.advance(Duration::from_secs(3));
        nodes.network(0).send(socket, b"x");
        nodes.settle();
        assert_eq!(nodes.network(0).received(socket), told, "the engine is away");
        assert_eq!(received(&mut nodes, 0, reader), "");
    }
}

/// The messages wait in the connections, not in the memory of the server.
#[test]
fn publishers_are_held_while_too_much_waits_for_the_engine() {
    for networks in [plain(1), vec![Network::with_reactors(Limits::default(), 2)]] {
        let mut nodes = nodes(networks);
        let listener = nodes.network(0).connect(Member("room:1"));
        let authors: Vec<Client> =
            (0..2).map(|_| nodes.network(0).connect(Member("room:1"))).collect();
        nodes.settle();
        nodes.cut_off(0);
        // A message has at most 48 KiB.
        authors.iter().for_each(|author| nodes.network(0).grain(*author, 20 * 1024));
        let piece = vec![b'x'; 40 * 1024];
        for _ in 0..100 {
            authors.iter().for_each(|author| nodes.network(0).send(*author, &piece));
            nodes.network(0).settle();
        }
        let unread: usize = authors.iter().map(|it| nodes.network(0).unread(*it)).sum();
        assert!(unread > 3 * 1024 * 1024, "{unread} of {}", 200 * piece.len());
        nodes.rejoin(0);
        let mut count = 0;
        for _ in 0..100 {
            nodes.advance(Duration::from_millis(50));
            count += nodes.network(0).received(listener).len();
        }
        assert_eq!(count, 200 * piece.len());
        assert!(authors.iter().all(|author| nodes.network(0).unread(*author) == 0));
    }
}

/// The server itself cannot be held: its messages are bounded all the same.
#[test]
fn messages_far_above_the_window_are_refused() {
    let share = |it: Backplane| it.share("room:", MARK).window(10, 10_000);
    let mut nodes = Nodes::new(plain(1), share);
    let listener = nodes.network(0).connect(Member("room:1"));
    nodes.settle();
    nodes.cut_off(0);
    for _ in 0..100 {
        nodes.network(0).publish(&Topic::new("room:1"), "x");
    }
    nodes.rejoin(0);
    nodes.advance(Duration::from_secs(2));
    assert_eq!(received(&mut nodes, 0, listener), "x".repeat(40));
}

/// A reader goes on at another node, which had no member of the topic so far.
#[test]
fn a_reader_goes_on_at_another_node_from_its_position() {
    let histories = [0, 1].map(|_| History::new(100, 10_000));
    let mut kept = histories.iter();
    let mut nodes = Nodes::new(plain(2), |it| it.keep("news", kept.next().unwrap()));
    nodes.settle();
    for number in 0..5 {
        nodes.network(0).publish(&Topic::new("news"), number.to_string());
        nodes.settle();
    }
    let texts = |later: Later| -> Vec<String> {
        assert_eq!(later.gap, None);
        later.messages.iter().map(|(_, it)| String::from_utf8_lossy(it).into_owned()).collect()
    };
    let position = histories[0].since(histories[0].start(), 1).end();
    assert_eq!(texts(histories[1].since(position, usize::MAX)), ["1", "2", "3", "4"]);
    // A node that starts later has the messages of the log.
    let late = History::new(100, 10_000);
    nodes.add(Network::new(Limits::default()), |it| it.keep("news", &late));
    nodes.settle();
    assert_eq!(texts(late.since(position, usize::MAX)), ["1", "2", "3", "4"]);
}

/// No node finds its last entry gone, which would be a reason for a mark.
/// A retention below a minute is a minute: the engine forgets no node between two probes.
#[test]
fn a_log_stays_while_messages_come_before_its_retention_is_over() {
    for (retention, is_far) in [(60, false), (60, true), (1, false)] {
        let retention = Duration::from_secs(retention);
        let mut nodes = Nodes::new(plain(2), |it| it.share("room:", MARK).log(1_000, retention));
        let reader = nodes.network(0).connect(Member("room:1"));
        let author = match is_far {
            true => nodes.network(1).connect(Socket),
            false => nodes.network(1).connect(Member("room:1")),
        };
        nodes.settle();
        let mut count = 0;
        for _ in 0..6 {
            nodes.network(1).send(author, b"x");
            nodes.advance(retention / 10);
            nodes.network(1).send(author, b"x");
            nodes.advance(retention * 9 / 10);
            let heard = nodes.network(0).received(reader);
            let is_marked = heard.windows(MARK.len()).any(|it| it == MARK.as_bytes());
            assert!(!is_marked, "{retention:?} {is_far}: a mark after {count} messages");
            count += 2;
            assert_eq!(nodes.network(0).metrics().opened, 2, "{retention:?}: another connection");
        }
    }
}

#[test]
fn the_limits_of_clients_do_not_end_the_connection_to_the_engine() {
    let limits = Limits::default().idle(Some(Duration::from_millis(200)));
    for network in [Network::new(limits.clone()), Network::with_workers(limits)] {
        let mut nodes = nodes([network]);
        let client = nodes.network(0).connect(Member("local"));
        nodes.settle();
        nodes.network(0).send(client, b"x");
        nodes.advance(Duration::from_secs(10));
        assert!(nodes.network(0).is_closed(client));
        assert_eq!(nodes.network(0).metrics().opened, 2);
    }
}

#[test]
fn the_connection_to_the_engine_ends_after_those_of_the_clients() {
    for network in [Network::new(Limits::default()), Network::with_workers(Limits::default())] {
        let mut nodes = nodes([network]);
        let client = nodes.network(0).connect(Member("room:1"));
        nodes.settle();
        assert_eq!(nodes.network(0).connections(), 2);
        nodes.network(0).stop();
        // A client that has sent nothing is asked after a second.
        nodes.advance(Duration::from_secs(2));
        assert!(nodes.network(0).is_closed(client));
        assert_eq!(nodes.network(0).connections(), 0);
    }
}

/// They would be refused later in any case.
#[test]
fn a_stop_without_the_engine_tells_publishers_at_once() {
    let networks = [
        Network::new(Limits::default()),
        Network::with_workers(Limits::default()),
        Network::with_reactors(Limits::default(), 3),
    ];
    for (kind, network) in networks.into_iter().enumerate() {
        let mut nodes = Nodes::new([network], |it| it.share("room:", Telling));
        let members: Vec<Client> =
            (0..3).map(|_| nodes.network(0).connect(Member("room:1"))).collect();
        nodes.settle();
        nodes.cut_off(0);
        for member in &members {
            nodes.network(0).send(*member, b"early\n");
        }
        nodes.settle();
        for member in &members {
            assert_eq!(received(&mut nodes, 0, *member), "", "{kind}");
        }
        // It arrives with the stop.
        nodes.network(0).send(members[0], b"late\n");
        nodes.network(0).stop();
        nodes.settle();
        assert_eq!(nodes.network(0).connections(), 0, "{kind}: it waits");
        let told = "not sent: early\nnot sent: late\n";
        for (index, member) in members.iter().enumerate() {
            let told = if index == 0 { told } else { "not sent: early\n" };
            assert_eq!(received(&mut nodes, 0, *member), told, "{kind}: {index}");
            assert!(nodes.network(0).is_closed(*member), "{kind}: {index}");
        }
    }
}

#[test]
fn the_last_messages_of_a_node_that_stops_wait_for_the_engine() {
    let hold = Policy::Hold(Duration::from_secs(2));
    let mut nodes = Nodes::new(plain(2), |it| it.share("room:", MARK).policy(hold));
    let members = members(&mut nodes, 2);
    nodes.cut_off(0);
    nodes.network(0).send(members[0], b"the last one\n");
    nodes.settle();
    nodes.network(0).stop();
    nodes.advance(Duration::from_millis(500));
    assert!(nodes.network(0).is_closed(members[0]));
    nodes.rejoin(0);
    nodes.advance(Duration::from_secs(2));
    assert_eq!(received(&mut nodes, 1, members[1]), "the last one\n");
    assert_eq!(nodes.network(0).connections(), 0);
}

/// Publishes its input, and tells so.
struct Teller(mpsc::Sender<()>);

impl Handler for Teller {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        cx.publish(&Topic::new("room:1"), &*input);
        let _ = self.0.send(());
        Ok(input.len())
    }
}

#[test]
fn a_server_ends_after_the_messages_that_the_engine_did_not_accept_are_given_up() {
    let nothing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let backplane = Backplane::at(&format!("redis://{nothing}")).unwrap();
    let backplane = backplane.share("room:", MARK).grace(Duration::from_millis(500));
    let server = Server::bind("127.0.0.1:0").unwrap().backplane(backplane);
    let (handle, address) = (server.handle(), server.addresses()[0].to_string());
    let (told, published) = mpsc::channel();
    let running = thread::spawn(move || server.serve(move |_| Teller(told.clone())));
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"the last one").unwrap();
    published.recv().unwrap();
    handle.stop();
    running.join().unwrap().unwrap();
    assert_eq!(handle.metrics().backplane.unwrap().unaccepted, 0);
}

#[test]
fn a_server_that_stops_without_its_engine_tells_publishers_in_every_mode() {
    for mode in modes() {
        let nothing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let backplane = Backplane::at(&format!("redis://{nothing}")).unwrap();
        let backplane = backplane.share("room:", MARK).grace(Duration::from_secs(3_600));
        let server = Server::new().mode(mode).backplane(backplane);
        let (told, _published) = mpsc::channel();
        let server = server.listen("127.0.0.1:0", move |_| Teller(told.clone())).unwrap();
        let running = Running::start(server);
        let unaccepted = || running.handle.metrics().backplane.unwrap().unaccepted;
        let mut clients: Vec<TcpStream> = (0..4).map(|_| running.client()).collect();
        for (index, client) in clients.iter_mut().enumerate() {
            client.write_all(b"the last one").unwrap();
            until("it waits", || match unaccepted() {
                count if count == index as u64 + 1 => Ok(()),
                count => Err(count),
            });
        }
        running.handle.stop();
        for client in &mut clients {
            assert_eq!(read_to_end(client), MARK.as_bytes(), "{mode:?}");
        }
        assert_eq!(unaccepted(), 0, "{mode:?}");
        running.join();
    }
}
