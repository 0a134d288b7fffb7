//! The first half of a simulation: everything that can happen, in an order chosen by the seed.

use std::io::ErrorKind;

use super::kernel;
use super::listener;
use super::share::Share;
use super::trace::What;
use super::world::World;
use crate::hub::Readiness;
use crate::reactor::{Source, StopRequest};

/// Errors of `accept`: ECONNABORTED, ENFILE, EMFILE, ENOBUFS, EPROTO. Numbers that the system does
/// not know are errors nevertheless.
const ACCEPT_ERRORS: &[i32] = &[103, 23, 24, 105, 71];
/// Errors of a read and a write.
const READ_ERRORS: &[ErrorKind] =
    &[ErrorKind::ConnectionReset, ErrorKind::TimedOut, ErrorKind::Interrupted];
const WRITE_ERRORS: &[ErrorKind] = &[
    ErrorKind::BrokenPipe,
    ErrorKind::ConnectionReset,
    // ENOBUFS.
    ErrorKind::OutOfMemory,
    ErrorKind::Interrupted,
];
/// Errors of `connect`. The first is temporary.
const CONNECT_ERRORS: &[ErrorKind] =
    &[ErrorKind::WouldBlock, ErrorKind::AddrNotAvailable, ErrorKind::ConnectionRefused];
/// The most bytes in flight to the server. A script above this is not called for actions.
const UNDERWAY: usize = 256 * 1024;

/// The first half of a simulation.
pub(super) struct Storm<'w, 'a> {
    world: &'w mut World<'a>,
    /// Some seeds have no faults, so that scripts see connections end whole.
    is_rough: bool,
    may_stop: bool,
}

impl<'w, 'a> Storm<'w, 'a> {
    pub(super) fn new(world: &'w mut World<'a>) -> Storm<'w, 'a> {
        let is_rough = world.random.one_in(2);
        let may_stop = world.random.one_in(4);
        Storm { world, is_rough, may_stop }
    }

    pub(super) fn run(mut self) {
        let steps = 30 + self.world.random.below(200);
        for _ in 0..steps {
            if self.world.server.is_over() {
                return;
            }
            match self.world.random.below(64) {
                0..=19 => self.act(),
                20..=30 => self.bring(),
                31..=37 => self.take(),
                38 | 39 => self.arrive(),
                40 | 41 => self.narrow(),
                42 | 43 => self.stray_event(),
                44 | 45 if self.is_rough => self.fault(),
                46 => self.pass(),
                47 if self.may_stop && self.world.random.one_in(30) => self.stop(),
                48 => self.world.settle(),
                49 => self.datagram(),
                50 => self.command(),
                _ => self.world.turn(Share::Some),
            }
        }
    }

    fn somebody(&mut self) -> Option<usize> {
        let count = self.world.guests.len();
        (count > 0).then(|| self.world.random.below(count))
    }

    fn act(&mut self) {
        match self.somebody() {
            Some(who) if self.world.guests[who].way.len() < UNDERWAY => {
                self.world.act(who);
            }
            Some(_) => {}
            None => self.arrive(),
        }
    }

    fn arrive(&mut self) {
        if self.world.to_come > 0 {
            self.world.arrive();
        }
    }

    fn stop(&mut self) {
        let request = match self.world.random.one_in(4) {
            true => StopRequest::Abort,
            false => StopRequest::Drain,
        };
        self.world.notify(request);
    }

    fn bring(&mut self) {
        let Some(who) = self.somebody() else { return };
        let random = &mut self.world.random;
        let all = self.world.guests[who].way.len();
        let len = match random.below(4) {
            0 => 1 + random.below(4),
            1 => all,
            _ => random.below(all + 1),
        };
        let with_end = random.one_in(2);
        let is_urgent = random.one_in(16);
        self.world.bring(who, len, with_end);
        if is_urgent {
            self.mark(who);
        }
    }

    /// Places an urgent mark, at which a read stops.
    fn mark(&mut self, who: usize) {
        let random = &mut self.world.random;
        let mut wire = self.world.guests[who].wire();
        let len = wire.to_server.len();
        if len > 1 && wire.grain.is_none() && wire.packets.is_none() && wire.mark.is_none() {
            let at = 1 + random.below(len - 1);
            wire.mark = Some(at);
            wire.edge = true;
            drop(wire);
            self.world.note(who, What::IsUrgent, at);
        }
    }

    fn take(&mut self) {
        let Some(who) = self.somebody() else { return };
        let len = match self.world.random.one_in(2) {
            true => usize::MAX,
            false => 1 + self.world.random.below(400),
        };
        self.world.take(who, len);
    }

