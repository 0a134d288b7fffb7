//! The other shards of a server: the hubs of its other reactors. Has a channel to each with
//! credit-based flow control, and the topics with members there. Knows ids and messages; must not
//! know connections or threads: the reactor moves the messages.

use std::collections::{HashMap, VecDeque};

use super::pubsub::Change;
use crate::handler::effect::Effect;
use crate::handler::notification::Notification;
#[cfg(feature = "backplane")]
use crate::handler::notification::Ticket;
use crate::handler::payload::Payload;
#[cfg(feature = "backplane")]
use crate::handler::presence::Request;
use crate::id::{Id, Shard};
use crate::topic::Topic;

/// A message from one shard to another.
pub(crate) enum ShardMessage {
    Send(Id, Box<[u8]>),
    Publish {
        author: Id,
        topic: Topic,
        /// The topic's serial number on the receiving shard, as known to the sender.
        serial: u64,
        /// One allocation for all shards.
        payload: Payload,
    },
    Notify {
        from: Id,
        to: Id,
        notification: Notification,
    },
    Forward {
        from: Id,
        to: Id,
        bytes: Box<[u8]>,
    },
    /// Bytes forwarded by the connection were taken, or never will be.
    Unthrottle(Id),
    /// A message for a topic that spans several nodes, to the shard with the exchange.
    #[cfg(feature = "backplane")]
    Export {
        author: Id,
        topic: Topic,
        payload: Payload,
    },
    /// A request about names, to the same shard.
    #[cfg(feature = "backplane")]
    Presence {
        from: Id,
        ticket: Ticket,
        request: Request,
    },
    /// Publishers to such topics are held from now on, or not any more.
    #[cfg(feature = "backplane")]
    Hold(bool),
    /// The weight of handled messages.
    Credit(usize),
    /// The topic gained its first member on the sending shard, with this serial number, or lost its
    /// last one.
    Interest {
        topic: Topic,
        serial: Option<u64>,
    },
}

/// The weight of a message besides its bytes.
const MESSAGE_COST: usize = 64;

impl ShardMessage {
    pub(super) fn weight(&self) -> usize {
        match self {
            ShardMessage::Send(_, bytes) | ShardMessage::Forward { bytes, .. } => {
                bytes.len() + MESSAGE_COST
            }
            ShardMessage::Publish { payload, .. } => payload.as_bytes().len() + MESSAGE_COST,
            #[cfg(feature = "backplane")]
            ShardMessage::Export { payload, .. } => payload.as_bytes().len() + MESSAGE_COST,
            #[cfg(feature = "backplane")]
            ShardMessage::Presence { .. } => MESSAGE_COST,
            #[cfg(feature = "backplane")]
            ShardMessage::Hold(_) => 0,
            ShardMessage::Notify { .. } => MESSAGE_COST,
            ShardMessage::Unthrottle(_)
            | ShardMessage::Credit(_)
            | ShardMessage::Interest { .. } => 0,
        }
    }
}

/// Returns true if an effect may send a message to another shard, which must arrive there before
/// the peer of the connection sees any output.
pub(super) fn concerns_others(shard: Shard, effect: &Effect) -> bool {
    match effect {
        Effect::Publish(..) | Effect::Join(..) => true,
        Effect::Send(to, _) | Effect::Forward(to, _) | Effect::Notify(to, _) => {
            shard.other_shard_of(*to).is_some()
        }
        _ => false,
    }
}

/// The state of the other shards, as known here.
pub(super) struct Shards {
    shard: Shard,
    /// The bytes in flight above which a sending connection is paused, until half of them have been
    /// handled. The same in all shards.
    window: usize,
    /// One for each shard, including an unused one for this shard; empty if there is only one
    /// shard.
    channels: Vec<Channel>,
    /// Messages to handle, each with the index of its sender.
    inbox: VecDeque<(usize, ShardMessage)>,
    /// For each topic with members elsewhere, their shards, each with the serial number of the
    /// topic there.
    interest: HashMap<Topic, Vec<(usize, u64)>>,
}

/// A channel to one shard and back.
#[derive(Default)]
struct Channel {
    outbox: Vec<ShardMessage>,
    /// The weight of sent messages that are not known to have been handled.
    in_flight: usize,
    /// The weight of handled messages not credited yet.
    handled: usize,
    /// Connections paused until less is in flight.
    throttled: Vec<Id>,
    /// Connections paused until their forwarded bytes are taken, with the number of messages.
    forwarders: HashMap<Id, usize>,
    is_closed: bool,
}

