//! Boxed handlers: a service that makes handlers of several types returns boxes, and they stay as
//! they are.

use socketserver::testkit::Network;
use socketserver::{
    BlockingHandler, BlockingService, Close, Context, Handler, Incoming, Limits, Peer, Service,
    Stream,
};

/// Larger than a box.
struct Large([u8; 100]);

impl Handler for Large {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        cx.write(&self.0[..input.len()]);
        Ok(input.len())
    }
}

impl BlockingHandler for Large {
    fn handle(&mut self, _: &mut Stream) -> std::io::Result<()> {
        Ok(())
    }
}

fn incoming() -> Incoming {
    Peer::unix().into()
}

fn size(service: &mut dyn Service) -> usize {
    size_of_val(&*service.accept(incoming()).unwrap())
}

fn blocking_size(service: &mut dyn BlockingService) -> usize {
    size_of_val(&*service.accept(incoming()).unwrap())
}

#[test]
fn a_boxed_handler_is_not_boxed_again() {
    let large = || Box::new(Large([7; 100]));
    let sizes = [
        size(&mut |_| Large([7; 100])),
        size(&mut |_| large()),
        size(&mut |_| -> Box<dyn Handler> { large() }),
        size(&mut |_| -> Option<Box<dyn Handler>> { Some(large()) }),
        size_of_val(&*Handler::into_box(large() as Box<dyn Handler>)),
    ];
    assert_eq!(sizes, [100; 5]);
    let sizes = [
        blocking_size(&mut |_| Large([7; 100])),
        blocking_size(&mut |_| large()),
        blocking_size(&mut |_| -> Box<dyn BlockingHandler> { large() }),
        blocking_size(&mut |_| -> Option<Box<dyn BlockingHandler>> { Some(large()) }),
    ];
    assert_eq!(sizes, [100; 4]);
}

#[test]
fn it_serves_as_any_other() {
    let mut network = Network::new(Limits::default());
    let client = network.connect(Box::new(Large([b'x'; 100])) as Box<dyn Handler>);
    network.send(client, b"abc");
    network.settle();
    assert_eq!(network.received(client), b"xxx");
}
