//! A chat over several nodes, in memory: members of both kinds, their lines, events and positions.

use std::time::Duration;

use serde_json::Value;
use socketserver::protocol::ws::Frame;
use socketserver::services::detect::{Detect, http};
use socketserver::testkit::{BrokerFault, Client, Network, Nodes};
use socketserver::{History, Incoming, Peer as Address, Position, Service, Topic};

use super::scene::{chat, handshake, short};
use crate::hub::network::take_all;
use crate::support::handlers::patient;
use crate::ws::client::Peer;

/// Chats of which each is a node.
struct Cluster {
    nodes: Nodes,
    services: Vec<Detect>,
}

/// A member with lines at a node.
struct Nc {
    node: usize,
    client: Client,
    nick: String,
}

/// A member with a browser at a node.
struct Browser {
    node: usize,
    peer: Peer,
    nick: String,
    /// The last id.
    last: Option<String>,
}

impl Cluster {
    fn new(networks: impl IntoIterator<Item = Network>) -> Cluster {
        let mut services = Vec::new();
        let nodes = Nodes::new(networks, |backplane| {
            let chat = chat();
            let backplane = chat.share(backplane);
            let web = chat.web();
            services.push(Detect::new(chat).when(http, web).silence(Duration::ZERO));
            backplane
        });
        Cluster { nodes, services }
    }

    fn of(count: usize) -> Cluster {
        Cluster::new((0..count).map(|_| Network::new(patient())))
    }

    fn connect(&mut self, node: usize) -> Client {
        let handler = self.services[node].accept(Incoming::from(Address::unix()));
        self.nodes.network(node).connect(handler.expect("a handler"))
    }

    fn nc(&mut self, node: usize) -> Nc {
        let client = self.connect(node);
        self.nodes.advance(Duration::from_millis(10));
        let mut nc = Nc { node, client, nick: String::new() };
        let greeting = nc.hear(self);
        let nick =
            greeting.strip_prefix("* welcome: you are ").unwrap_or_else(|| panic!("{greeting}"));
        nc.nick = nick.split(' ').next().unwrap().to_owned();
        nc
    }

    fn browser(&mut self, node: usize) -> Browser {
        let client = self.connect(node);
        let peer = Peer::shake(self.nodes.network(node), client, handshake("").as_bytes());
        let mut browser = Browser { node, peer, nick: String::new(), last: None };
        let hello = browser.messages(self);
        browser.nick = hello[0]["nick"].as_str().unwrap().to_owned();
        browser
    }
}

impl Nc {
    fn hear(&self, cluster: &mut Cluster) -> String {
        cluster.nodes.settle();
        String::from_utf8(take_all(cluster.nodes.network(self.node), self.client)).unwrap()
    }

    fn say(&self, cluster: &mut Cluster, line: &str) -> String {
        let line = format!("{line}\n");
        cluster.nodes.network(self.node).send(self.client, line.as_bytes());
        self.hear(cluster)
    }
}

impl Browser {
    fn messages(&mut self, cluster: &mut Cluster) -> Vec<Value> {
        cluster.nodes.settle();
        let texts = self.peer.heard(cluster.nodes.network(self.node));
        cluster.nodes.settle();
        let later = self.peer.heard(cluster.nodes.network(self.node));
        let messages = texts.iter().chain(&later).map(|text| serde_json::from_str(text).unwrap());
        let messages: Vec<Value> = messages.collect();
        for id in messages.iter().filter_map(|message| message["id"].as_str()) {
            self.last = Some(id.to_owned());
        }
        messages
    }

    fn ask(&mut self, cluster: &mut Cluster, json: &str) -> Vec<String> {
        self.peer.send(cluster.nodes.network(self.node), Frame::text(json));
        self.heard(cluster)
    }

    /// The events, without names and notices about them.
    fn heard(&mut self, cluster: &mut Cluster) -> Vec<String> {
        let messages = self.messages(cluster);
        let heard = messages.iter().map(short);
        let is_names = |it: &String| it.starts_with("names ") || it.starts_with("notice apart");
        heard.filter(|it| !is_names(it)).collect()
    }

