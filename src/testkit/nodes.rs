//! Several networks around one broker, with one clock. Knows no service.

use std::io;
use std::time::Duration;

use super::broker::Broker;
use super::network::{Client, Network};
use crate::backplane::config::{Backplane, EngineAddress};
use crate::net::address::Address;

/// Several servers in memory, the nodes, which share topics through one [`Broker`].
///
/// ```
/// use socketserver::testkit::{Network, Nodes};
/// use socketserver::{Close, Context, Handler, Limits, Topic};
/// use std::time::Duration;
///
/// /// Forwards its input to all other members.
/// struct Member;
///
/// impl Handler for Member {
///     fn on_open(&mut self, cx: &mut Context<'_>) {
///         cx.join(&Topic::new("room:1"));
///     }
///
///     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
///         cx.publish(&Topic::new("room:1"), &*input);
///         Ok(input.len())
///     }
/// }
///
/// const MARK: &str = "* some messages may be missing\n";
/// let networks = (0..2).map(|_| Network::new(Limits::default()));
/// let mut nodes = Nodes::new(networks, |it| it.share("room:", MARK));
/// let ann = nodes.network(0).connect(Member);
/// let bob = nodes.network(1).connect(Member);
/// nodes.settle();
/// nodes.network(0).send(ann, b"hello\n");
/// nodes.settle();
/// assert_eq!(nodes.network(1).received(bob), b"hello\n");
///
/// // Nothing is lost while the connection of a node to the broker is away.
/// nodes.cut(1);
/// nodes.network(0).send(ann, b"are you there?\n");
/// nodes.advance(Duration::from_secs(2));
/// assert_eq!(nodes.network(1).received(bob), b"are you there?\n");
/// ```
#[derive(Debug)]
pub struct Nodes {
    broker: Broker,
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    network: Network,
    link: Option<Link>,
    /// Attempts to connect fail.
    is_cut_off: bool,
}

/// The connection of a node to the broker: the far end of one of the network, and its number at the
/// broker.
#[derive(Clone, Copy, Debug)]
struct Link {
    client: Client,
    number: usize,
}

/// After this many rounds the nodes are assumed never to settle.
const ROUNDS_MAX: usize = 100_000;

impl Nodes {
    /// Creates the nodes. `share` says which topics they share.
    pub fn new(
        networks: impl IntoIterator<Item = Network>,
        mut share: impl FnMut(Backplane) -> Backplane,
    ) -> Nodes {
        let mut nodes = Nodes { broker: Broker::new(), nodes: Vec::new() };
        networks.into_iter().for_each(|network| nodes.add(network, &mut share));
        nodes
    }

    /// Adds a node. [`Nodes`] has an example of nodes.
    pub fn add(&mut self, mut network: Network, share: impl FnOnce(Backplane) -> Backplane) {
        network.share_topics(share(backplane()));
        self.nodes.push(Node { network, link: None, is_cut_off: false });
    }

    /// Returns a node.
    ///
    /// # Panics
    ///
    /// If there is none with this index.
    pub fn network(&mut self, node: usize) -> &mut Network {
        &mut self.nodes[node].network
    }

    /// Returns the broker, for its [faults](super::BrokerFault).
    pub fn broker(&mut self) -> &mut Broker {
        &mut self.broker
    }

    /// Ends the connection of a node to the broker. The node connects again.
    pub fn cut(&mut self, node: usize) {
        self.nodes[node].cut(&mut self.broker);
    }

    /// Ends the connection of a node to the broker, and refuses others until
    /// [`rejoin`](Nodes::rejoin). [`cut`](Nodes::cut) ends one; [`Nodes`] has an example.
    pub fn cut_off(&mut self, node: usize) {
        self.cut(node);
        self.nodes[node].is_cut_off = true;
    }

    /// Ends the effect of [`cut_off`](Nodes::cut_off). [`Nodes`] has an example of a shorter break.
    pub fn rejoin(&mut self, node: usize) {
        self.nodes[node].is_cut_off = false;
    }

    /// Runs turns until no work is left at the current time.
    ///
    /// # Panics
    ///
    /// If the nodes do not come to rest.
    pub fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let moved: Vec<bool> =
                self.nodes.iter_mut().map(|node| node.exchange(&mut self.broker)).collect();
            if !moved.contains(&true) {
                return;
            }
        }
        assert_eq!(ROUNDS_MAX, 0, "the nodes do not come to rest");
    }

    /// Advances the clock of all nodes and of the broker, in steps of 10 ms.
    pub fn advance(&mut self, time: Duration) {
        const STEP: Duration = Duration::from_millis(10);
        let mut left = time;
        while !left.is_zero() {
            let step = left.min(STEP);
            left -= step;
            self.settle();
            self.broker.advance(u64::try_from(step.as_millis()).unwrap_or(u64::MAX));
            self.nodes.iter_mut().for_each(|node| node.network.advance(step));
        }
        self.settle();
    }
}

/// Returns the settings for the broker, which has no address.
pub(super) fn backplane() -> Backplane {
    let to = Address::Unix("/broker".into()).into();
    Backplane::new(EngineAddress::Redis { to, login: None, database: 0 })
}

impl Node {
    fn cut(&mut self, broker: &mut Broker) {
        if let Some(Link { client, number }) = self.link.take() {
            self.network.reset(client);
            broker.close(number);
        }
    }

    /// Runs the node, and moves bytes between it and the broker. Returns true if there were any.
    fn exchange(&mut self, broker: &mut Broker) -> bool {
        self.network.settle();
        let mut has_moved = false;
        while !self.network.wanted().is_empty() {
            has_moved = true;
            match self.is_cut_off {
                true => self.network.deny(io::ErrorKind::ConnectionRefused.into()),
                false => {
                    self.cut(broker);
                    let client = self.network.grant();
                    self.link = Some(Link { client, number: broker.connect() });
                }
            }
            self.network.settle();
        }
        let Some(Link { client, number }) = self.link else { return has_moved };
        let sent = self.network.received(client);
        broker.send(number, &sent);
        let received = broker.received(number);
        if !received.is_empty() {
            self.network.send(client, &received);
        }
        if self.network.is_closed(client) || !broker.is_open(number) {
            self.cut(broker);
            return true;
        }
        has_moved || !sent.is_empty() || !received.is_empty()
    }
}

#[cfg(test)]
mod tests;
