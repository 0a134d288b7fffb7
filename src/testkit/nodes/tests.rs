//! Turns in which a member publishes and the engine answers.

use std::time::Duration;

use super::*;
use crate::close::Close;
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::limits::Limits;
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
