//! The probes of a connection that are on their way: one that comes back tells which answers are
//! late, whatever the delay of the server is. Knows no bytes.

use std::collections::VecDeque;

#[derive(Debug, Default)]
pub(super) struct Probes {
    asked: VecDeque<Probe>,
    /// The number of the last one that was asked for.
    last: u64,
    /// The `seq` of the last message before it.
    published: u64,
}

#[derive(Debug)]
struct Probe {
    number: u64,
    /// The `seq` of the last message before the probe that was asked for before this one.
    published_before: u64,
}

impl Probes {
    /// Notes a probe, and the `seq` of the last message before it.
    pub(super) fn ask(&mut self, number: u64, published: u64) {
        self.asked.push_back(Probe { number, published_before: self.published });
        (self.last, self.published) = (number, published);
    }

    /// Returns the number of the last probe that was asked for.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Takes a probe that came back. Returns the `seq` up to which all messages must have their
    /// answers: those before the probe before this one, because the stream takes them in order.
    /// `None` for a probe that was not asked for.
    pub(super) fn come_back(&mut self, number: u64) -> Option<u64> {
        let place = self.asked.iter().position(|probe| probe.number == number)?;
        self.asked.drain(..=place).next_back().map(|probe| probe.published_before)
    }
}