/// The result of sending a message.
pub(super) enum Posted {
    Sent,
    /// The window is full: the sender was added to the list of throttled connections.
    Congested,
    /// The shard has ended.
    Closed(ShardMessage),
}

impl Channel {
    /// Returns the connections that wait for a release, each as often as it is due.
    fn forwarders(&self) -> impl Iterator<Item = Id> + '_ {
        self.forwarders.iter().flat_map(|(id, count)| std::iter::repeat_n(*id, *count))
    }
}

impl Shards {
    pub(super) fn new(shard: Shard, window: usize) -> Shards {
        let count = if shard == Shard::ONLY { 0 } else { shard.count() };
        let channels = (0..count).map(|_| Channel::default()).collect();
        Shards { shard, window, channels, inbox: VecDeque::new(), interest: HashMap::new() }
    }

    /// Returns the shard of a connection, if it is another one.
    pub(super) fn other_shard_of(&self, id: Id) -> Option<usize> {
        self.shard.other_shard_of(id)
    }

    pub(super) fn others(&self) -> impl Iterator<Item = usize> + use<> {
        let own = self.shard.index();
        (0..self.channels.len()).filter(move |shard| *shard != own)
    }
}

/// Sending.
impl Shards {
    /// Sends a message to a shard, on behalf of `from`.
    pub(super) fn post(&mut self, to: usize, from: Id, message: ShardMessage) -> Posted {
        let Some(channel) = self.channels.get_mut(to).filter(|channel| !channel.is_closed) else {
            return Posted::Closed(message);
        };
        channel.in_flight += message.weight();
        channel.outbox.push(message);
        if channel.in_flight > self.window && channel.throttled.last() != Some(&from) {
            channel.throttled.push(from);
            return Posted::Congested;
        }
        Posted::Sent
    }

    /// Pauses `from` until the shard has taken the forwarded bytes. Returns false if the shard has
    /// ended.
    pub(super) fn await_forwarded(&mut self, to: usize, from: Id) -> bool {
        let channel = self.channels.get_mut(to).filter(|channel| !channel.is_closed);
        channel.map(|channel| *channel.forwarders.entry(from).or_default() += 1).is_some()
    }

    /// Returns the shards with members of a topic, each with the serial number there.
    #[inline]
    pub(super) fn interested_in(&self, topic: &Topic) -> Vec<(usize, u64)> {
        self.interest.get(topic).cloned().unwrap_or_default()
    }

    /// Announces changes of local topics to every shard.
    pub(super) fn announce(&mut self, changes: Vec<Change>) {
        for Change { topic, serial } in changes {
            for shard in self.others() {
                let topic = topic.clone();
                self.post(shard, Id::NOBODY, ShardMessage::Interest { topic, serial });
            }
        }
    }

    /// Returns true if a topic has members elsewhere.
    #[cfg(feature = "backplane")]
    pub(super) fn has_interest(&self, topic: &Topic) -> bool {
        self.interest.contains_key(topic)
    }

    /// Returns true if all other shards have ended.
    #[cfg(feature = "backplane")]
    pub(super) fn have_ended(&self) -> bool {
        self.others().all(|shard| self.channels.get(shard).is_none_or(|it| it.is_closed))
    }

    /// Returns true if the bytes in flight to a shard exceed the window.
    pub(super) fn is_congested(&self, to: usize) -> bool {
        self.channels.get(to).is_some_and(|channel| channel.in_flight > self.window)
    }

    pub(super) fn is_any_congested(&self) -> bool {
        self.channels.iter().any(|channel| channel.in_flight > self.window)
    }

    /// Returns the messages to move, each with the shard it goes to.
    pub(super) fn outboxes(&mut self) -> impl Iterator<Item = (usize, &mut Vec<ShardMessage>)> {
        let outboxes = self.channels.iter_mut().map(|channel| &mut channel.outbox);
        outboxes.enumerate().filter(|(_, outbox)| !outbox.is_empty())
    }
}

/// Receiving.
impl Shards {
    /// Receives messages, each with the index of its sender. An interest counts from now on: later
    /// output of this shard's peers comes after it.
    pub(super) fn receive(&mut self, messages: impl IntoIterator<Item = (usize, ShardMessage)>) {
        for (from, message) in messages {
            match message {
                ShardMessage::Interest { topic, serial: Some(serial) } => {
                    self.interest.entry(topic).or_default().push((from, serial));
                }
                ShardMessage::Interest { topic, serial: None } => {
                    if let Some(shards) = self.interest.get_mut(&topic) {
                        shards.retain(|(shard, _)| *shard != from);
                        if shards.is_empty() {
                            self.interest.remove(&topic);
                        }
                    }
                }
                other => self.inbox.push_back((from, other)),
            }
        }
    }