    /// Limits the window, as a slow reader does, or the bytes that a call moves.
    fn narrow(&mut self) {
        let Some(who) = self.somebody() else { return };
        let random = &mut self.world.random;
        let window = match random.below(4) {
            0 => 0,
            1 => usize::MAX,
            _ => 1 + random.below(600),
        };
        let is_new = !self.world.guests[who].is_taken_in;
        let grain = (is_new && random.one_in(2)).then(|| 1 + random.below(300));
        let mut wire = self.world.guests[who].wire();
        wire.window = window;
        wire.note_taken();
        // A wire keeps its kind: if short reads prove nothing once, they never do.
        let is_watched = wire.watched.is_some();
        let grain = grain.filter(|_| !is_watched && wire.packets.is_none());
        if grain.is_some() {
            wire.grain = grain;
        }
        drop(wire);
        self.world.note(who, What::HasWindow, window);
        if let Some(grain) = grain {
            self.world.note(who, What::HasGrain, grain);
        }
    }

    /// Adds an event without a cause, or for a closed connection.
    fn stray_event(&mut self) {
        let index = self.world.random.below(self.world.server.count());
        if self.world.random.one_in(8) {
            let key = self.world.random.below(3);
            let readiness =
                Readiness { readable: true, writable: true, error: true, ..Readiness::default() };
            self.notify(index, Source::Dial(key), readiness);
            return;
        }
        let Some(who) = self.somebody() else { return };
        let wire = self.world.guests[who].wire();
        let Some((index, source)) = wire.watched else { return };
        let has_gone = wire.server_gone;
        let readiness = Readiness {
            readable: true,
            // A socket without room is never reported as writable.
            writable: has_gone || wire.is_writable(),
            read_closed: has_gone,
            error: has_gone,
            hung_up: has_gone,
            urgent: false,
        };
        drop(wire);
        self.notify(index, source, readiness);
        self.world.note(who, if has_gone { What::StaleEvent } else { What::Event }, 0);
    }

    fn notify(&mut self, index: usize, source: Source, readiness: Readiness) {
        let kernel = &mut kernel::lock(&self.world.server.kernel);
        kernel.loops[index].add_event(source, readiness);
    }

    fn fault(&mut self) {
        match self.world.random.below(6) {
            0 | 1 => self.accepting_fails(),
            2 => self.system_fails(),
            _ => self.socket_fails(),
        }
    }

    fn accepting_fails(&mut self) {
        let at = self.world.random.below(ACCEPT_ERRORS.len());
        listener::lock(&self.world.server.queues[0]).codes.push_back(ACCEPT_ERRORS[at]);
        self.world.note(0, What::AcceptFails, at);
    }

    /// Makes a thread or a socket registration fail, or a connection attempt, or interrupts a poll
    /// by a signal.
    fn system_fails(&mut self) {
        let random = &mut self.world.random;
        let kernel = &mut kernel::lock(&self.world.server.kernel);
        match random.below(4) {
            0 => kernel.faults.threads += 1,
            1 => kernel.faults.watches += 1,
            2 => {
                let at = random.below(CONNECT_ERRORS.len());
                kernel.faults.connect.push_back(CONNECT_ERRORS[at]);
            }
            _ => {
                let index = random.below(kernel.loops.len());
                kernel.loops[index].is_interrupted = true;
            }
        }
    }

    fn socket_fails(&mut self) {
        let Some(who) = self.somebody() else { return };
        let random = &mut self.world.random;
        let guest = &self.world.guests[who];
        let mut wire = guest.wire();
        if random.one_in(2) {
            let at = random.below(READ_ERRORS.len());
            wire.read_error.get_or_insert(READ_ERRORS[at]);
            wire.edge = true;
            drop(wire);
            self.world.note(who, What::ReadFails, at);
        } else {
            let at = random.below(WRITE_ERRORS.len());
            wire.write_error.get_or_insert(WRITE_ERRORS[at]);
            drop(wire);
            self.world.note(who, What::WriteFails, at);
        }
    }

    /// Advances the clock: a little, or by a jump, as after a suspend.
    fn pass(&mut self) {
        let random = &mut self.world.random;
        let time_ms = match random.below(12) {
            0 => 1000 * random.below(100),
            1 => random.below(3000),
            _ => random.below(50),
        };
        let until_ms = self.world.server.now_ms() + time_ms as u64;
        if self.world.random.one_in(2) {
            self.world.advance(until_ms);
        }
        self.world.pass(until_ms);
        self.world.note(0, What::Passes, 0);
    }

    /// A datagram arrives, the room of the socket changes, or a call on it fails.
    fn datagram(&mut self) {
        let random = &mut self.world.random;
        let what = random.below(4);
        let len = random.below(200);
        let Some(datagrams) = &self.world.server.datagrams else { return };
        super::datagrams::lock(datagrams).happen(what, len, random);
        self.world.note(0, What::Datagram, len);
    }

    /// Uses the handle, as another thread would.
    fn command(&mut self) {
        let World { commands, server, random, .. } = &mut *self.world;
        commands(&server.handle, random);
    }
}
