//! The reactors of one server: their messages to each other, and their load. Must not know the
//! poller.
//!
//! The first reactor accepts, and assigns each new connection to the one with the fewest. Each has
//! a mailbox. Its lock is taken once per turn by every other reactor with messages for it, and by
//! its owner when it is not empty.

use std::collections::VecDeque;
use std::sync::Arc;

use super::handle::{ServerHandle, StopRequest};
use super::load::Loads;
use crate::accept::{OwnPlace, PeerPermit};
use crate::handler::Handler;
use crate::hub::ShardMessage;
use crate::id::Shard;
use crate::mailbox::{Mailbox, Refused};
use crate::net::incoming::Incoming;
use crate::panics;

/// An accepted connection with its handler, in transit to its reactor.
pub(super) struct Transfer<T> {
    pub(super) socket: T,
    pub(super) incoming: Incoming,
    pub(super) handler: Box<dyn Handler>,
    pub(super) permit: Option<PeerPermit>,
    /// The places that it takes: one, unless it has one of its own, and those that it reserves.
    pub(super) places: usize,
    pub(super) own_place: Option<OwnPlace>,
}

/// A message from one reactor to another.
pub(super) enum Mail<T> {
    Transfer(Transfer<T>),
    /// Messages from one hub to another, in the order of sending.
    Parcels(usize, Vec<ShardMessage>),
    /// One of its connections is asked to give way to a new one.
    GiveWay,
    /// That reactor has ended. No message from it follows.
    Departed(usize),
}

struct Seat<T> {
    /// Stops and wakes the reactor.
    handle: ServerHandle,
    mailbox: Mailbox<Mail<T>>,
}

struct Group<T> {
    seats: Vec<Seat<T>>,
    /// The number of places taken by each reactor, including the connections in its mailbox.
    loads: Loads,
}

/// A reactor's place in the group.
pub(crate) struct Member<T> {
    group: Arc<Group<T>>,
    index: usize,
    /// The places that it has added to its load itself.
    counted: usize,
    /// Set if the group has listeners: the first reactor assigns connections to the others.
    group_accepts: bool,
    /// The number of other reactors that have not ended.
    others: usize,
    /// The reactor that was assigned the last connection.
    last: usize,
    /// The reactor that was asked last for a connection that gives way.
    asked: usize,
}

/// Creates the members of a group. `accepts` is true if one of them has listeners.
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
        asked: 0,
    };
    (0..count).map(member).collect()
}

impl<T> Member<T> {
    pub(super) fn shard(&self) -> Shard {
        Shard::new(self.index, self.group.seats.len())
    }

    /// Returns true if the first reactor assigns accepted connections to the others.
    pub(super) fn group_accepts(&self) -> bool {
        self.group_accepts
    }

    fn others(&self) -> impl Iterator<Item = (usize, &Seat<T>)> {
        let seats = self.group.seats.iter().enumerate();
        seats.filter(move |(index, _)| *index != self.index)
    }

    /// Returns the number of places that all other reactors take.
    pub(super) fn others_load(&self) -> usize {
        self.group.loads.of_others(self.index)
    }

    /// Chooses the reactor for the next connection: the one with the fewest, or the next in turn
    /// among equals. `own` is the number of its own. `None` if it is this reactor.
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

    /// Sends an accepted connection to another reactor.
    pub(super) fn transfer(&self, to: usize, transfer: Transfer<T>) {
        // Before the message is sent: its reactor counts on it.
        let places = transfer.places;
        self.group.loads.add(to, places);
        if let Err(refused) = self.group.seats[to].mailbox.send(Mail::Transfer(transfer)) {
            self.subtract(to, places);
            panics::drop_quietly(refused.into_message());
        }
    }

    /// Chooses the reactor to be asked for a connection that gives way: each in turn. `None` if it
    /// is this one.
    pub(super) fn next_to_ask(&mut self) -> Option<usize> {
        self.asked = (self.asked + 1) % self.group.seats.len();
        (self.asked != self.index).then_some(self.asked)
    }

