//! The handlers of a simulated node, and the feed that records its messages. Knows no fault.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::names::{self, SharedNames};
use super::recorder::{Recorder, content};
use crate::backplane::feed::{Feed, Mark, Recovery, SharedMessage};
use crate::backplane::members::Members;
use crate::backplane::record::Message;
use crate::close::Close;
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::handler::notification::{Notification, Ticket};
use crate::handler::payload::Payload;
use crate::handler::presence::Answered;
use crate::history::Position;
use crate::topic::Topic;

/// Gets the messages of a topic.
pub(super) struct Member(pub(super) Topic);

impl Handler for Member {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.join(&self.0);
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }
}

/// Publishes the messages of its peer.
pub(super) struct Publisher(pub(super) Topic);

impl Handler for Publisher {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let messages = input.chunks_exact(content((0, 0)).len());
        let rest = messages.remainder().len();
        messages.for_each(|message| cx.publish(&self.0, message));
        Ok(input.len() - rest)
    }
}

/// Asks about names for a node.
pub(super) struct Asker {
    index: usize,
    names: SharedNames,
    asked: BTreeMap<Ticket, u32>,
}

impl Asker {
    pub(super) fn new(index: usize, names: SharedNames) -> Asker {
        Asker { index, names, asked: BTreeMap::new() }
    }

    fn ask(&mut self, cx: &mut Context<'_>) {
        let requests = names::lock(&self.names).requests_of(self.index);
        for (number, request) in requests {
            self.asked.insert(cx.ask_presence(request), number);
        }
    }
}

impl Handler for Asker {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        self.ask(cx);
        Ok(input.len())
    }

    fn on_notify(&mut self, notification: Notification, cx: &mut Context<'_>) {
        if let Ok(Answered { ticket, answer }) = notification.downcast()
            && let Some(number) = self.asked.remove(&ticket)
        {
            names::lock(&self.names).take(self.index, number, answer);
            self.ask(cx);
        }
    }
}

/// Records the messages of the members of a node.
pub(super) struct Recording(pub(super) Arc<Mutex<Recorder>>);

impl Recording {
    fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message as the exchange has it; its node and numbers do not matter here.
fn message(bytes: &[u8]) -> Message<'_> {
    Message { node: 0, attempt: 0, seq: 1, step: 0, author: 0, bytes }
}

impl Feed for Recording {
    fn message(&mut self, it: &SharedMessage<'_>) -> Option<Payload> {
        let (topic, mut recorder) = (it.topic.as_str(), self.recorder());
        match it.position {
            Some(at) => recorder.deliver(topic, at, &message(it.bytes)),
            None => recorder.deliver_here(topic, 0, it.bytes),
        }
        recorder.make(topic, it.bytes);
        Some(it.bytes.into())
    }

    fn mark(&mut self, topic: &Topic, why: Mark) -> Option<Payload> {
        let mut recorder = self.recorder();
        recorder.mark(topic.as_str(), why);
        let bytes = content((u64::MAX, 0));
        recorder.make(topic.as_str(), &bytes);
        Some(bytes.into())
    }

    fn backlog(&self, topic: &Topic) -> u32 {
        self.recorder().backlogs.get(topic.as_str()).copied().unwrap_or_default()
    }

    fn earlier(&mut self, it: &SharedMessage<'_>) {
        if let Some(at) = it.position {
            self.recorder().earlier(it.topic.as_str(), at, &message(it.bytes));
        }
    }

    fn joined(&mut self, topic: &Topic, at: Position) -> Option<Payload> {
        self.recorder().joined(topic.as_str(), at);
        None
    }

    fn recovered(&mut self, topic: &Topic, at: Position, recovery: Recovery) -> Option<Payload> {
        self.recorder().recovered(topic.as_str(), at, recovery);
        None
    }

    fn unshared(&mut self, it: &SharedMessage<'_>) -> Option<Payload> {
        self.recorder().unshared(it.topic.as_str(), 0, it.bytes);
        None
    }
}
