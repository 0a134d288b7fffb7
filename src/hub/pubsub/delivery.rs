//! Delivers the logs of topics to their members: one write per member for all messages of a turn.
//! Runs after the passes of the turn.

use std::ops::Range;

use super::log::Slice;
use super::{Memberships, Subscribers, Topics};
use crate::handler::effect::Delivery;
use crate::hub::connection::flags::Flags;
use crate::hub::connections::Connections;
use crate::hub::transport::Transport;
use crate::hub::turn::OUT_KEPT;
use crate::id::Id;

/// The cost of a write, in copied bytes: the 1,000 writes of a turn take some 7 to 12 ms.
const WRITE_COST: usize = 2048;

/// Serves the topics in turn, within the budget. The rest follows in the next turn.
pub(in crate::hub) struct Courier {
    /// The budget of one turn, in bytes.
    budget: usize,
    /// The rest of it.
    left: usize,
    /// Members of several topics with collected output: one write each.
    collecting: Vec<Id>,
    /// A buffer for an author, for the messages of the others.
    scratch: Vec<u8>,
}

impl Courier {
    pub(in crate::hub) fn new(budget: usize) -> Courier {
        Courier { budget, left: 0, collecting: Vec::new(), scratch: Vec::new() }
    }

    pub(in crate::hub) fn run<T: Transport>(
        &mut self,
        topics: &mut Topics,
        connections: &mut Connections<T>,
    ) {
        self.left = self.budget;
        for _ in 0..topics.busy.len() {
            if self.left == 0 {
                break;
            }
            if let Some(topic) = topics.next_busy() {
                self.serve(topic, connections);
            }
            let released = topics.yield_busy();
            connections.turn_mut().pending.unthrottle(released);
        }
        for id in self.collecting.drain(..) {
            connections.flush(id);
        }
        if self.scratch.capacity() > OUT_KEPT {
            self.scratch = Vec::new();
        }
    }

    /// Delivers the rest of a pass to the members of one topic.
    fn serve<T: Transport>(&mut self, topic: &mut Subscribers, connections: &mut Connections<T>) {
        while self.left > 0 {
            let Some((id, offsets, delivery)) = topic.next_member() else { return };
            let Some(connection) = connections.get_mut(id) else { continue };
            if offsets.is_empty() {
                continue;
            }
            #[cfg(feature = "backplane")]
            if delivery == Delivery::Nothing {
                continue;
            }
            if delivery == Delivery::Handler {
                self.serve_handler(id, offsets, topic, connections);
                continue;
            }
            if !connection.state().accepts_output() {
                continue;
            }
            let keeps_boundaries = connection.keeps_boundaries();
            let is_in_several = connection.memberships() == Memberships::Several;
            if is_in_several && !connection.state().has(Flags::COLLECTING) {
                connection.state_mut().set(Flags::COLLECTING);
                self.collecting.push(id);
            }
            if keeps_boundaries {
                self.serve_packets((id, delivery), offsets, topic, connections);
                continue;
            }
            let log = topic.logs.of_mut(delivery);
            let len = if log.is_author(id) {
                log.gather(id, &offsets, &mut self.scratch);
                let all = 0..self.scratch.len();
                connections.receive(id, Slice::new(&self.scratch, all, &mut None))
            } else {
                connections.receive(id, log.slice(&offsets))
            };
            self.left = self.left.saturating_sub(len + WRITE_COST);
        }
    }

    /// Notifies the handler of a member of each message. If the budget ends in between, the member
    /// is the first of the next turn.
    fn serve_handler<T: Transport>(
        &mut self,
        id: Id,
        mut offsets: Range<u64>,
        topic: &mut Subscribers,
        connections: &mut Connections<T>,
    ) {
        while let Some(message) = topic.logs.of_mut(Delivery::Handler).next_shared(id, &mut offsets)
        {
            self.left = self.left.saturating_sub(message.len() + WRITE_COST);
            if !connections.notify_published(id, &topic.name, message) {
                return;
            }
            if self.left == 0 {
                topic.stay(offsets.start);
                return;
            }
        }
    }

    /// Sends each message as a packet to a member that keeps boundaries. If the budget ends in
    /// between, the member is the first of the next turn.
    fn serve_packets<T: Transport>(
        &mut self,
        (id, delivery): (Id, Delivery),
        mut offsets: Range<u64>,
        topic: &mut Subscribers,
        connections: &mut Connections<T>,
    ) {
        while let Some(slice) = topic.logs.of_mut(delivery).next_message(id, &mut offsets) {
            self.left = self.left.saturating_sub(connections.receive(id, slice) + WRITE_COST);
            if !connections.get_mut(id).is_some_and(|c| c.state().accepts_output()) {
                return;
            }
            if self.left == 0 {
                topic.stay(offsets.start);
                return;
            }
        }
    }
}