    /// Asks a reactor for a connection that gives way.
    pub(super) fn ask(&self, to: usize) {
        // One that has ended has no connections.
        drop(self.group.seats[to].mailbox.send(Mail::GiveWay));
    }

    /// Asks the next reactor, because this one has no such connection. The last one asks none.
    pub(super) fn ask_next(&self) {
        if self.index + 1 < self.group.seats.len() {
            self.ask(self.index + 1);
        }
    }

    /// Sends the messages in `outbox` to another reactor. One that has ended refuses them; its
    /// `Departed` has arrived or will.
    pub(super) fn send(&self, to: usize, outbox: &mut Vec<ShardMessage>) {
        let parcels = Mail::Parcels(self.index, std::mem::take(outbox));
        let sent = self.group.seats[to].mailbox.send(parcels);
        if let Err(Mail::Parcels(_, parcels)) = sent.map_err(Refused::into_message) {
            *outbox = parcels;
        }
    }

    /// Takes the messages that have arrived.
    pub(super) fn take_mail(&mut self) -> VecDeque<Mail<T>> {
        let mail = self.group.seats[self.index].mailbox.take_all();
        for mail in &mail {
            match mail {
                Mail::Transfer(transfer) => self.counted += transfer.places,
                Mail::Parcels(..) | Mail::GiveWay => {}
                Mail::Departed(_) => self.others -= 1,
            }
        }
        mail
    }

    /// Publishes the number of places that this reactor takes now.
    pub(super) fn note_load(&mut self, load: usize) {
        if load > self.counted {
            self.group.loads.add(self.index, load - self.counted);
        } else if load < self.counted {
            self.subtract(self.index, self.counted - load);
        }
        self.counted = load;
    }

    fn subtract(&self, index: usize, count: usize) {
        if self.group.loads.subtract(index, count) {
            self.group.seats[0].handle.bell().ring();
        }
    }

    /// Closes the mailbox if it is empty, and returns true if so. Later messages to this reactor
    /// are refused.
    pub(super) fn may_leave(&self) -> bool {
        self.group.seats[self.index].mailbox.close_if_empty()
    }

    /// Requests a wake-up when a connection of another reactor ends. Check the load after this.
    pub(super) fn await_room(&self) {
        self.group.loads.await_room();
    }

    /// Wakes the first reactor, which accepts: a place is free that is not part of a load.
    pub(super) fn note_free_place(&self) {
        self.group.seats[0].handle.bell().ring();
    }

    /// Returns true if the first reactor must check the load again.
    pub(super) fn may_have_room(&self) -> bool {
        self.group.loads.may_have_room()
    }

    /// Returns true if the reactor must run on without connections: the first one until all others
    /// have ended, because it receives the commands of other threads; the others until the stop.
    pub(super) fn must_stay(&self, is_serving: bool) -> bool {
        match self.index {
            0 => self.others > 0,
            _ => self.group_accepts && is_serving,
        }
    }

    /// Stops the other reactors, if this is the first: only that one receives signals and stop
    /// requests.
    pub(super) fn pass_on(&self, request: StopRequest) {
        if self.index == 0 {
            self.others().for_each(|(_, seat)| seat.handle.ask(request));
        }
    }
}

impl<T> Drop for Member<T> {
    /// Announces its end to the others, also after a failure: they expect no more messages, and end
    /// if this is the first.
    fn drop(&mut self) {
        self.pass_on(StopRequest::Abort);
        let mail = self.group.seats[self.index].mailbox.close();
        let places = mail.iter().map(|mail| match mail {
            Mail::Transfer(transfer) => transfer.places,
            Mail::Parcels(..) | Mail::GiveWay | Mail::Departed(_) => 0,
        });
        self.subtract(self.index, self.counted + places.sum::<usize>());
        for mail in mail {
            panics::drop_quietly(mail);
        }
        for (_, seat) in self.others() {
            // A reactor that has ended refuses the message.
            drop(seat.mailbox.send(Mail::Departed(self.index)));
        }
    }
}
