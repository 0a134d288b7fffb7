//! The logs of a topic: one of its messages, and one of their packed form while a member takes it.
//! Knows deliveries and payloads; must not know members or connections.

use super::log::TopicLog;
use crate::handler::effect::Delivery;
use crate::handler::payload::Payload;
use crate::id::Id;

#[derive(Default)]
pub(in crate::hub) struct Logs {
    plain: TopicLog,
    /// Boxed, because most topics have none.
    packed: Option<Box<Packed>>,
}

/// The log of packed forms. Its messages are those of the other one, in the same places.
struct Packed {
    log: TopicLog,
    /// The members that take it.
    members: usize,
}

impl Logs {
    /// Notes a member with this delivery, before its log is used.
    pub(in crate::hub) fn gain(&mut self, delivery: Delivery) {
        if delivery == Delivery::Packed {
            let fork = || Box::new(Packed { log: self.plain.fork(), members: 0 });
            self.packed.get_or_insert_with(fork).members += 1;
        }
    }

    /// Notes that a member with this delivery is gone.
    pub(in crate::hub) fn lose(&mut self, delivery: Delivery) {
        if delivery == Delivery::Packed
            && let Some(packed) = &mut self.packed
        {
            packed.members = packed.members.saturating_sub(1);
            if packed.members == 0 {
                self.packed = None;
            }
        }
    }

    /// Returns the log that members with this delivery receive.
    pub(in crate::hub) fn of(&self, delivery: Delivery) -> &TopicLog {
        match (delivery, &self.packed) {
            (Delivery::Packed, Some(packed)) => &packed.log,
            _ => &self.plain,
        }
    }

    pub(in crate::hub) fn of_mut(&mut self, delivery: Delivery) -> &mut TopicLog {
        match (delivery, &mut self.packed) {
            (Delivery::Packed, Some(packed)) => &mut packed.log,
            _ => &mut self.plain,
        }
    }

    /// Appends a message. It is packed only if a member takes that form.
    pub(in crate::hub) fn append(&mut self, author: Id, payload: &Payload) {
        self.plain.append(author, payload.as_bytes());
        if let Some(packed) = &mut self.packed {
            packed.log.append(author, payload.packed());
        }
    }

    /// Returns their size in bytes, including the cost of each message.
    pub(in crate::hub) fn weight(&self) -> usize {
        self.plain.weight() + self.packed.as_ref().map_or(0, |packed| packed.log.weight())
    }

    pub(in crate::hub) fn is_empty(&self) -> bool {
        self.plain.is_empty()
    }

    /// Starts a pass over the current contents of both.
    pub(in crate::hub) fn begin_pass(&mut self) {
        self.plain.begin_pass();
        if let Some(packed) = &mut self.packed {
            packed.log.begin_pass();
        }
    }

    /// Removes the messages of the pass, which every member has received.
    pub(in crate::hub) fn end_pass(&mut self) {
        self.plain.end_pass();
        if let Some(packed) = &mut self.packed {
            packed.log.end_pass();
        }
    }

    /// Checks the number of members that take the packed form.
    #[cfg(debug_assertions)]
    pub(in crate::hub) fn check(&self, members: usize) {
        let known = self.packed.as_ref().map_or(0, |packed| packed.members);
        assert_eq!(known, members, "members of the packed form");
    }
}

#[cfg(all(test, feature = "deflate"))]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static PACKED: Cell<u32> = const { Cell::new(0) };
    }

    /// A message whose packed form is its first byte.
    fn message() -> Payload {
        Payload::packable(b"message".as_slice().into(), |bytes| {
            PACKED.set(PACKED.get() + 1);
            bytes.get(..1).map(Into::into)
        })
    }

    #[test]
    fn a_message_is_packed_once_for_all_members_of_all_shards() {
        let mut shards: [Logs; 3] = Default::default();
        for shard in &mut shards {
            for _ in 0..100 {
                shard.gain(Delivery::Packed);
            }
            shard.gain(Delivery::Output);
        }
        let message = message().shared();
        for shard in &mut shards {
            shard.append(Id::NOBODY, &message.clone());
            let [plain, packed] = [Delivery::Output, Delivery::Packed].map(|it| shard.of(it).end());
            assert_eq!((plain, packed), (7, 1));
        }
        assert_eq!(PACKED.get(), 1);
    }

    #[test]
    fn a_message_is_not_packed_without_a_member_that_takes_it() {
        let mut logs = Logs::default();
        logs.gain(Delivery::Output);
        logs.append(Id::NOBODY, &message());
        logs.gain(Delivery::Packed);
        logs.gain(Delivery::Packed);
        logs.lose(Delivery::Packed);
        logs.append(Id::NOBODY, &message());
        logs.lose(Delivery::Packed);
        logs.append(Id::NOBODY, &message());
        assert_eq!(PACKED.get(), 1);
    }
}
