//! The mail between a loop and the other loops of its server. Knows no socket.

use super::core::{Core, Phase};
use super::group::Mail;
use super::part::Part;
use super::system::System;

/// The mail of a loop. Its `Member` is the core's, because the load of the others counts for
/// all parts.
pub(super) struct ShardMail;

impl<S: System> Part<S> for ShardMail {
    /// Takes in what the other loops have sent.
    fn turn(&mut self, core: &mut Core<S>) {
        let Some(member) = &mut core.member else { return };
        for mail in member.take_mail() {
            match mail {
                Mail::Transfer(transfer) => core.open(transfer),
                Mail::Parcels(from, parcels) => {
                    core.hub.receive(parcels.into_iter().map(|parcel| (from, parcel)));
                }
                Mail::Departed(shard) => core.hub.close_shard(shard),
            }
        }
    }

    /// Sends the other loops what is for them, and tells how many connections this one has.
    fn take_from_hub(&mut self, core: &mut Core<S>) {
        let len = core.len();
        let Some(member) = &mut core.member else { return };
        for (to, outbox) in core.hub.outboxes() {
            member.send(to, outbox);
        }
        member.note_len(len);
    }

    /// To be asked last: from then on the others are refused.
    fn is_over(&self, core: &Core<S>) -> bool {
        let Some(member) = &core.member else { return true };
        let is_serving = core.phase == Phase::Serving;
        !member.must_stay(is_serving) && member.may_leave()
    }
}
