//! The first half of a simulation: whatever can happen does, in an order that the seed chooses.

use std::io::ErrorKind;
use std::time::Duration;

use super::trace::What;
use super::world::{Phase, Share, World};
use crate::hub::Readiness;
use crate::testkit::listener;

/// Errors of the system when it accepts: ECONNABORTED, ENFILE, EMFILE, ENOBUFS, EPROTO. Those that
/// are not known to the system it runs on are errors nevertheless.
const ACCEPT_ERRORS: &[i32] = &[103, 23, 24, 105, 71];
/// What a read may fail with, and a write.
const READ_ERRORS: &[ErrorKind] =
    &[ErrorKind::ConnectionReset, ErrorKind::TimedOut, ErrorKind::Interrupted];
const WRITE_ERRORS: &[ErrorKind] = &[
    ErrorKind::BrokenPipe,
    ErrorKind::ConnectionReset,
    // ENOBUFS.
    ErrorKind::OutOfMemory,
    ErrorKind::Interrupted,
];
/// So much may be on its way to the server: a script that has more to say is not asked.
const UNDERWAY: usize = 256 * 1024;

impl World<'_> {
    pub(super) fn storm(&mut self) {
        let steps = 30 + self.random.below(200);
        // Some seeds have no faults, so that models see everything come to a good end.
        let is_rough = self.random.one_in(2);
        let may_stop = self.random.one_in(4);
        for _ in 0..steps {
            if self.phase == Phase::Aborted {
                return;
            }
            match self.random.below(64) {
                0..=19 => self.act_somebody(),
                20..=30 => self.bring_some(),
                31..=37 => self.take_some(),
                38 | 39 => self.arrive_if_any(),
                40 | 41 => self.narrow(),
                42 | 43 => self.stray_event(),
                44 | 45 if is_rough => self.fault(),
                46 => self.pass(),
                47 if self.random.one_in(30) && may_stop => match self.random.one_in(4) {
                    true => self.abort(),
                    false => self.stop(),
                },
                48 => self.settle(),
                _ => self.turn(Share::Some),
            }
        }
    }

    fn somebody(&mut self) -> Option<usize> {
        let count = self.guests.len();
        (count > 0).then(|| self.random.below(count))
    }

    fn act_somebody(&mut self) {
        match self.somebody() {
            Some(who) if self.guests[who].way.len() < UNDERWAY => drop(self.act(who)),
            Some(_) => {}
            None => self.arrive_if_any(),
        }
    }

    fn arrive_if_any(&mut self) {
        if self.to_come > 0 {
            self.arrive();
        }
    }

    fn bring_some(&mut self) {
        let Some(who) = self.somebody() else { return };
        let all = self.guests[who].way.len();
        let len = match self.random.below(4) {
            0 => 1 + self.random.below(4),
            1 => all,
            _ => self.random.below(all + 1),
        };
        let with_end = self.random.one_in(2);
        self.bring(who, len, with_end);
    }

    fn take_some(&mut self) {
        let Some(who) = self.somebody() else { return };
        let len = match self.random.one_in(2) {
            true => usize::MAX,
            false => 1 + self.random.below(400),
        };
        self.take(who, len);
    }

    /// A slow reader, or a system that moves little at a time.
    fn narrow(&mut self) {
        let Some(who) = self.somebody() else { return };
        let window = match self.random.below(4) {
            0 => 0,
            1 => usize::MAX,
            _ => 1 + self.random.below(600),
        };
        let is_new = self.guests[who].client.is_none();
        let grain = (is_new && self.random.one_in(2)).then(|| 1 + self.random.below(300));
        let mut wire = self.guests[who].wire();
        wire.window = window;
        wire.note_taken();
        if grain.is_some() {
            // A wire is of one kind: where short reads prove nothing, they never do.
            wire.grain = grain;
        }
        drop(wire);
        self.note(who, What::HasWindow, window);
        if let Some(grain) = grain {
            self.note(who, What::HasGrain, grain);
        }
    }

    /// An event without a cause, or for somebody who has gone.
    fn stray_event(&mut self) {
        let Some(who) = self.somebody() else { return };
        let guest = &self.guests[who];
        let Some(client) = guest.client else { return };
        let has_gone = guest.wire().server_gone;
        let readiness = Readiness {
            readable: true,
            // A socket that has no room is never said to have some.
            writable: has_gone || guest.wire().is_writable(),
            read_closed: has_gone,
            error: has_gone,
            urgent: false,
        };
        self.network.stray.push((client, readiness));
        self.note(who, if has_gone { What::StaleEvent } else { What::Event }, 0);
    }

    fn fault(&mut self) {
        if self.random.one_in(2) {
            let at = self.random.below(ACCEPT_ERRORS.len());
            let mut queue = listener::lock(&self.queue);
            queue.codes.push_back(ACCEPT_ERRORS[at]);
            drop(queue);
            self.note(0, What::AcceptFails, at);
            return;
        }
        let Some(who) = self.somebody() else { return };
        let guest = &self.guests[who];
        let mut wire = guest.wire();
        if self.random.one_in(2) {
            let at = self.random.below(READ_ERRORS.len());
            wire.read_error.get_or_insert(READ_ERRORS[at]);
            wire.edge = true;
            drop(wire);
            self.note(who, What::ReadFails, at);
        } else {
            let at = self.random.below(WRITE_ERRORS.len());
            wire.write_error.get_or_insert(WRITE_ERRORS[at]);
            drop(wire);
            self.note(who, What::WriteFails, at);
        }
    }

    /// Time passes: a little; or much at once, as when a machine has slept.
    fn pass(&mut self) {
        let time_ms = match self.random.below(12) {
            0 => 1000 * self.random.below(100),
            1 => self.random.below(3000),
            _ => self.random.below(50),
        };
        let until = self.network.elapsed + Duration::from_millis(time_ms as u64);
        if self.random.one_in(2) {
            self.advance(until);
        }
        self.network.elapsed = until;
    }
}
