//! The connection to the engine: when to make it, when to give it up. Knows no socket.

/// The longest wait before the next attempt, in the first minute and later.
const PAUSE_MAX_MS: [u64; 2] = [1_000, 8_000];
const PAUSE_MS: u64 = 50;
const MINUTE_MS: u64 = 60_000;
/// A connection that has not become ready after this time, or whose probes do not return, is given
/// up.
pub(crate) const SILENCE_MS: u64 = 3_000;
pub(super) const PROBE_MS: u64 = 1_000;

/// The connection to the engine. Times are in milliseconds.
#[derive(Debug)]
pub(super) struct Line {
    state: State,
    /// The last time at which it was known to work, or its first attempt.
    worked: u64,
    /// The connections that ended, since one was steady: an engine may answer the first probe, and
    /// fail with the first topic.
    failures: u32,
    /// The numbers of the last probe, and of the last one that came back.
    probe: u64,
    heard: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Down {
        until: u64,
    },
    /// Asked for, or made and not ready.
    Rising {
        since: u64,
    },
    /// `returned` is the time of the last probe that came back, or of its begin.
    Up {
        since: u64,
        probed: u64,
        returned: u64,
    },
}

/// The next step for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Nothing,
    /// Make a connection, and say [`cut`](super::exchange::Exchange::cut) if that fails.
    Connect,
    /// End it, for this reason, and say `cut`.
    Cut(&'static str),
    Probe(u64),
}

