//! The events of a simulation, for comparing two runs and for reading one.

use std::fmt;

/// The events of a [`Simulation`](super::Simulation), in order. Two runs of a seed have equal
/// traces, unless something in the handlers or scripts is not determined by the seed: a clock, the
/// order of a hash map, a thread.
///
/// Displayed as one line per event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Trace {
    events: Vec<Event>,
    /// A digest of the bytes that clients received.
    digest: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Event {
    at_ms: u64,
    /// The client's index.
    who: u32,
    what: What,
    /// A byte count, or the index of an error.
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
            What::Accepted => "accepted",
            What::Called => "connected by a handler",
            What::Denied => "connection refused",
            What::Sends => "sends bytes:",
            What::Arrived => "bytes arrive:",
            What::Shuts => "half-closes",
            What::Resets => "resets",
            What::Takes => "receives bytes:",
            What::HasWindow => "window in bytes:",
            What::HasGrain => "bytes per call:",
            What::IsUrgent => "urgent mark after bytes:",
            What::Event => "event",
            What::StaleEvent => "event after its close",
            What::ReadFails => "next read fails, error",
            What::WriteFails => "next write fails, error",
            What::AcceptFails => "accept fails, error",
            What::Worker => "worker finishes",
            What::Waiter => "blocking handler returns",
            What::LooksUp => "name looked up",
            What::Datagram => "datagram arrives, bytes:",
            What::Passes => "time passes",
            What::Turn => "turn",
            What::Stop => "server stop",
            What::Abort => "server abort",
            What::Calm => "faults cease",
            What::EndsWhole => "ended, whole",
            What::EndsCut => "ended, cut",
            What::Unserved => "not served",
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
        // FNV-1a, over words where possible.
        let mut digest = self.digest ^ 0xcbf2_9ce4_8422_2325;
        for word in bytes.chunks(8) {
            let mut padded = [0; 8];
            padded[..word.len()].copy_from_slice(word);
            digest = (digest ^ u64::from_le_bytes(padded)).wrapping_mul(0x0100_0000_01b3);
        }
        self.digest = digest;
    }

    /// Returns the number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Returns true if there are no events.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Returns the first difference, as a line of each trace.
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

    /// Returns the last `len` events, for the report of a failure.
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
