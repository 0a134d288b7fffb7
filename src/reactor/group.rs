//! The reactors of one server: what they hand each other, and how full each is. Knows no poller but
//! by its waker.
//!
//! The first reactor accepts, and gives each newcomer to the one that has fewest connections. There
//! is a lock around each one's mail, taken once a turn by whoever has something for it, and by its
//! owner when there is something in it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::remote::{Remote, Wish};
use super::socket::Socket;
use crate::accept::Entry;
use crate::handler::Handler;
use crate::hub::ShardMessage;
use crate::id::Home;
use crate::net::peer::Peer;

/// Somebody whom another reactor has accepted for this one.
pub(super) struct Transfer {
    pub(super) socket: Socket,
    pub(super) peer: Peer,
    pub(super) handler: Box<dyn Handler>,
    pub(super) entry: Option<Entry>,
}

/// What has come from the others.
#[derive(Default)]
pub(super) struct Mail {
    pub(super) transfers: Vec<Transfer>,
    /// In the order of sending, each with its sender.
    pub(super) parcels: Vec<(usize, ShardMessage)>,
    /// Who has ended.
    pub(super) departed: Vec<usize>,
    /// This reactor has ended itself.
    closed: bool,
}

struct Seat {
    /// To wake it by, and to have it stop.
    remote: Remote,
    mail: Mutex<Mail>,
    /// There is mail, and the reactor has been woken for it: no second wake-up.
    pending: AtomicBool,
    /// Its connections, those in its mail included.
    load: AtomicUsize,
}

struct Group {
    seats: Vec<Seat>,
    /// The first reactor waits for a connection of any of them to end.
    full: AtomicBool,
}

/// One reactor's place among the others.
pub(crate) struct Member {
    group: Arc<Group>,
    index: usize,
    /// Its share of `load` that is its own doing.
    counted: usize,
    /// Newcomers may still come from the first one.
    expects_transfers: bool,
    /// How many of the others have not ended.
    others: usize,
    /// Who was given the last newcomer.
    last: usize,
}

/// The members of a group with those reactors. Transfers come only if one of them `accepts`.
pub(super) fn members(remotes: Vec<Remote>, accepts: bool) -> Vec<Member> {
    let count = remotes.len();
    let seat = |remote| Seat {
        remote,
        mail: Mutex::default(),
        pending: AtomicBool::new(false),
        load: AtomicUsize::new(0),
    };
    let seats = remotes.into_iter().map(seat).collect();
    let group = Arc::new(Group { seats, full: AtomicBool::new(false) });
    let member = |index| Member {
        group: Arc::clone(&group),
        index,
        counted: 0,
        expects_transfers: accepts && index > 0,
        others: count - 1,
        last: 0,
    };
    (0..count).map(member).collect()
}

impl Seat {
    /// Nothing that is done under the lock can panic.
    fn mail(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce(&self) {
        if !self.pending.swap(true, Ordering::AcqRel) {
            self.remote.wake();
        }
    }
}

impl Member {
    pub(super) fn home(&self) -> Home {
        Home::new(self.index, self.group.seats.len())
    }

    fn others(&self) -> impl Iterator<Item = (usize, &Seat)> {
        let seats = self.group.seats.iter().enumerate();
        seats.filter(move |(index, _)| *index != self.index)
    }

    /// The connections of all others.
    pub(super) fn others_load(&self) -> usize {
        self.others().map(|(_, seat)| seat.load.load(Ordering::SeqCst)).sum()
    }

    /// Who should have the next newcomer: the one with fewest connections, in turn if there are
    /// several. `own` is how many this one has. `None` if it is this one.
    pub(super) fn choose(&mut self, own: usize) -> Option<usize> {
        let seats = &self.group.seats;
        let load = |index: usize| match index == self.index {
            true => own,
            false => seats[index].load.load(Ordering::Relaxed),
        };
        let after_last = (1..=seats.len()).map(|step| (self.last + step) % seats.len());
        self.last = after_last.min_by_key(|index| load(*index)).unwrap_or(self.index);
        (self.last != self.index).then_some(self.last)
    }