    #[inline(always)]
    pub(super) fn has_inbox(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// Returns the next message without removing it.
    pub(super) fn peek(&self) -> Option<&ShardMessage> {
        self.inbox.front().map(|(_, message)| message)
    }

    /// Takes the next message, and credits its sender.
    pub(super) fn pop(&mut self) -> Option<(usize, ShardMessage)> {
        let (from, message) = self.inbox.pop_front()?;
        if let Some(channel) = self.channels.get_mut(from).filter(|channel| !channel.is_closed) {
            channel.handled += message.weight();
            // A credit for each message would wake the sender too often.
            if channel.handled >= self.window / 4 {
                channel.outbox.push(ShardMessage::Credit(std::mem::take(&mut channel.handled)));
            }
        }
        Some((from, message))
    }

    /// Notes a credit. Returns the connections that may be read again.
    pub(super) fn credit(&mut self, from: usize, weight: usize) -> Vec<Id> {
        let Some(channel) = self.channels.get_mut(from) else { return Vec::new() };
        channel.in_flight = channel.in_flight.saturating_sub(weight);
        match channel.in_flight <= self.window / 2 {
            true => std::mem::take(&mut channel.throttled),
            false => Vec::new(),
        }
    }

    /// Notes that forwarded bytes were taken. Returns true if the connection waited for that.
    pub(super) fn note_taken(&mut self, from: usize, id: Id) -> bool {
        let Some(channel) = self.channels.get_mut(from) else { return false };
        let Some(count) = channel.forwarders.get_mut(&id) else { return false };
        *count -= 1;
        if *count == 0 {
            channel.forwarders.remove(&id);
        }
        true
    }

    /// Closes the channel to a shard that has ended. Returns the connections that waited for it,
    /// and the messages that were not sent.
    pub(super) fn close(&mut self, shard: usize) -> (Vec<Id>, Vec<ShardMessage>) {
        self.interest.retain(|_, shards| {
            shards.retain(|(other, _)| *other != shard);
            !shards.is_empty()
        });
        let Some(channel) = self.channels.get_mut(shard) else { return Default::default() };
        let mut released: Vec<Id> = channel.forwarders().collect();
        let Channel { outbox, throttled, .. } = std::mem::take(channel);
        channel.is_closed = true;
        released.extend(throttled);
        (released, outbox)
    }

    /// Returns the connections throttled because of other shards.
    #[cfg(debug_assertions)]
    pub(super) fn throttled(&self) -> impl Iterator<Item = Id> + '_ {
        let forwarders = self.channels.iter().flat_map(Channel::forwarders);
        forwarders.chain(self.channels.iter().flat_map(|channel| channel.throttled.iter().copied()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: usize = 64 * MESSAGE_COST;

    fn message() -> ShardMessage {
        ShardMessage::Send(Id::new(1, 3), Box::default())
    }

    /// Releasing a sender after each handled message would limit it to one message at a time.
    #[test]
    fn a_sender_is_throttled_above_the_window_and_released_at_half_of_it() {
        let sender = Id::new(7, 2);
        let mut shards = Shards::new(Shard::new(0, 2), WINDOW);
        for _ in 0..64 {
            assert!(matches!(shards.post(1, sender, message()), Posted::Sent));
        }
        assert!(!shards.is_congested(1));
        assert!(matches!(shards.post(1, sender, message()), Posted::Congested));
        assert!(shards.is_congested(1));
        assert_eq!(shards.credit(1, 32 * MESSAGE_COST), []);
        assert_eq!(shards.credit(1, MESSAGE_COST), [sender]);
        assert_eq!(shards.credit(1, 32 * MESSAGE_COST), []);
    }

    /// A credit for each message would wake the sender too often.
    #[test]
    fn credit_comes_in_quarters_of_the_window() {
        let mut shards = Shards::new(Shard::new(0, 2), WINDOW);
        shards.receive((0..32).map(|_| (1, message())));
        let mut credited = Vec::new();
        for handled in 1..=32 {
            assert!(shards.pop().is_some());
            for (_, outbox) in shards.outboxes() {
                for message in outbox.drain(..) {
                    let ShardMessage::Credit(weight) = message else { panic!("unexpected credit") };
                    credited.push((handled, weight));
                }
            }
        }
        assert_eq!(credited, [(16, 16 * MESSAGE_COST), (32, 16 * MESSAGE_COST)]);
    }
}
