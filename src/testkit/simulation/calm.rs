//! The second half of a simulation: the faults cease, the clients send the rest, and every
//! connection ends. A connection that does not end fails the simulation.

use super::datagrams;
use super::kernel;
use super::listener;
use super::trace::What;
use super::world::World;
use crate::reactor::StopRequest;

/// The number of rounds without progress before waiting clients give up. Some rounds are needed for
/// clients that pause in between.
const QUIET_ROUNDS: usize = 16;
/// A deadline nearer than this is awaited instead of giving up.
const SOON_MS: u64 = 5000;
/// After this many rounds the simulation is assumed never to end.
const ROUNDS: usize = 100_000;

/// The second half of a simulation.
pub(super) struct Calm<'w, 'a> {
    world: &'w mut World<'a>,
    /// Wait for deadlines instead of giving up.
    is_patient: bool,
}

impl<'w, 'a> Calm<'w, 'a> {
    pub(super) fn new(world: &'w mut World<'a>) -> Calm<'w, 'a> {
        let is_patient = world.random.one_in(4);
        Calm { world, is_patient }
    }

    pub(super) fn run(mut self) {
        self.world.note(0, What::Calm, 0);
        self.world.is_calm = true;
        kernel::lock(&self.world.server.kernel).faults.cease();
        for queue in &self.world.server.queues {
            listener::lock(queue).codes.clear();
        }
        if let Some(queue) = &self.world.server.datagrams {
            datagrams::lock(queue).heal();
        }
        self.until_all_have_ended();
        // Datagrams and clients that arrive just before a stop are served.
        if let Some(queue) = &self.world.server.datagrams {
            datagrams::lock(queue).happen(0, 1, &mut self.world.random);
        }
        if self.world.random.one_in(4) && self.world.told == StopRequest::None {
            self.world.to_come = 1;
            self.world.arrive();
        }
        self.world.notify(StopRequest::Drain);
        for _ in 0..ROUNDS {
            self.everybody_goes_on();
            self.world.settle();
            if self.world.server.is_over() {
                return;
            }
            self.wait_on();
        }
        self.world.fail(0, "all clients are closed, but the server does not end");
    }

    fn until_all_have_ended(&mut self) {
        let mut quiet = 0;
        for _ in 0..ROUNDS {
            quiet = if self.everybody_goes_on() { 0 } else { quiet + 1 };
            self.world.settle();
            let has_ended = self.world.guests.iter().all(|guest| guest.has_ended);
            if self.world.to_come == 0 && has_ended && self.world.server.len() == 0 {
                return;
            }
            if quiet > QUIET_ROUNDS {
                let soon_ms = self.world.server.now_ms() + SOON_MS;
                let is_soon = self.world.server.next_ms().is_some_and(|due_ms| due_ms <= soon_ms);
                if self.is_patient || is_soon || !self.somebody_gives_up() {
                    self.wait_on();
                }
            }
        }
        self.world.fail(0, "the simulation does not end");
    }

    /// Every client acts once, and all bytes in flight arrive. Returns true if anything changed.
    fn everybody_goes_on(&mut self) -> bool {
        let mut has_news = self.world.to_come > 0;
        if has_news {
            self.world.arrive();
        }
        for who in 0..self.world.guests.len() {
            if self.world.guests[who].has_ended {
                continue;
            }
            // A pending error is kept: its event may have been noted.
            self.world.guests[who].wire().window = usize::MAX;
            has_news |= self.world.act(who);
            self.world.bring(who, usize::MAX, true);
            has_news |= self.world.take(who, usize::MAX);
        }
        has_news
    }

    /// Without progress, shuts a client that only waits.
    fn somebody_gives_up(&mut self) -> bool {
        let mut guests = self.world.guests.iter();
        let Some(who) = guests.position(|guest| guest.is_active()) else { return false };
        self.world.guests[who].has_shut = true;
        self.world.note(who, What::Shuts, 0);
        true
    }

    /// Advances the clock to the next deadline.
    fn wait_on(&mut self) {
        match self.world.server.next_ms() {
            Some(due_ms) => self.world.pass(due_ms),
            None if self.somebody_gives_up() => {}
            None => {
                let who = self.world.guests.iter().position(|guest| !guest.has_ended);
                let len = self.world.server.len();
                let what = format!("no event is due to end it; the server has {len} connections");
                self.world.fail(who.unwrap_or(0), &what);
            }
        }
    }
}