    /// Gives a newcomer to another reactor.
    pub(super) fn transfer(&self, to: usize, transfer: Transfer) {
        let seat = &self.group.seats[to];
        let mut mail = seat.mail();
        if !mail.closed {
            seat.load.fetch_add(1, Ordering::SeqCst);
            mail.transfers.push(transfer);
            drop(mail);
            seat.announce();
        }
    }

    /// Sends what is in `outbox` to another reactor. One that has ended takes nothing; its leave
    /// has come or will.
    pub(super) fn send(&self, to: usize, outbox: &mut Vec<ShardMessage>) {
        let seat = &self.group.seats[to];
        let mut mail = seat.mail();
        if mail.closed {
            return;
        }
        mail.parcels.extend(outbox.drain(..).map(|parcel| (self.index, parcel)));
        drop(mail);
        seat.announce();
    }

    /// Takes what has come, if anything.
    pub(super) fn take_mail(&mut self) -> Option<Mail> {
        let seat = &self.group.seats[self.index];
        if !seat.pending.load(Ordering::Relaxed) {
            return None;
        }
        // Before the look: what comes after it wakes the reactor again.
        seat.pending.swap(false, Ordering::AcqRel);
        let mail = std::mem::take(&mut *seat.mail());
        self.counted += mail.transfers.len();
        self.others -= mail.departed.len();
        Some(mail)
    }

    /// Tells the others how many connections there are here now.
    pub(super) fn note_len(&mut self, len: usize) {
        let load = &self.group.seats[self.index].load;
        if len > self.counted {
            load.fetch_add(len - self.counted, Ordering::SeqCst);
        } else if len < self.counted {
            load.fetch_sub(self.counted - len, Ordering::SeqCst);
            if self.index > 0 && self.group.full.swap(false, Ordering::SeqCst) {
                self.group.seats[0].remote.wake();
            }
        }
        self.counted = len;
    }

    /// Whether nothing has come that was not taken; then nothing comes any more. Who has something
    /// for this reactor hears from now on that it has ended.
    pub(super) fn may_leave(&self) -> bool {
        let mut mail = self.group.seats[self.index].mail();
        mail.closed |= mail.parcels.is_empty() && mail.transfers.is_empty();
        mail.closed
    }

    /// Wants to be woken when a connection of another reactor ends. Look again after this.
    pub(super) fn await_room(&self) {
        self.group.full.store(true, Ordering::SeqCst);
    }

    /// Whether the first one is to look again because of that.
    pub(super) fn may_have_room(&self) -> bool {
        !self.group.full.load(Ordering::SeqCst)
    }

    /// Whether it stays though it has no connections: the first one waits for all others, because
    /// what other threads ask for goes through it; the others wait for newcomers.
    pub(super) fn must_stay(&self, is_serving: bool) -> bool {
        match self.index {
            0 => self.others > 0,
            _ => self.expects_transfers && is_serving,
        }
    }

    /// Has the others stop too, if this is the first: signals and other threads tell only that one.
    pub(super) fn pass_on(&self, wish: Wish) {
        if self.index == 0 {
            self.others().for_each(|(_, seat)| seat.remote.ask(wish));
        }
    }
}

impl Drop for Member {
    /// Takes leave of the others, whatever the reason: they wait for nothing from here any more,
    /// and end with the first one.
    fn drop(&mut self) {
        self.pass_on(Wish::Abort);
        let own = &self.group.seats[self.index];
        let mail = std::mem::replace(&mut *own.mail(), Mail { closed: true, ..Mail::default() });
        own.load.store(0, Ordering::SeqCst);
        crate::panics::drop_quietly((mail.transfers, mail.parcels));
        for (_, seat) in self.others() {
            seat.mail().departed.push(self.index);
            seat.announce();
        }
    }
}
