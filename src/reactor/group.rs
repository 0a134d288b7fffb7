//! The reactors of one server: what they hand each other, and how full each is. Knows no poller.
//!
//! The first reactor accepts, and gives each newcomer to the one that has fewest connections. Each
//! has a mailbox, whose lock is taken once a turn by each of the others that has something for it,
//! and by its owner when there is something in it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::handle::{ServerHandle, StopRequest};
use super::load::Loads;
use crate::accept::PeerPermit;
use crate::handler::Handler;
use crate::hub::ShardMessage;
use crate::id::Shard;
use crate::mailbox::{Mailbox, Refused};
use crate::net::incoming::Incoming;
use crate::panics;

/// An accepted connection with its handler, on its way to the reactor that serves it.
pub(super) struct Transfer<T> {
    pub(super) socket: T,
    pub(super) incoming: Incoming,
    pub(super) handler: Box<dyn Handler>,
    pub(super) permit: Option<PeerPermit>,
}

/// What one reactor hands to another.
pub(super) enum Mail<T> {
    Transfer(Transfer<T>),
    /// What the hub of that reactor has for the hub here, in the order of sending.
    Parcels(usize, Vec<ShardMessage>),
    /// That reactor has ended. Nothing of it follows.
    Departed(usize),
}

struct Seat<T> {
    /// To have it stop, and to wake it.
    handle: ServerHandle,
    mailbox: Mailbox<Mail<T>>,
}

struct Group<T> {
    seats: Vec<Seat<T>>,
    /// The connections of each, those in its mail included.
    loads: Loads,
}

/// One reactor's place among the others.
pub(crate) struct Member<T> {
    group: Arc<Group<T>>,
    index: usize,
    /// Its share of its load that is its own doing.
    counted: usize,
    /// Connections come to the group; the first reactor hands them on.
    group_accepts: bool,
    /// How many of the others have not ended.
    others: usize,
    /// Who was given the last newcomer.
    last: usize,
}

/// The members of a group with those reactors. Transfers come only if one of them `accepts`.
pub(crate) fn members<T>(handles: Vec<ServerHandle>, accepts: bool) -> Vec<Member<T>> {
    let count = handles.len();
    let seat = |handle: ServerHandle| Seat { mailbox: Mailbox::new(handle.bell()), handle };
    let seats = handles.into_iter().map(seat).collect();
    let group = Arc::new(Group { seats, loads: Loads::new(count) });
    let member = |index| Member {
        group: Arc::clone(&group),
        index,
        counted: 0,
        group_accepts: accepts,
        others: count - 1,
        last: 0,
    };
    (0..count).map(member).collect()
}

impl<T> Member<T> {
    pub(super) fn shard(&self) -> Shard {
        Shard::new(self.index, self.group.seats.len())
    }

    /// Returns true if connections come to the group, and from the first reactor to the others.
    pub(super) fn group_accepts(&self) -> bool {
        self.group_accepts
    }

    fn others(&self) -> impl Iterator<Item = (usize, &Seat<T>)> {
        let seats = self.group.seats.iter().enumerate();
        seats.filter(move |(index, _)| *index != self.index)
    }

    /// The connections of all others.
    pub(super) fn others_load(&self) -> usize {
        self.group.loads.of_others(self.index)
    }

    /// Who should have the next newcomer: the one with fewest connections, in turn if there are
    /// several. `own` is how many this one has. `None` if it is this one.
    pub(super) fn choose(&mut self, own: usize) -> Option<usize> {
        let count = self.group.seats.len();
        let load = |index: usize| match index == self.index {
            true => own,
            false => self.group.loads.of(index),
        };
        let after_last = (1..=count).map(|step| (self.last + step) % count);
        self.last = after_last.min_by_key(|index| load(*index)).unwrap_or(self.index);
        (self.last != self.index).then_some(self.last)
    }

    /// Gives a newcomer to another reactor.
    pub(super) fn transfer(&self, to: usize, transfer: Transfer<T>) {
        // Before it is sent: its reactor counts on it.
        self.group.loads.add(to, 1);
        if let Err(refused) = self.group.seats[to].mailbox.send(Mail::Transfer(transfer)) {
            self.subtract(to, 1);
            panics::drop_quietly(refused.into_message());
        }
    }

    /// Sends what is in `outbox` to another reactor. One that has ended takes nothing; its leave
    /// has come or will.
    pub(super) fn send(&self, to: usize, outbox: &mut Vec<ShardMessage>) {
        let parcels = Mail::Parcels(self.index, std::mem::take(outbox));
        let sent = self.group.seats[to].mailbox.send(parcels);
        if let Err(Mail::Parcels(_, parcels)) = sent.map_err(Refused::into_message) {
            *outbox = parcels;
        }
    }

    /// Takes what has come.
    pub(super) fn take_mail(&mut self) -> VecDeque<Mail<T>> {
        let mail = self.group.seats[self.index].mailbox.take_all();
        for mail in &mail {
            match mail {
                Mail::Transfer(_) => self.counted += 1,
                Mail::Parcels(..) => {}
                Mail::Departed(_) => self.others -= 1,
            }
        }
        mail
    }

    /// Tells the others how many connections there are here now.
    pub(super) fn note_len(&mut self, len: usize) {
        if len > self.counted {
            self.group.loads.add(self.index, len - self.counted);
        } else if len < self.counted {
            self.subtract(self.index, self.counted - len);
        }
        self.counted = len;
    }

    fn subtract(&self, index: usize, count: usize) {
        if self.group.loads.subtract(index, count) {
            self.group.seats[0].handle.bell().ring();
        }
    }

    /// Whether nothing has come that was not taken; then nothing comes any more. A reactor that has
    /// something for this one hears from now on that it has ended.
    pub(super) fn may_leave(&self) -> bool {
        self.group.seats[self.index].mailbox.close_if_empty()
    }

    /// Wants to be woken when a connection of another reactor ends. Look again after this.
    pub(super) fn await_room(&self) {
        self.group.loads.await_room();
    }

    /// Whether the first one is to look again because of that.
    pub(super) fn may_have_room(&self) -> bool {
        self.group.loads.may_have_room()
    }

    /// Whether it stays though it has no connections: the first one waits for all others, because
    /// what other threads ask for goes through it; the others wait for newcomers.
    pub(super) fn must_stay(&self, is_serving: bool) -> bool {
        match self.index {
            0 => self.others > 0,
            _ => self.group_accepts && is_serving,
        }
    }

    /// Has the others stop too, if this is the first: signals and other threads tell only that one.
    pub(super) fn pass_on(&self, request: StopRequest) {
        if self.index == 0 {
            self.others().for_each(|(_, seat)| seat.handle.ask(request));
        }
    }
}

impl<T> Drop for Member<T> {
    /// Takes leave of the others, whatever the reason: they wait for nothing from here any more,
    /// and end with the first one.
    fn drop(&mut self) {
        self.pass_on(StopRequest::Abort);
        let mail = self.group.seats[self.index].mailbox.close();
        let transfers = mail.iter().filter(|mail| matches!(mail, Mail::Transfer(_))).count();
        self.subtract(self.index, self.counted + transfers);
        for mail in mail {
            panics::drop_quietly(mail);
        }
        for (_, seat) in self.others() {
            // One that has ended, too, does not care.
            drop(seat.mailbox.send(Mail::Departed(self.index)));
        }
    }
}
