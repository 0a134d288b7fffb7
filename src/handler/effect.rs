//! The effects that a handler records: the inner side of [`Context`](crate::Context). Must not know
//! sockets, clocks or connections.

#[cfg(feature = "files")]
use std::fs::File;
#[cfg(feature = "files")]
use std::ops::Range;
#[cfg(feature = "files")]
use std::sync::Arc;

use crate::close::Close;
use crate::handler::Handler;
use crate::handler::notification::{Message, Ticket};
use crate::handler::notifier::Notifier;
use crate::handler::payload::Payload;
#[cfg(feature = "backplane")]
use crate::handler::presence::Request;
use crate::id::Id;
#[cfg(feature = "http")]
use crate::metrics::stopwatch::Watch;
use crate::net::local::LocalAddresses;
use crate::net::to_destination::sealed::Target;
use crate::now::Now;
use crate::topic::Topic;

/// The end of a pause, besides `Effect::Resume`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    Resumed,
    /// The end of the peer's input ends the connection.
    #[cfg_attr(not(feature = "http"), allow(dead_code, reason = "used by the web service"))]
    PeerEnds,
}

/// The output of a handler after a part of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Follow {
    /// The handler goes on in [`on_drain`](Handler::on_drain).
    #[default]
    OnDrain,
    /// The part is the end of an answer: the handler waits for no `on_drain`, and may be spared it.
    #[cfg_attr(not(feature = "files"), allow(dead_code, reason = "used by files"))]
    Nothing,
}

/// A recorded request of a handler. It is applied after the handler has returned, so a handler
/// cannot be changed while it runs.
pub(crate) enum Effect {
    Close(Close),
    /// Ends the connection at once, by a reset.
    Reset(Close),
    Pause(Until),
    Resume,
    SetTimer {
        key: u64,
        /// The time in milliseconds of [`Now`].
        at_ms: u64,
        /// The period of an interval.
        period_ms: Option<u64>,
    },
    CancelTimer(u64),
    /// Cancels all timers, because another handler is installed.
    CancelTimers,
    Upgrade(Box<dyn Handler>),
    Send(Id, Box<[u8]>),
    Join(Topic, Delivery),
    Leave(Topic),
    Publish(Topic, Payload),
    Finish,
    /// Sends a part of a file, after the output of the call so far.
    #[cfg(feature = "files")]
    SendFile(Arc<File>, Range<u64>, Follow),
    Forward(Id, Box<[u8]>),
    Notify(Id, Message),
    Connect(Box<Dial>),
    Offload(Ticket, Work),
    /// An event of the connection to the engine of a backplane, with its number.
    #[cfg(feature = "backplane")]
    Link(u64, LinkEvent),
    /// Asks about names that all nodes share.
    #[cfg(feature = "backplane")]
    Presence(Ticket, Box<Request>),
}

#[cfg(feature = "backplane")]
/// An event of the connection to an engine.
pub(crate) enum LinkEvent {
    Opened,
    Data(Box<[u8]>),
    /// It has ended, or could not be made, for this reason.
    Ended(Box<str>),
}

/// The delivery of messages to a member of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// As output of the connection.
    Output,
    /// As output of the connection, in their packed form.
    #[cfg_attr(not(feature = "deflate"), allow(dead_code, reason = "nothing packs without it"))]
    Packed,
    /// As notifications of the handler.
    Handler,
    /// None: the topic is kept, and the member gets its messages in another way.
    #[cfg(feature = "backplane")]
    Nothing,
}

#[cfg(feature = "deflate")]
impl Record {
    /// Has the joins from the effect `first` on deliver packed forms: the peer takes them.
    pub(crate) fn pack_joins(&mut self, first: usize) {
        for effect in self.effects.iter_mut().skip(first) {
            if let Effect::Join(_, delivery @ Delivery::Output) = effect {
                *delivery = Delivery::Packed;
            }
        }
    }
}

/// A piece of work for a worker. It returns its result.
pub(crate) type Work = Box<dyn FnOnce() -> Message + Send>;

/// A requested connection, and its handler.
pub(crate) struct Dial {
    /// The connection whose handler has requested it, or [`Id::NOBODY`].
    pub(crate) from: Id,
    pub(crate) to: Target,
    pub(crate) handler: Box<dyn Handler>,
    pub(crate) purpose: Purpose,
}

/// The purpose of a requested connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It takes a place, as each connection does.
    Service,
    /// It is the connection to the engine of a backplane, for which there is always room.
    #[cfg(feature = "backplane")]
    Backplane,
}

/// The progress of the server to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stopping {
    #[default]
    No,
    /// For good, as far as the server knows.
    Stop,
    /// Another server takes its place.
    Restart,
}

impl Stopping {
    #[inline(always)]
    pub(crate) fn is_on(self) -> bool {
        self != Stopping::No
    }
}

/// The output and the effects of a handler's calls, until they are applied. Empty between
/// connections; all connections of a turn share one.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) now: Now,
    pub(crate) stopping: Stopping,
    pub(crate) out: Vec<u8>,
    /// The length of `out` at which the high watermark is reached. It is `usize::MAX` if output is
    /// dropped.
    pub(crate) room: usize,
    pub(crate) effects: Vec<Effect>,
    /// In a call for a timer: the peer is not read for now.
    pub(crate) is_held: bool,
    /// The handler accepts no more input for now: it paused, closed or upgraded.
    pub(crate) halted: bool,
    /// Whole messages found by a protocol, until they are counted.
    pub(crate) messages: u64,
    /// The local addresses: that of a connection is looked up when its handler asks for it.
    pub(crate) locals: Box<LocalAddresses>,
    /// Notifies the handlers of this loop from any thread.
    pub(crate) notifier: Notifier,
    /// The clock, for the duration of requests.
    #[cfg(feature = "http")]
    pub(crate) watch: Watch,
    /// The call is timed, and logged with its subject if it is slow.
    pub(crate) is_timed: bool,
    /// The request or message that a timed call was about.
    pub(crate) subject: Option<String>,
}
