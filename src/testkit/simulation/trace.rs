//! What happened in a simulation, so that two runs can be compared and one can be read.

use std::fmt;

/// What happened in a [`Simulation`](super::Simulation), in order. Two runs of a seed have equal
/// traces, or something in the handlers or scripts is not determined by it: a clock, a hash map's
/// order, a thread.
///
/// Shown, it is one line for each event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Trace {
    events: Vec<Event>,
    /// Of all the bytes that clients received.
    digest: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Event {
    at_ms: u64,
    /// The client, counted from 0.
    who: u32,
    what: What,
    /// How many bytes, or which.
    number: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum What {
    Arrives,
    Accepted,
    Called,
    Denied,
    Sends,
    Arrived,
    Shuts,
    Resets,
    Takes,
    HasWindow,
    HasGrain,
    IsUrgent,
    Event,
    StaleEvent,
    ReadFails,
    WriteFails,
    AcceptFails,
    Worker,
    Waiter,
    LooksUp,
    Datagram,
    Passes,
    Turn,
    Stop,
    Abort,
    Calm,
    EndsWhole,
    EndsCut,
    Unserved,
}

impl What {
    fn text(self) -> &'static str {
        match self {
            What::Arrives => "connects",
            What::Accepted => "is accepted",
            What::Called => "is connected to",
            What::Denied => "a connection is denied",
            What::Sends => "sends bytes:",
            What::Arrived => "bytes arrive:",
            What::Shuts => "sends no more",
            What::Resets => "resets",
            What::Takes => "takes bytes:",
            What::HasWindow => "has a window of bytes:",
            What::HasGrain => "moves at most so many bytes at a time:",
            What::IsUrgent => "is urgent behind its next bytes, so many:",
            What::Event => "event",
            What::StaleEvent => "event for one who has gone",
            What::ReadFails => "the next read fails, error",
            What::WriteFails => "the next write fails, error",
            What::AcceptFails => "accept fails, error",
            What::Worker => "a worker is done",
            What::Waiter => "a blocking handler is done",
            What::LooksUp => "a name is looked up",
            What::Datagram => "a datagram comes, bytes:",
            What::Passes => "time passes",
            What::Turn => "turn",
            What::Stop => "the server stops",
            What::Abort => "the server is aborted",
            What::Calm => "no more faults from here on",
            What::EndsWhole => "has ended, whole",
            What::EndsCut => "has ended, cut",
            What::Unserved => "was not served",
        }
    }

    fn is_of_a_client(self) -> bool {
        !matches!(
            self,
            What::AcceptFails
                | What::Worker
                | What::Waiter
                | What::LooksUp
                | What::Datagram
                | What::Passes
                | What::Turn
                | What::Stop
                | What::Abort
                | What::Calm
                | What::Denied
        )
    }

    fn has_number(self) -> bool {
        matches!(
            self,
            What::Sends
                | What::Arrived
                | What::Takes
                | What::HasWindow
                | What::HasGrain
                | What::IsUrgent
                | What::ReadFails
                | What::WriteFails
                | What::AcceptFails
                | What::Datagram
        )
    }
}

impl Trace {
    pub(super) fn note(&mut self, at_ms: u64, who: usize, what: What, number: usize) {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        self.events.push(Event { at_ms, who: who as u32, what, number });
    }

    pub(super) fn note_bytes(&mut self, bytes: &[u8]) {
        // FNV-1a, over words where there are.
        let mut digest = self.digest ^ 0xcbf2_9ce4_8422_2325;
        for word in bytes.chunks(8) {
            let mut padded = [0; 8];
            padded[..word.len()].copy_from_slice(word);
            digest = (digest ^ u64::from_le_bytes(padded)).wrapping_mul(0x0100_0000_01b3);
        }
        self.digest = digest;
    }

    /// How many events there were.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether nothing has happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Returns where two runs part, as a line of each.
    pub(in crate::testkit) fn difference(&self, other: &Trace) -> Option<String> {
        if self == other {
            return None;
        }
        let line = |trace: &Trace, at: usize| {
            let events = trace.events.get(at).copied().into_iter().collect();
            Trace { events, digest: 0 }.to_string()
        };
        let events = self.events.iter().zip(&other.events);
        let at = events.take_while(|(one, other)| one == other).count();
        let (one, other) = (line(self, at), line(other, at));
        Some(format!("event {at}: {} and {}", one.trim(), other.trim()))
    }

    /// The last events, for who wants to know how it came to a failure.
    pub(super) fn tail(&self, len: usize) -> Trace {
        let from = self.events.len().saturating_sub(len);
        Trace { events: self.events.iter().skip(from).copied().collect(), digest: self.digest }
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for event in &self.events {
            write!(f, "{:>8} ms  ", event.at_ms)?;
            if event.what.is_of_a_client() {
                write!(f, "client {} ", event.who)?;
            }
            f.write_str(event.what.text())?;
            if event.what.has_number() {
                write!(f, " {}", event.number)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
