//! The feed of WebSockets whose topics span several nodes. Must not know an engine.

use crate::backplane::feed::{Feed, Mark, SharedMessage};
use crate::handler::payload::Payload;
use crate::protocol::ws::Frame;
#[cfg(feature = "deflate")]
use crate::protocol::ws::pack;
use crate::topic::Topic;

/// The first bytes of messages in one frame that are not compressed.
#[cfg(feature = "deflate")]
const WHOLE_TEXT: u8 = 0x81;
#[cfg(feature = "deflate")]
const WHOLE_BINARY: u8 = 0x82;

/// A [`Feed`] for topics to which [frames](Frame) are published: members get them as they are, or
/// compressed once for all members that take that. Members of these topics are WebSockets only.
///
/// ```
/// use socketserver::Backplane;
/// use socketserver::services::ws::Frames;
///
/// let frames = Frames::new().mark(r#"{"kind":"gap"}"#);
/// let backplane = Backplane::at("redis://localhost")?.share("room:", frames);
/// # drop(backplane);
/// # Ok::<(), socketserver::BackplaneError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Frames {
    mark: Option<Box<str>>,
}

impl Frames {
    /// A feed without marks: a member does not notice that messages are missing, nor a publisher
    /// that its message was not sent.
    #[must_use]
    pub fn new() -> Frames {
        Frames::default()
    }

    /// Sets the text message that members get in place of messages that may be missing. The
    /// publisher of a message that is not sent gets it, too. [`Frames`] has an example.
    #[must_use]
    pub fn mark(self, text: &str) -> Frames {
        Frames { mark: Some(text.into()) }
    }

    fn notice(&self) -> Option<Payload> {
        self.mark.as_deref().map(|text| Frame::text(text).into())
    }
}

impl Feed for Frames {
    fn message(&mut self, message: &SharedMessage<'_>) -> Option<Payload> {
        #[cfg(feature = "deflate")]
        if matches!(message.bytes.first(), Some(&(WHOLE_TEXT | WHOLE_BINARY))) {
            return Some(Payload::packable(message.bytes.into(), pack));
        }
        Some(message.bytes.into())
    }

    fn mark(&mut self, _: &Topic, _: Mark) -> Option<Payload> {
        self.notice()
    }

    fn unshared(&mut self, _: &SharedMessage<'_>) -> Option<Payload> {
        self.notice()
    }
}
