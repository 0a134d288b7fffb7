//! The messages between a loop and the other loops of its server. Must not know sockets.

use super::core::Core;
use super::group::Mail;
use super::part::Part;
use super::system::System;

/// The messages of a loop. Its `Member` belongs to the core, because all parts use the load of the
/// other loops.
pub(super) struct ShardMail;

impl<S: System> Part<S> for ShardMail {
    /// Receives the messages of the other loops.
    fn turn(&mut self, core: &mut Core<S>) {
        let Some(member) = &mut core.member else { return };
        for mail in member.take_mail() {
            match mail {
                Mail::Transfer(transfer) => core.open(transfer),
                Mail::Parcels(from, parcels) => {
                    core.hub.receive(parcels.into_iter().map(|parcel| (from, parcel)));
                }
                Mail::GiveWay => {
                    if !core.hub.make_room() {
                        core.ask_next();
                    }
                }
                Mail::Departed(shard) => core.hub.close_shard(shard),
            }
        }
    }

    /// Sends messages to the other loops, and publishes the load of this one.
    fn take_from_hub(&mut self, core: &mut Core<S>) {
        let load = core.load();
        let Some(member) = &mut core.member else { return };
        for (to, outbox) in core.hub.outboxes() {
            member.send(to, outbox);
        }
        member.note_load(load);
    }

    /// Called last: from then on messages of the others are refused.
    fn is_over(&self, core: &Core<S>) -> bool {
        let Some(member) = &core.member else { return true };
        let is_serving = core.phase.is_serving();
        !member.must_stay(is_serving) && member.may_leave()
    }
}