impl Line {
    pub(super) fn new(now: u64) -> Line {
        Line { state: State::Down { until: now }, worked: now, failures: 0, probe: 0, heard: 0 }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// The connection has done all its work, or has worked for a second.
    pub(super) fn note_steady(&mut self) {
        if self.is_up() {
            self.failures = 0;
        }
    }

    /// Returns true if it works, and has been steady since the last failure.
    pub(super) fn is_steady(&self) -> bool {
        self.is_up() && self.failures == 0
    }

    /// Returns when it was last known to work.
    pub(super) fn worked(&self) -> u64 {
        self.worked
    }

    /// Returns for how long it has not worked.
    pub(super) fn away(&self, now: u64) -> u64 {
        if self.is_up() { 0 } else { now.saturating_sub(self.worked) }
    }

    /// Returns the time since a probe has returned, or since the connection was last known to work.
    pub(super) fn silence(&self, now: u64) -> u64 {
        match self.state {
            State::Up { returned, .. } => now.saturating_sub(returned),
            _ => now.saturating_sub(self.worked),
        }
    }

    pub(super) fn due(&self) -> u64 {
        match self.state {
            State::Down { until } => until,
            State::Rising { since } => since + SILENCE_MS,
            State::Up { probed, returned, .. } => (probed + PROBE_MS).min(returned + SILENCE_MS),
        }
    }

    pub(super) fn wish(&mut self, now: u64) -> Wish {
        if now < self.due() {
            return Wish::Nothing;
        }
        match &mut self.state {
            State::Down { .. } => {
                self.state = State::Rising { since: now };
                Wish::Connect
            }
            State::Rising { .. } => Wish::Cut("the engine did not answer within 3 s"),
            State::Up { returned, .. } if now >= *returned + SILENCE_MS => {
                Wish::Cut("a probe did not return within 3 s")
            }
            State::Up { probed, .. } => {
                *probed = now;
                self.probe += 1;
                Wish::Probe(self.probe)
            }
        }
    }

    pub(super) fn ready(&mut self, now: u64) {
        // The first probe is due at once.
        let probed = now.saturating_sub(PROBE_MS);
        self.state = State::Up { since: now, probed, returned: now };
    }

    pub(super) fn probed(&mut self, number: u64, now: u64) {
        if let State::Up { since, returned, .. } = &mut self.state
            && (self.heard + 1..=self.probe).contains(&number)
        {
            self.heard = number;
            *returned = now;
            if now >= *since + PROBE_MS {
                self.failures = 0;
            }
        }
    }

    /// The connection has ended, or could not be made. The pause doubles, and is a random part of
    /// that: nodes that lost the engine together come back one by one.
    pub(super) fn cut(&mut self, now: u64, random: u64) {
        // One that ends before has not worked.
        if let State::Up { returned, .. } = self.state
            && self.failures == 0
        {
            // A silent connection has not worked since its last probe.
            let is_silent = now >= returned + SILENCE_MS;
            self.worked = if is_silent { returned } else { now };
        }
        let most = PAUSE_MAX_MS[usize::from(self.away(now) >= MINUTE_MS)];
        let pause = PAUSE_MS.saturating_mul(1 << self.failures.min(16)).min(most);
        self.failures = self.failures.saturating_add(1);
        self.state = State::Down { until: now + random % (pause + 1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_second_and_after_a_minute_to_eight() {
        let mut line = Line::new(0);
        let mut pauses = Vec::new();
        let mut now = 0;
        while now < 120_000 {
            assert_eq!(line.wish(now), Wish::Connect);
            // The longest of the random ones.
            line.cut(now, u64::MAX - u64::MAX % 8_001 - 8_001);
            let pause = line.due() - now;
            pauses.push(pause);
            now = line.due().max(now + 1_000);
        }
        assert!(pauses.iter().all(|pause| *pause <= 8_000), "{pauses:?}");
        for failures in 0..10 {
            let mut line = Line::new(0);
            for _ in 0..failures {
                line.cut(0, 0);
            }
            let longest = (50 << failures).min(1_000);
            let found = (0..10_000).map(|random| {
                let mut line = Line { state: line.state, ..line };
                line.cut(0, random);
                line.due()
            });
            assert_eq!(found.max(), Some(longest));
        }
        let late = (0..10_000).map(|random| {
            let mut line = Line { failures: 30, ..Line::new(0) };
            line.cut(60_000, random);
            line.due() - 60_000
        });
        assert_eq!(late.max(), Some(8_000));
    }

    #[test]
    fn a_connection_without_probes_is_given_up() {
        let mut line = Line::new(0);
        assert_eq!(line.wish(0), Wish::Connect);
        assert_eq!(line.wish(2_999), Wish::Nothing);
        assert!(matches!(line.wish(3_000), Wish::Cut(_)));
        line.cut(3_000, 0);
        assert_eq!((line.wish(3_000), line.away(3_000)), (Wish::Connect, 3_000));
        line.ready(3_010);
        assert_eq!((line.wish(3_010), line.away(3_010)), (Wish::Probe(1), 0));
        assert_eq!(line.wish(4_010), Wish::Probe(2));
        line.probed(9, 4_011);
        assert_eq!(line.silence(4_011), 1_001, "none of ours");
        line.probed(2, 4_012);
        assert_eq!((line.silence(4_012), line.failures), (0, 0));
        assert_eq!(line.wish(5_010), Wish::Probe(3));
        assert_eq!(line.wish(6_010), Wish::Probe(4));
        assert!(matches!(line.wish(7_012), Wish::Cut(_)));
        line.cut(7_012, 0);
        assert_eq!((line.away(7_012), line.silence(7_012)), (3_000, 3_000));
        // An engine that takes connections and ends them.
        for now in [7_100, 7_300, 7_900] {
            line.ready(now);
            assert!(matches!(line.wish(now), Wish::Probe(_)));
            line.probed(line.probe, now + 5);
            line.cut(now + 10, 0);
        }
        assert_eq!((line.away(8_000), line.failures), (3_988, 4));
        line.ready(8_000);
        assert!(matches!(line.wish(8_000), Wish::Probe(_)));
        line.probed(line.probe, 8_999);
        assert!(!line.is_steady());
        line.probed(line.probe, 9_000);
        assert!(!line.is_steady(), "it came back already: another program sent it");
        assert!(matches!(line.wish(9_000), Wish::Probe(_)));
        line.probed(line.probe, 9_000);
        assert!(line.is_steady());
    }
}
