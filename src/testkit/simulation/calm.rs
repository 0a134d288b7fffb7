//! The second half of a simulation: the network heals, everybody says the rest, and everything comes
//! to its end. What does not is lost for ever.

use std::time::Duration;

use super::trace::What;
use super::world::{Share, World};
use crate::testkit::listener;

/// Rounds in which nothing happens until those who only wait lose their patience: some wait in
/// between.
const QUIET_ROUNDS: usize = 16;
/// What is due sooner than this is waited for, rather than losing patience.
const SOON_MS: u64 = 5000;
/// Rounds of saying and hearing, and turns of one of them, after which nothing will change any more.
const ROUNDS: usize = 100_000;

impl World<'_> {
    /// Runs turns until nothing is left to do at this moment, and sees that nobody is forgotten.
    pub(super) fn settle(&mut self) {
        for _ in 0..ROUNDS {
            self.turn(Share::All);
            if self.is_quiet() {
                self.check_rest();
                return;
            }
        }
        self.fail(0, "the server never comes to rest");
    }

    fn is_quiet(&self) -> bool {
        let now_ms = self.network.now_ms();
        let is_due = self.doors.next_ms(self.has_room()).is_some_and(|due_ms| due_ms <= now_ms);
        let has_news = listener::lock(&self.queue).edge && !self.doors.is_empty();
        !self.has_mail
            && self.network.is_quiet()
            && !is_due
            && !has_news
            && self.network.dials.is_empty()
    }

    fn check_rest(&self) {
        self.network.check_rest();
        let queue = listener::lock(&self.queue);
        let waits = !queue.closed && !queue.waiting.is_empty();
        if waits && self.has_room() && self.doors.next_ms(true).is_none() {
            self.fail(queue.waiting[0].0, "waits to be accepted, and nobody looks");
        }
        drop(queue);
        for (who, guest) in self.guests.iter().enumerate() {
            let account = guest.account();
            let is_live = account.opened && account.closed.is_none() && !guest.has_ended;
            let is_due = account.timer_ms.is_some_and(|at_ms| at_ms <= self.network.now_ms());
            if is_live && is_due && !account.is_over() {
                self.fail(who, "its timer has not rung");
            }
        }
    }

    /// When something is due next.
    fn next_ms(&self) -> Option<u64> {
        let hub = self.network.next_ms();
        let until_ms = match self.phase {
            super::world::Phase::Draining { until_ms } => Some(until_ms),
            _ => None,
        };
        let doors = self.doors.next_ms(self.has_room());
        hub.into_iter().chain(doors).chain(until_ms).min()
    }

    /// Lets everything happen that is due until then, at its time.
    pub(super) fn advance(&mut self, until: Duration) {
        loop {
            self.settle();
            match self.next_ms().map(Duration::from_millis) {
                Some(due) if due <= until => {
                    self.network.elapsed = self.network.elapsed.max(due);
                }
                _ => return,
            }
        }
    }

    pub(super) fn calm(&mut self) {
        self.note(0, What::Calm, 0);
        listener::lock(&self.queue).codes.clear();
        // Some wait for their deadlines, some lose their patience.
        let is_patient = self.random.one_in(4);
        let mut quiet = 0;
        for _ in 0..ROUNDS {
            quiet = if self.everybody_goes_on() { 0 } else { quiet + 1 };
            self.settle();
            let is_over = self.to_come == 0 && self.guests.iter().all(|guest| guest.has_ended);
            if is_over && self.network.connections() == 0 {
                return;
            }
            if quiet > QUIET_ROUNDS {
                let soon_ms = self.network.now_ms() + SOON_MS;
                let is_soon = self.next_ms().is_some_and(|due_ms| due_ms <= soon_ms);
                if is_patient || is_soon || !self.somebody_gives_up() {
                    self.wait_on();
                }
            }
        }
        self.fail(0, "it never comes to an end");
    }

    /// All say something, and all that was said arrives. Tells whether anything has changed.
    fn everybody_goes_on(&mut self) -> bool {
        let mut has_news = self.to_come > 0;
        if has_news {
            self.arrive();
        }
        for who in 0..self.guests.len() {
            if self.guests[who].has_ended {
                continue;
            }
            // An error that is to come still does: its event may have been noted.
            self.guests[who].wire().window = usize::MAX;
            has_news |= self.act(who);
            self.bring(who, usize::MAX, true);
            has_news |= self.take(who, usize::MAX);
        }
        has_news
    }

    /// Nothing happens any more: one who only waits shuts.
    fn somebody_gives_up(&mut self) -> bool {
        let waiting = |who: &usize| self.guests[*who].is_active();
        let Some(who) = (0..self.guests.len()).find(waiting) else { return false };
        self.guests[who].has_shut = true;
        self.note(who, What::Shuts, 0);
        true
    }

    /// Nothing happens at this moment: time passes.
    fn wait_on(&mut self) {
        match self.next_ms() {
            Some(due_ms) => {
                let due = Duration::from_millis(due_ms);
                self.network.elapsed = self.network.elapsed.max(due);
            }
            None if self.somebody_gives_up() => {}
            None => {
                let who = self.guests.iter().position(|guest| !guest.has_ended);
                self.fail(who.unwrap_or(0), "nothing will ever end it");
            }
        }
    }
}
