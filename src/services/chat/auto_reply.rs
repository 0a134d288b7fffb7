//! A service with one fixed answer: the simple chat tool of the socket tutorials.

use std::fmt;
use std::sync::Arc;

use crate::close::Close;
use crate::handler::context::Context;
use crate::handler::{Handler, Service};
use crate::net::incoming::Incoming;

/// Answers the first bytes of each connection with a text, and closes it. Any bytes count as input;
/// no line has to end.
///
/// ```
/// use socketserver::services::chat::AutoReply;
/// use socketserver::testkit::Network;
/// use socketserver::{Limits, Peer, Service};
///
/// let mut service = AutoReply::new("do not answer");
/// let mut network = Network::new(Limits::default());
/// let client = network.connect(service.accept(Peer::unix().into()).unwrap());
/// network.send(client, b"hello");
/// network.settle();
/// assert_eq!(network.received(client), b"do not answer");
/// assert!(network.is_closed(client));
/// ```
#[derive(Clone)]
pub struct AutoReply {
    text: Arc<str>,
}

impl AutoReply {
    /// Answers with `text`, to which nothing is added.
    #[must_use]
    pub fn new(text: &str) -> AutoReply {
        AutoReply { text: text.into() }
    }
}

impl Service for AutoReply {
    fn accept(&mut self, _: Incoming) -> Option<Box<dyn Handler>> {
        Some(Box::new(Once { text: Arc::clone(&self.text) }))
    }
}

impl fmt::Debug for AutoReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AutoReply").field("text", &self.text).finish()
    }
}

struct Once {
    text: Arc<str>,
}

impl Handler for Once {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        cx.write(self.text.as_bytes());
        cx.close(Close::Done);
        Ok(input.len())
    }
}