    fn join(&mut self, cluster: &mut Cluster) -> Vec<String> {
        self.ask(cluster, r#"{"type":"join","room":"lobby"}"#)
    }

    fn resume(&mut self, cluster: &mut Cluster, after: &str) -> Vec<String> {
        self.ask(cluster, &format!(r#"{{"type":"join","room":"lobby","after":"{after}"}}"#))
    }

    fn drop_connection(&self, cluster: &mut Cluster) {
        cluster.nodes.network(self.node).reset(self.peer.client);
        cluster.nodes.settle();
    }
}

#[test]
fn lines_and_notices_reach_the_members_of_all_nodes_once() {
    let mut cluster = Cluster::of(2);
    let one = cluster.nc(0);
    let two = cluster.nc(1);
    assert_eq!(one.hear(&mut cluster), format!("* {} joined\n", two.nick));
    assert_eq!(one.say(&mut cluster, "hello"), "");
    assert_eq!(two.hear(&mut cluster), format!("{}: hello\n", one.nick));
    assert_eq!(two.say(&mut cluster, "/join tea"), "* you are now in tea\n");
    assert_eq!(one.hear(&mut cluster), format!("* {} left\n", two.nick));
    assert_eq!(one.say(&mut cluster, "/join TEA"), "* you are now in TEA\n");
    assert_eq!(two.hear(&mut cluster), format!("* {} joined\n", one.nick));
    cluster.nodes.network(0).reset(one.client);
    assert_eq!(two.hear(&mut cluster), format!("* {} left\n", one.nick));
}

#[test]
fn guests_have_a_mark_of_their_node() {
    let mut cluster = Cluster::of(1);
    for number in 1..=3 {
        let nick = cluster.nc(0).nick;
        let (mark, count) = nick.strip_prefix("guest-").unwrap().split_once('-').unwrap();
        assert_eq!((mark.len(), count), (2, &*number.to_string()));
    }
    let one = cluster.nc(0);
    let refusal = "* names that begin with guest- are for guests: choose another name\n";
    assert_eq!(one.say(&mut cluster, "/nick Guest-zz-1"), refusal);
}

#[test]
fn a_name_has_one_owner_at_all_nodes() {
    let mut cluster = Cluster::of(2);
    let (one, two) = (cluster.nc(0), cluster.nc(1));
    one.hear(&mut cluster);
    // The line after the command waits for the answer.
    assert_eq!(one.say(&mut cluster, "/nick bob\nhello"), "* you are now bob\n");
    let heard = format!("* {} is now bob\nbob: hello\n", one.nick);
    assert_eq!(two.hear(&mut cluster), heard);
    let taken = "* BOB is taken: choose another name\n";
    assert_eq!(two.say(&mut cluster, "/nick BOB"), taken);
    let alike = "* bоb looks like bob: choose another name\n";
    assert_eq!(two.say(&mut cluster, "/nick bоb"), alike);
    assert_eq!(one.say(&mut cluster, "/nick Bob"), "* you are now Bob\n");
    assert_eq!(two.say(&mut cluster, "/nick BOB"), format!("* bob is now Bob\n{taken}"));
    assert_eq!(one.say(&mut cluster, "/nick rob"), "* you are now rob\n");
    assert_eq!(two.say(&mut cluster, "/nick BOB"), "* Bob is now rob\n* you are now BOB\n");
    cluster.nodes.network(0).reset(one.client);
    cluster.nodes.settle();
    assert_eq!(two.say(&mut cluster, "/nick rob"), "* rob left\n* you are now rob\n");
}

#[test]
fn a_browser_has_its_name_and_the_names_of_all_nodes() {
    let mut cluster = Cluster::of(2);
    let one = cluster.nc(0);
    one.say(&mut cluster, "/nick bob");
    let mut browser = cluster.browser(1);
    browser.join(&mut cluster);
    let nick = r#"{"type":"nick","nick":"Bob"}"#;
    let refusal = "notice nick-taken Bob is taken: choose another name";
    assert_eq!(browser.ask(&mut cluster, nick), [refusal]);
    let nick = r#"{"type":"nick","nick":"ann"}"#;
    let renamed = format!("lobby {} is now ann", browser.nick);
    let heard = browser.ask(&mut cluster, nick);
    assert_eq!(heard, ["nick ann".to_owned(), renamed]);
    browser.peer.send(cluster.nodes.network(1), Frame::text(r#"{"type":"who","room":"lobby"}"#));
    let heard: Vec<String> = browser.messages(&mut cluster).iter().map(short).collect();
    assert_eq!(heard, ["names lobby 2: ann bob"]);
    one.hear(&mut cluster);
    assert_eq!(one.say(&mut cluster, "/who"), "* 2 in lobby: ann, bob\n");
}

#[test]
fn a_member_that_ends_before_the_answer_leaves_its_name_to_others() {
    let mut cluster = Cluster::of(2);
    let (one, two) = (cluster.nc(0), cluster.nc(1));
    let near = cluster.nc(0);
    let network = cluster.nodes.network(0);
    network.send(one.client, b"/nick bob\n");
    network.settle();
    network.reset(one.client);
    assert_eq!(near.say(&mut cluster, "/nick bob").lines().last(), Some("* you are now bob"));
    near.say(&mut cluster, "/nick rob");
    let network = cluster.nodes.network(0);
    network.send(near.client, b"/nick bob\n");
    network.settle();
    network.reset(near.client);
    cluster.nodes.settle();
    two.hear(&mut cluster);
    assert_eq!(two.say(&mut cluster, "/nick bob"), "* you are now bob\n");
    assert_eq!(two.say(&mut cluster, "/nick rob"), "* you are now rob\n");
}

#[test]
fn a_member_whose_name_another_node_has_taken_becomes_a_guest() {
    let mut cluster = Cluster::of(3);
    let (one, two, three) = (cluster.nc(0), cluster.nc(1), cluster.nc(2));
    let mut browser = cluster.browser(2);
    browser.join(&mut cluster);
    one.say(&mut cluster, "/nick bob");
    cluster.nodes.cut_off(0);
    // The lease of the node ends.
    cluster.nodes.advance(Duration::from_secs(20));
    two.hear(&mut cluster);
    assert_eq!(two.say(&mut cluster, "/nick bob"), "* you are now bob\n");
    three.hear(&mut cluster);
    browser.heard(&mut cluster);
    cluster.nodes.rejoin(0);
    cluster.nodes.advance(Duration::from_secs(10));
    let heard = one.hear(&mut cluster);
    let told = "* bob is a member of another node meanwhile: you are guest-";
    assert!(heard.contains(told), "{heard}");
    // For the others bob is a member of the second node.
    for other in [&two, &three] {
        let heard = other.hear(&mut cluster);
        assert!(heard.starts_with("* another bob is now guest-"), "{heard}");
        assert_eq!(heard.lines().count(), 1, "{heard}");
    }
    let events = browser.messages(&mut cluster);
    let [renamed] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&renamed["was"], &renamed["namesake"]), (&"bob".into(), &true.into()));
    let who = two.say(&mut cluster, "/who");
    assert!(who.starts_with("* 4 in lobby: bob, guest-"), "{who}");
    assert_eq!(two.say(&mut cluster, "/nick rob"), "* you are now rob\n");
    assert_eq!(three.hear(&mut cluster), "* bob is now rob\n");
}

#[test]
fn the_members_of_several_reactors_are_those_of_one_node() {
    let mut cluster = Cluster::new([Network::with_reactors(patient(), 2), Network::new(patient())]);
    let near = [cluster.nc(0), cluster.nc(0), cluster.nc(0)];
    let mut browser = cluster.browser(0);
    browser.join(&mut cluster);
    let far = cluster.nc(1);
    near.iter().for_each(|one| drop(one.hear(&mut cluster)));
    browser.heard(&mut cluster);
    far.say(&mut cluster, "hello");
    for one in &near {
        assert_eq!(one.hear(&mut cluster), format!("{}: hello\n", far.nick));
    }
    assert_eq!(browser.heard(&mut cluster), [format!("lobby {}: hello", far.nick)]);
    near[0].say(&mut cluster, "here");
    assert_eq!(far.hear(&mut cluster), format!("{}: here\n", near[0].nick));
    assert_eq!(near[1].hear(&mut cluster), format!("{}: here\n", near[0].nick));
}

#[test]
fn a_browser_hears_its_own_events_with_their_tags_in_the_order_of_all() {
    let mut cluster = Cluster::of(2);
    let mut browser = cluster.browser(0);
    let nick = browser.nick.clone();
    assert_eq!(
        browser.join(&mut cluster),
        ["entered lobby".to_owned(), format!("lobby {nick} joined")]
    );
    let say = r#"{"type":"say","room":"lobby","text":"hello","tag":"t1"}"#;
    browser.peer.send(cluster.nodes.network(0), Frame::text(say));
    let heard = browser.messages(&mut cluster);
    assert_eq!((&heard[0]["text"], &heard[0]["tag"]), (&"hello".into(), &"t1".into()));
    assert_eq!(browser.ask(&mut cluster, r#"{"type":"part","room":"lobby"}"#), ["parted lobby"]);
}

#[test]
fn a_browser_that_goes_on_at_another_node_misses_nothing_and_hears_nothing_twice() {
    let mut cluster = Cluster::of(3);
    let one = cluster.nc(0);
    let mut browser = cluster.browser(0);
    browser.join(&mut cluster);
    let (last, nick) = (browser.last.clone().unwrap(), browser.nick.clone());
    browser.drop_connection(&mut cluster);
    one.say(&mut cluster, "first");
    // Node 1 has a member with lines, and node 2 has none.
    let two = cluster.nc(1);
    two.say(&mut cluster, "second");
    let mut missed = vec![
        "entered lobby".to_owned(),
        format!("lobby {nick} left"),
        format!("lobby {}: first", one.nick),
        format!("lobby {} joined", two.nick),
        format!("lobby {}: second", two.nick),
    ];
    for node in 1..=2 {
        let mut again = cluster.browser(node);
        let mut heard = again.resume(&mut cluster, &last);
        let joined = format!("lobby {} joined", again.nick);
        assert_eq!(heard.pop(), Some(joined.clone()), "{heard:?}");
        assert_eq!(heard, missed);
        missed.push(joined);
    }
}

#[test]
fn a_room_that_was_empty_at_a_node_has_its_history_again() {
    let mut cluster = Cluster::of(2);
    let one = cluster.nc(0);
    let mut browser = cluster.browser(1);
    browser.join(&mut cluster);
    let last = browser.last.clone().unwrap();
    browser.drop_connection(&mut cluster);
    // Longer than the topic is watched without members.
    cluster.nodes.advance(Duration::from_secs(20));
    one.say(&mut cluster, "missed");
    let mut again = cluster.browser(1);
    let heard = again.resume(&mut cluster, &last);
    let expected = [
        "entered lobby".to_owned(),
        format!("lobby {} left", browser.nick),
        format!("lobby {}: missed", one.nick),
        format!("lobby {} joined", again.nick),
    ];
    assert_eq!(heard, expected);
    let mut newcomer = cluster.browser(1);
    let heard = newcomer.join(&mut cluster);
    assert_eq!(heard[1], format!("lobby {} joined", one.nick));
    assert_eq!(heard.len(), 7, "{heard:?}");
}

#[test]
fn a_process_that_starts_again_has_the_histories_of_its_rooms() {
    let mut cluster = Cluster::of(2);
    let one = cluster.nc(0);
    one.say(&mut cluster, "hello");
    let mut browser = cluster.browser(1);
    let heard = browser.join(&mut cluster);
    assert_eq!(heard[2], format!("lobby {}: hello", one.nick));
    let nowhere = format!("{}", Position::NOWHERE);
    let mut other = cluster.browser(1);
    assert_eq!(other.resume(&mut cluster, &nowhere)[1], "mark lobby null");
}

#[test]
fn a_line_that_is_not_sent_is_told_to_its_author_alone() {
    let mut cluster = Cluster::of(2);
    let (one, two) = (cluster.nc(0), cluster.nc(1));
    let mut browser = cluster.browser(0);
    browser.join(&mut cluster);
    one.hear(&mut cluster);
    two.hear(&mut cluster);
    cluster.nodes.cut_off(0);
    cluster.nodes.advance(Duration::from_secs(3));
    let told = "the other nodes cannot be reached: that line may not have been sent";
    assert_eq!(one.say(&mut cluster, "hello?"), format!("* {told}\n"));
    let say = r#"{"type":"say","room":"lobby","text":"hello?","tag":"t1"}"#;
    browser.peer.send(cluster.nodes.network(0), Frame::text(say));
    let heard = browser.messages(&mut cluster);
    assert_eq!((&heard[0]["code"], &heard[0]["tag"]), (&"unshared".into(), &"t1".into()));
    assert_eq!(heard[0]["text"], told);
    let refusal = "* names cannot be changed now: the other nodes cannot be reached\n";
    assert_eq!(one.say(&mut cluster, "/nick bob"), refusal);
    two.say(&mut cluster, "missed by nobody");
    cluster.nodes.rejoin(0);
    cluster.nodes.advance(Duration::from_secs(9));
    assert_eq!(one.hear(&mut cluster), format!("{}: missed by nobody\n", two.nick));
    assert_eq!(two.hear(&mut cluster), "");
}

#[test]
fn members_are_told_where_messages_may_be_missing() {
    let mut cluster = Cluster::of(2);
    let (one, two) = (cluster.nc(0), cluster.nc(1));
    let mut browser = cluster.browser(1);
    browser.join(&mut cluster);
    for nc in [&one, &two] {
        nc.hear(&mut cluster);
    }
    cluster.nodes.cut_off(1);
    cluster.nodes.broker().fault(BrokerFault::Wipe);
    cluster.nodes.rejoin(1);
    cluster.nodes.advance(Duration::from_secs(3));
    let mark = "* some messages may be missing\n";
    assert_eq!(two.hear(&mut cluster), mark);
    assert_eq!(browser.heard(&mut cluster), ["mark lobby null"]);
    one.hear(&mut cluster);
    one.say(&mut cluster, "again");
    let line = format!("{}: again", one.nick);
    assert_eq!(two.hear(&mut cluster), format!("{line}\n"));
    assert_eq!(browser.heard(&mut cluster), [format!("lobby {line}")]);
    // It goes on at the other node, without a second mark.
    let last = browser.last.clone().unwrap();
    let mut again = cluster.browser(0);
    let heard = again.resume(&mut cluster, &last);
    assert_eq!(heard, ["entered lobby".to_owned(), format!("lobby {} joined", again.nick)]);
}

#[test]
fn a_history_that_is_shared_has_the_same_messages_and_positions_at_all_nodes() {
    let histories: Vec<History> = (0..3).map(|_| History::new(100, 10_000)).collect();
    let mut shared = histories.iter();
    let networks = (0..3).map(|_| Network::new(patient()));
    let mut nodes = Nodes::new(networks, |it| it.keep("news", shared.next().unwrap()));
    nodes.settle();
    let news = Topic::new("news");
    let read = |history: &History, from: Position| {
        let later = history.since(from, usize::MAX);
        assert_eq!(later.gap, None);
        let text =
            |(_, it): &(Position, std::sync::Arc<[u8]>)| String::from_utf8_lossy(it).into_owned();
        (later.end(), later.messages.iter().map(text).collect::<Vec<_>>())
    };
    let starts: Vec<Position> = histories.iter().map(History::start).collect();
    assert!(starts.iter().all(|start| *start == starts[0]), "{starts:?}");
    nodes.network(0).publish(&news, "one");
    nodes.settle();
    nodes.network(1).publish(&news, "two");
    nodes.settle();
    let (mut position, first) = read(&histories[2], starts[0]);
    assert_eq!(first, ["one", "two"]);
    // A reader that goes from node to node gets each message once.
    nodes.cut(0);
    for (number, text) in ["three", "four", "five"].iter().enumerate() {
        nodes.network(number).publish(&news, *text);
        nodes.advance(Duration::from_secs(1));
        let (end, texts) = read(&histories[(number + 1) % 3], position);
        assert_eq!(texts, [*text]);
        position = end;
    }
}
