//! The limit on all connections. Pure: it is given the number of connections, and the number of
//! descriptors of the process at the start.

use crate::limits::Limits;
use crate::log_throttle::LogThrottle;
use crate::metrics::counters::Counters;
use crate::now::Now;

/// The descriptors of the process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Descriptors {
    /// The maximum (RLIMIT_NOFILE).
    pub(crate) limit: usize,
    /// The number open without any connection.
    pub(crate) open: usize,
}

impl Descriptors {
    /// Returns the most connections that may be open at once.
    pub(crate) fn room(self) -> usize {
        let reserve = (self.limit / 8).min(RESERVE_MAX);
        self.limit.saturating_sub(self.open).saturating_sub(reserve)
    }
}

/// The most descriptors kept in reserve. The process keeps an eighth of its descriptors for files,
/// logs and outgoing connections, up to this number.
const RESERVE_MAX: usize = 64;

/// Decides whether another connection may be accepted.
pub(crate) struct ConnectionLimit {
    connections: usize,
    /// At this number of connections only the reserve of descriptors is left. Accepting stops...
    high: usize,
    /// ...until the number falls to this.
    low: usize,
    is_short: bool,
    /// A connection was asked to give way: its place is for the next one.
    expects_place: bool,
    limit: usize,
    log_throttle: LogThrottle,
}

impl ConnectionLimit {
    /// With `None`, because the system does not tell, only [`Limits::connections`] counts.
    /// Connections with places of their own are not counted here: up to `own` descriptors are kept
    /// for them, and at most a quarter.
    pub(crate) fn new(
        limits: &Limits,
        descriptors: Option<Descriptors>,
        own: usize,
    ) -> ConnectionLimit {
        let Descriptors { limit, open } =
            descriptors.unwrap_or(Descriptors { limit: usize::MAX, open: 0 });
        let high = Descriptors { limit, open }.room().max(1);
        let high = high - own.min(high / 4);
        let low = high - (high / 8).max(1);
        let connections = limits.connections;
        if high < connections {
            log::info!("room for {high} connections with {limit} descriptors (ulimit -n)");
        }
        let log_throttle = LogThrottle::default();
        ConnectionLimit {
            connections,
            high,
            low,
            is_short: false,
            expects_place: false,
            limit,
            log_throttle,
        }
    }

    /// Returns true if, with `len` connections, there is a descriptor for one more besides the
    /// reserve.
    pub(crate) fn has_descriptor(&self, len: usize) -> bool {
        len < self.high
    }

    /// Returns true if a connection that takes this number of `places` may be accepted when `len`
    /// are taken.
    pub(crate) fn allows(
        &mut self,
        len: usize,
        places: usize,
        now: Now,
        counters: &Counters,
    ) -> bool {
        let after = len + places;
        if after > self.connections {
            self.warn(len, now, || "that is their limit (Limits::connections)".to_owned());
            return false;
        }
        if after > self.high {
            if !self.is_short {
                self.is_short = true;
                counters.accept_pauses.add(1);
                let limit = self.limit;
                self.warn(len, now, || {
                    format!("the process may have {limit} descriptors (ulimit -n)")
                });
            }
        } else if after <= self.low + 1 || self.expects_place {
            self.is_short = false;
        }
        !self.is_short
    }

    /// Notes that a connection was asked to give way to the next one. At the limit of descriptors
    /// that one need not wait for the others of the eighth.
    pub(crate) fn expect_place(&mut self) {
        self.expects_place = true;
    }

    /// Notes that a connection was admitted.
    pub(crate) fn note_admitted(&mut self) {
        self.expects_place = false;
    }

    fn warn(&mut self, len: usize, now: Now, why: impl FnOnce() -> String) {
        if self.log_throttle.allows(now.millis()) {
            log::warn!("cannot accept more than {len} connections: {}", why());
        }
    }
}
