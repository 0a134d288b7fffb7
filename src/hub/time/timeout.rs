//! Chooses the timeout of a connection: one at a time, depending on its state. Must not know
//! connections.

use std::time::Duration;

use super::sweep::{TICK_MS, Tick};
use crate::close::Timeout;
use crate::hub::connection::flags::Flags;
use crate::hub::connection::state::State;
use crate::hub::connection::states::{Life, Stop};
use crate::limits::Limits;
use crate::now;

/// The kinds of timeouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum TimeoutKind {
    /// No deadline: the handler has paused.
    None,
    /// The peer has not sent a byte yet.
    FirstByte,
    /// A message is incomplete.
    Message,
    /// No bytes move.
    Idle,
    /// Output waits for the peer to read it.
    WriteStall,
    /// The server stops; the first message, or the rest of one, may be in flight.
    Grace,
    /// The output has ended, and the input has not: it is discarded.
    Linger,
    /// The output has failed: the input that has arrived is still offered.
    Failed,
}

/// The facts that determine the timeout.
pub(in crate::hub) struct Situation<'a> {
    pub(in crate::hub) state: &'a State,
    /// The current timeout.
    pub(in crate::hub) armed: TimeoutKind,
    pub(in crate::hub) has_output: bool,
    pub(in crate::hub) has_unused: bool,
    pub(in crate::hub) has_received: bool,
}

impl TimeoutKind {
    /// Returns the timeout for a situation.
    pub(in crate::hub) fn of(situation: &Situation<'_>) -> TimeoutKind {
        let state = situation.state;
        let is_held = state.is_paused() || state.has(Flags::THROTTLED);
        let is_here = state.is_here();
        let may_have_grace = !situation.has_received || situation.has_unused && !is_held && is_here;
        if state.life() >= Life::Lingering {
            TimeoutKind::Linger
        } else if state.has_failed() && state.is_open() {
            TimeoutKind::Failed
        } else if state.is_open() && state.stop() == Stop::Asked && may_have_grace {
            TimeoutKind::Grace
        } else if situation.has_output {
            TimeoutKind::WriteStall
        } else if is_held {
            TimeoutKind::None
        } else if !is_here {
            // A job is not progress of the peer: a peer that sends a byte at a time must not
            // restart the timeout with each.
            situation.armed.while_on_worker()
        } else if !situation.has_received {
            TimeoutKind::FirstByte
        } else if situation.has_unused {
            TimeoutKind::Message
        } else {
            TimeoutKind::Idle
        }
    }

    /// Returns true if the progress restarts the timeout.
    pub(in crate::hub) fn is_extended_by(self, progress: &Progress) -> bool {
        match self {
            TimeoutKind::None
            | TimeoutKind::FirstByte
            | TimeoutKind::Grace
            | TimeoutKind::Failed => false,
            TimeoutKind::Linger => progress.received,
            TimeoutKind::Message => progress.used,
            TimeoutKind::Idle => progress.received || progress.sent,
            TimeoutKind::WriteStall => progress.sent,
        }
    }

    /// Returns the reason with which the timeout ends the connection at once; `None` if it does
    /// not, or the connection already has a reason.
    pub(in crate::hub) fn reason(self) -> Option<Timeout> {
        match self {
            TimeoutKind::FirstByte => Some(Timeout::FirstByte),
            TimeoutKind::Idle => Some(Timeout::Idle),
            TimeoutKind::WriteStall => Some(Timeout::WriteStall),
            TimeoutKind::None
            | TimeoutKind::Message
            | TimeoutKind::Grace
            | TimeoutKind::Linger
            | TimeoutKind::Failed => None,
        }
    }

    /// Returns the timeout while the handler is with a worker: timeouts for input of the peer keep
    /// their deadline, and are checked when the handler returns.
    pub(in crate::hub) fn while_on_worker(self) -> TimeoutKind {
        match self {
            TimeoutKind::FirstByte | TimeoutKind::Message | TimeoutKind::Idle => self,
            TimeoutKind::None
            | TimeoutKind::WriteStall
            | TimeoutKind::Grace
            | TimeoutKind::Linger
            | TimeoutKind::Failed => TimeoutKind::None,
        }
    }
}

/// The progress in a pass over one connection.
pub(in crate::hub) struct Progress {
    pub(in crate::hub) received: bool,
    pub(in crate::hub) used: bool,
    pub(in crate::hub) sent: bool,
    /// Bytes of packets and files written by the handler and not charged to the budget yet.
    pub(in crate::hub) packed: usize,
}

impl Progress {
    pub(in crate::hub) const NONE: Progress =
        Progress { received: false, used: false, sent: false, packed: 0 };
}

/// The time that a stopping server waits for the first byte of a connection, or for the rest of a
/// message.
const GRACE: Duration = Duration::from_secs(1);

/// The time that a connection waits for its peer before it may give way to another one: longer than
/// the pause between two requests of a page, or the way of the first one.
const SPARED: Duration = Duration::from_secs(1);

/// The length of each timeout in ticks, precomputed because one is set for every request.
pub(in crate::hub) struct Periods {
    ticks: [u32; 8],
    linger_total: u32,
}

impl Periods {
    pub(in crate::hub) fn new(limits: &Limits) -> Periods {
        let mut ticks = [u32::MAX; 8];
        for (kind, period) in [
            (TimeoutKind::FirstByte, limits.first_byte),
            (TimeoutKind::Message, limits.message),
            (TimeoutKind::Idle, limits.idle),
            (TimeoutKind::WriteStall, limits.write_stall),
            (TimeoutKind::Grace, Some(GRACE)),
            (TimeoutKind::Linger, Some(limits.linger)),
            (TimeoutKind::Failed, Some(limits.linger)),
        ] {
            if let Some(period) = period {
                ticks[kind as usize] = whole_ticks(period);
            }
        }
        Periods { ticks, linger_total: whole_ticks(limits.linger_total) }
    }

    /// Returns the deadline of a timeout that starts in the tick `now`.
    #[inline(always)]
    pub(in crate::hub) fn deadline(&self, kind: TimeoutKind, now: Tick) -> Tick {
        Tick(now.0.saturating_add(self.ticks[kind as usize]))
    }

    /// Returns the time from which on a connection may give way to another one, if it waits for
    /// its peer and the timeout that runs meanwhile has this deadline.
    pub(in crate::hub) fn gives_way_at(&self, kind: TimeoutKind, deadline: Tick) -> Option<Tick> {
        let waits = matches!(kind, TimeoutKind::FirstByte | TimeoutKind::Idle);
        let began = deadline.0.saturating_sub(self.ticks[kind as usize]);
        (waits && deadline != Tick::NEVER).then(|| Tick(began.saturating_add(whole_ticks(SPARED))))
    }

    /// Returns the time from which on a connection may give way that begins to wait now.
    pub(in crate::hub) fn gives_way_later(now: Tick) -> Tick {
        Tick(now.0.saturating_add(whole_ticks(SPARED)))
    }

    /// Returns the time after which a connection that lingers from `now` on is closed.
    pub(in crate::hub) fn end_of_linger(&self, now: Tick) -> Tick {
        Tick(now.0.saturating_add(self.linger_total))
    }
}

/// Returns the number of ticks in which `period` surely passes: one more, because the current one
/// has already begun.
fn whole_ticks(period: Duration) -> u32 {
    let whole = now::millis(period).div_ceil(TICK_MS).saturating_add(1);
    u32::try_from(whole).unwrap_or(u32::MAX)
}
