//! How the logs of topics reach their members: one write each for all of a turn's messages. Runs
//! after the connections of the turn have had their passes.

use std::ops::Range;

use super::log::Slice;
use super::{Memberships, Subscribers, Topics};
use crate::handler::effect::Delivery;
use crate::hub::connection::flags::Flags;
use crate::hub::connections::Connections;
use crate::hub::transport::Transport;
use crate::hub::turn::OUT_KEPT;
use crate::id::Id;

/// A write costs at least as much as copying so many bytes.
const WRITE_COST: usize = 512;

/// Serves the topics in turn, as far as the budget goes; the rest comes in the next turn.
pub(in crate::hub) struct Courier {
    /// For one turn, in bytes.
    budget: usize,
    /// The part of it that is left.
    left: usize,
    /// Members of several topics that have something to send: one write each.
    collecting: Vec<Id>,
    /// Where the others' messages are gathered for an author.
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

    /// Gives the members of one topic what they have not got of its pass.
    fn serve<T: Transport>(&mut self, topic: &mut Subscribers, connections: &mut Connections<T>) {
        while self.left > 0 {
            let Some((id, offsets, delivery)) = topic.next_member() else { return };
            let Some(connection) = connections.get_mut(id) else { continue };
            if offsets.is_empty() {
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
                self.serve_packets(id, offsets, topic, connections);
                continue;
            }
            let len = if topic.log.is_author(id) {
                topic.log.gather(id, &offsets, &mut self.scratch);
                let all = 0..self.scratch.len();
                connections.receive(id, Slice::new(&self.scratch, all, &mut None))
            } else {
                connections.receive(id, topic.log.slice(&offsets))
            };
            self.left = self.left.saturating_sub(len + WRITE_COST);
        }
    }

    /// Notifies the handler of a member of each message. One that has not got all of them when the
    /// budget is used up comes first in the next turn.
    fn serve_handler<T: Transport>(
        &mut self,
        id: Id,
        mut offsets: Range<u64>,
        topic: &mut Subscribers,
        connections: &mut Connections<T>,
    ) {
        while let Some(message) = topic.log.next_shared(id, &mut offsets) {
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

    /// Gives a member that keeps boundaries one packet for each message. One that has not got all
    /// of them when the budget is used up comes first in the next turn.
    fn serve_packets<T: Transport>(
        &mut self,
        id: Id,
        mut offsets: Range<u64>,
        topic: &mut Subscribers,
        connections: &mut Connections<T>,
    ) {
        while let Some(slice) = topic.log.next_message(id, &mut offsets) {
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
