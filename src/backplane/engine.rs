//! The contract between the exchange and a connection to an engine. Knows no engine.

use crate::close::Close;
use crate::handler::presence::{Answer, Request};
use crate::history::Position;

/// One connection to an engine, without its socket. It is made for a connection, and dropped with
/// it.
///
/// An engine has a log and a channel for each topic. It answers the reads of a topic in order, and
/// a subscription is in force before a read that was asked for later.
pub(crate) trait Engine {
    /// Appends the first bytes of the connection.
    fn opening(&mut self, out: &mut Vec<u8>);

    /// Hands the meaning of the input to `news`, and returns the number of bytes that were used.
    ///
    /// # Errors
    ///
    /// If the engine cannot serve, or the input is not its protocol: the connection must end.
    fn on_data(&mut self, input: &[u8], news: &mut dyn FnMut(News<'_>)) -> Result<usize, Close>;

    /// Appends a request, or keeps it until the next [`flush`](Engine::flush). Requests take effect
    /// in their order.
    fn ask(&mut self, ask: Ask<'_>, out: &mut Vec<u8>);

    /// Appends the requests that were kept, and those that the input has caused: at the end of each
    /// turn with requests or input.
    fn flush(&mut self, out: &mut Vec<u8>);
}

/// A request to an engine.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask<'a> {
    Watch(&'a str),
    Unwatch(&'a str),
    /// Reads the newest entry, and up to `backlog` entries before it, in the order of the log. If
    /// there is none, `mark` is appended first, with an epoch greater than `above`: so there always
    /// is an entry to compare a later log with.
    Newest {
        topic: &'a str,
        above: u64,
        mark: &'a [u8],
        backlog: u32,
    },
    /// Appends `mark` with an epoch greater than `above` and than all in the log, and reads it.
    Mark {
        topic: &'a str,
        above: u64,
        mark: &'a [u8],
    },
    /// Reads the log from this position on, the entry there included.
    Since {
        topic: &'a str,
        from: Position,
    },
    /// Appends a message to the log and sends it to the subscribers, unless the engine has it
    /// already. `lowest` is the first `seq` that was not accepted. `epoch` is the last known one of
    /// the topic, or 0.
    Publish {
        topic: &'a str,
        seq: u64,
        lowest: u64,
        epoch: u64,
        record: &'a [u8],
    },
    /// Keeps the log of the topic for the whole retention from now on: a message follows. An engine
    /// whose messages age one by one has nothing to do.
    Renew(&'a str),
    /// A write that returns through a subscription. It also renews the lease of the node's names.
    Probe(u64),
    /// Takes a lease for the names of this node, which each probe renews: `before`, if it holds and
    /// the engine has the writes of this node up to the number `known`, else `lease`. It comes
    /// before all other requests about names.
    SignIn {
        before: u64,
        lease: u64,
        known: u64,
    },
    /// Gives up the lease, and with it all names.
    SignOut,
    /// A request about names, with a number for its answer, greater than those before.
    Presence(u64, &'a Request),
    /// Gives back the keys that the claim of this number has taken, whose answer never arrived.
    Undo {
        number: u64,
        claim: u64,
        keys: &'a [Box<str>],
    },
}

/// News of an engine.
#[derive(Clone, Debug)]
pub(crate) enum News<'a> {
    /// The connection works: the engine is not a replica, and refuses late bytes of the connections
    /// before.
    Ready,
    /// A message of a subscription. `after` is the position of the entry before it; `None` if it
    /// is the first of its epoch.
    Live {
        topic: &'a str,
        at: Position,
        after: Option<Position>,
        record: &'a [u8],
    },
    /// An entry of the oldest read that has not ended. `after` is the position of the entry before
    /// it, which the engine need not know of the first entry of a read: topics compare that one.
    Past {
        topic: &'a str,
        at: Position,
        after: Option<Position>,
        record: &'a [u8],
    },
    /// The end of that read.
    PastEnd {
        topic: &'a str,
        rest: Rest,
    },
    /// All messages up to this `seq` are in the log.
    Accepted(u64),
    /// The message will never be accepted: its topic cannot be used.
    Refused(u64),
    /// The topic cannot be used.
    Unusable(&'a str),
    Probed(u64),
    /// The answer to [`Ask::SignIn`].
    SignedIn(Lease),
    /// The answer to the request of this number. One that asks nothing is answered `Claimed`.
    Presence(u64, Answer),
}

/// The lease of a node that has signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lease {
    /// That of before, with all its names.
    Kept,
    /// A new one, without names.
    New,
    /// The engine has no such service.
    #[cfg_attr(not(feature = "nats"), allow(dead_code, reason = "Redis has it"))]
    Unsupported,
}

/// The part of the log that a read has left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    Nothing,
    /// The read was limited.
    More,
}
