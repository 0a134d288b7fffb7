//! The sources of events, and their numbers in the poller. This is the only place that assigns
//! numbers.

use std::ops::Range;

use crate::id::Id;

/// The source of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Connection(Id),
    /// The listener with this index.
    Listener(usize),
    /// The connection attempt with this key.
    Dial(usize),
    /// The datagram socket with this index.
    Datagram(usize),
    /// Another thread has work for the loop.
    Waker,
    Signals,
    /// The channel of a worker process to its supervisor, or one of a supervisor's channels.
    Supervisor,
}

// Ids are used as tokens.
const _: () = assert!(usize::BITS == 64, "socketserver needs a 64-bit system");

// Connection ids have a generation, which is never 0: numbers below 1 << 32 are free.
const LISTENERS: Range<usize> = 0..1 << 30;
const DIALS: Range<usize> = LISTENERS.end..1 << 31;
const DATAGRAMS: Range<usize> = DIALS.end..SUPERVISOR;
const SUPERVISOR: usize = u32::MAX as usize - 2;
const SIGNALS: usize = u32::MAX as usize - 1;
const WAKER: usize = u32::MAX as usize;

impl Source {
    pub(crate) fn encode(self) -> usize {
        match self {
            Source::Connection(id) => id.to_token(),
            Source::Listener(index) => LISTENERS.start + index,
            Source::Dial(key) => DIALS.start + key,
            Source::Datagram(index) => DATAGRAMS.start + index,
            Source::Waker => WAKER,
            Source::Signals => SIGNALS,
            Source::Supervisor => SUPERVISOR,
        }
    }

    #[inline(always)]
    pub(crate) fn decode(token: usize) -> Source {
        let id = Id::from_token(token);
        if id.generation() != 0 { Source::Connection(id) } else { Source::decode_other(token) }
    }

    fn decode_other(token: usize) -> Source {
        match token {
            WAKER => Source::Waker,
            SIGNALS => Source::Signals,
            SUPERVISOR => Source::Supervisor,
            token if LISTENERS.contains(&token) => Source::Listener(token - LISTENERS.start),
            token if DIALS.contains(&token) => Source::Dial(token - DIALS.start),
            token => Source::Datagram(token - DATAGRAMS.start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DATAGRAMS, DIALS, LISTENERS, Source};
    use crate::id::Id;

    #[test]
    fn every_source_is_read_back_from_its_number() {
        let sources = [
            Source::Connection(Id::new(0, 1)),
            Source::Connection(Id::new(u32::MAX, 1)),
            Source::Connection(Id::new(7, u32::MAX)),
            Source::Listener(0),
            Source::Listener(LISTENERS.len() - 1),
            Source::Dial(0),
            Source::Dial(DIALS.len() - 1),
            Source::Datagram(0),
            Source::Datagram(DATAGRAMS.len() - 1),
            Source::Waker,
            Source::Signals,
            Source::Supervisor,
        ];
        for source in sources {
            assert_eq!(Source::decode(source.encode()), source);
        }
        for (at, source) in sources.iter().enumerate() {
            assert!(!sources[at + 1..].iter().any(|other| other.encode() == source.encode()));
        }
    }
}
