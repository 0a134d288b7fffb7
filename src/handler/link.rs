//! The handler of the connection to the engine of a backplane: it passes everything on to the hub.
//! Must not know the engine, nor the hub.

use std::io;

use crate::close::Close;
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::handler::effect::LinkEvent;

/// The handler of one connection to the engine.
pub(crate) struct Link {
    /// The number of the connection: events of an earlier one may arrive after it was given up.
    attempt: u64,
}

impl Link {
    pub(crate) fn new(attempt: u64) -> Link {
        Link { attempt }
    }
}

impl Handler for Link {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.note_link(self.attempt, LinkEvent::Opened);
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        // A copy: the hub's topics cannot be reached from here. It is small beside the deliveries.
        cx.note_link(self.attempt, LinkEvent::Data((&*input).into()));
        Ok(input.len())
    }

    /// The hub ends it, after the messages of the last members.
    fn on_stop(&mut self, _: &mut Context<'_>) {}

    fn on_unreachable(&mut self, error: &io::Error, cx: &mut Context<'_>) {
        cx.note_link(self.attempt, LinkEvent::Ended(error.to_string().into()));
    }

    fn on_close(&mut self, why: &Close, cx: &mut Context<'_>) {
        cx.note_link(self.attempt, LinkEvent::Ended(why.to_string().into()));
    }
}
