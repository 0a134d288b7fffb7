//! What is different for a connection that keeps the boundaries of packets. The rest of it goes the
//! way of all connections.

use std::ops::Range;

use super::connection::{Connection, Link};
use super::desk::Desk;
use super::fanout::WRITE_COST;
use super::marks;
use super::topics::Audience;
use super::transport::Transport;
use crate::id::Id;

/// What a packet counts at least against a budget: small ones cost their calls, and not the bytes
/// in them.
const PACKET_PRICE: usize = 4096;

impl<T: Transport> Connection<T> {
    /// What taking so many bytes counts against a budget.
    pub(super) fn price(&self, bytes: usize) -> usize {
        match self.transport.keeps_boundaries() {
            true => bytes.max(PACKET_PRICE),
            false => bytes,
        }
    }

    /// Whether the handler had to stop in the middle of a packet: it paused, was replaced, or its
    /// output is full. Only then is what it left of the packet offered again.
    pub(super) fn has_stopped(&self) -> bool {
        self.marks.has_any(marks::PAUSED.with(marks::FULL).with(marks::REOFFER))
    }

    /// Sends what one call wrote as one packet, before the next call writes.
    #[cold]
    pub(super) fn pack(&mut self, desk: &mut Desk) {
        desk.meter.progress.packed += desk.record.out.len();
        self.flush(desk);
    }

    /// Gets what was published as packets, one for each message. Who has not got all of them when
    /// the budget is used up comes first in the next turn.
    #[cold]
    pub(super) fn receive_packets(
        &mut self,
        id: Id,
        audience: &mut Audience,
        mut positions: Range<u64>,
        budget: &mut usize,
        desk: &mut Desk,
    ) {
        while let Some(share) = audience.feed.next_message(id, &mut positions) {
            *budget = budget.saturating_sub(self.receive(share, desk) + WRITE_COST);
            if self.link == Link::Closed {
                return;
            }
            if *budget == 0 {
                audience.stay(positions.start);
                return;
            }
        }
    }
}
