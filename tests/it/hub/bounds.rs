//! Output above the hard watermark that a peer does not take, from handlers that are called without
//! input: it ends the receiver.

use socketserver::testkit::{Client, Network};
use socketserver::{Close, Context, Handler, Id, Limits, Notification, Topic};

const PIECE: usize = 256 * 1024;

/// Writes a piece for each notification, and publishes: with several reactors its output is gated.
struct Loud;

impl Handler for Loud {
    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }

    fn on_notify(&mut self, _: Notification, cx: &mut Context<'_>) {
        cx.publish(&Topic::new("t"), "x");
        cx.write(&[7; PIECE]);
    }
}

/// Forwards a piece for each notification, though it may be throttled.
struct Forwarder(Id);

impl Handler for Forwarder {
    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }

    fn on_notify(&mut self, _: Notification, cx: &mut Context<'_>) {
        cx.forward(self.0, vec![7; PIECE]);
    }
}

/// Notifies `of` a hundred times. Returns the largest amount of output that waited for `receiver`.
fn largest_output(network: &mut Network, of: Client, receiver: Client) -> usize {
    network.window(receiver, 0);
    let unsent = (0..100).map(|_| {
        network.notify(of, ());
        network.turn();
        network.unsent(receiver)
    });
    unsent.max().unwrap_or(0)
}

#[test]
fn a_gated_connection_is_bounded_by_the_hard_watermark() {
    for reactors in [1, 2, 3] {
        let mut network = Network::with_reactors(Limits::default(), reactors);
        let loud = network.connect(Loud);
        network.settle();
        let largest = largest_output(&mut network, loud, loud);
        assert!(largest <= Limits::default().output_hard + 2 * PIECE, "{largest}, {reactors}");
        assert!(network.is_closed(loud), "{reactors} reactors");
        assert_eq!(network.metrics().closed(&Close::SlowConsumer), 1);
    }
}

#[test]
fn a_throttled_handler_that_goes_on_forwarding_ends_the_receiver() {
    for reactors in [1, 2, 3] {
        let mut network = Network::with_reactors(Limits::default(), reactors);
        let receiver = network.connect(Loud);
        network.settle();
        let id = network.id(receiver);
        let forwarder = network.connect(Forwarder(id));
        network.settle();
        let largest = largest_output(&mut network, forwarder, receiver);
        assert!(largest <= Limits::default().output_hard + 2 * PIECE, "{largest}, {reactors}");
        network.settle();
        assert!(network.is_closed(receiver), "{reactors} reactors");
        assert!(!network.is_closed(forwarder), "{reactors} reactors");
    }
}
