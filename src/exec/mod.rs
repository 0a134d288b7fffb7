//! One call of a handler: made here and now, or packed as a job that travels to a worker with the
//! handler and comes back with what it recorded. Knows no connection and no socket.

mod blocking;
mod crew;
mod errand;
mod pool;
mod queue;

pub(crate) use self::blocking::{BlockingPool, BlockingSocket, BlockingWorker, Leaving, Request};
pub(crate) use self::crew::no_thread;
pub(crate) use self::errand::Errand;
pub(crate) use self::pool::{Pool, Worker};

use std::time::Duration;

use crate::clock::Elapsed;
use crate::close::Close;
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::handler::context::{Note, Record};
use crate::id::Id;
use crate::net::peer::Peer;
use crate::panics;

/// Where handlers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Executor {
    /// In the loop: a pool of size zero.
    Inline,
    /// On workers.
    Pool,
}

/// What a handler is to be told.
pub(crate) enum Call<'a> {
    Open,
    Data(&'a mut [u8]),
    Eof,
    Drain,
    Wake,
    Note(Note),
    Stop,
    /// The input is given up, for this reason: it returns just that.
    Reject(Close),
    Close(&'a Close),
}

/// What a handler returned: how much input it used, or why it gives up. `None` if it panicked, or
/// is still with a worker.
pub(crate) type Returned = Option<Result<usize, Close>>;

impl Call<'_> {
    /// Calls the handler. A panic is told as one line.
    // Input is what nearly all calls are about: catching that one is small enough to be inlined.
    #[inline(always)]
    pub(crate) fn make(
        self,
        handler: &mut dyn Handler,
        cx: &mut Context<'_>,
    ) -> Result<Result<usize, Close>, String> {
        match self {
            Call::Data(input) => panics::catch(|| handler.on_data(input, cx)),
            other => panics::catch(|| other.make_other(handler, cx)),
        }
    }

    fn make_other(self, handler: &mut dyn Handler, cx: &mut Context<'_>) -> Result<usize, Close> {
        match self {
            Call::Data(input) => return handler.on_data(input, cx),
            Call::Open => handler.on_open(cx),
            Call::Eof => handler.on_eof(cx),
            Call::Drain => handler.on_drain(cx),
            Call::Wake => handler.on_wake(cx),
            Call::Note(note) => handler.on_note(note, cx),
            Call::Stop => handler.on_stop(cx),
            Call::Reject(why) => {
                handler.on_reject(&why, cx);
                return Err(why);
            }
            Call::Close(why) => handler.on_close(why, cx),
        }
        Ok(0)
    }

    /// The method that is called.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Call::Data(_) => "on_data",
            Call::Open => "on_open",
            Call::Eof => "on_eof",
            Call::Drain => "on_drain",
            Call::Wake => "on_wake",
            Call::Note(_) => "on_note",
            Call::Stop => "on_stop",
            Call::Reject(_) => "on_reject",
            Call::Close(_) => "on_close",
        }
    }

    /// The same call, with its own copy of what it lends.
    fn pack(self) -> Packed {
        match self {
            Call::Open => Packed::Open,
            Call::Data(input) => Packed::Data(input.to_vec()),
            Call::Eof => Packed::Eof,
            Call::Drain => Packed::Drain,
            Call::Wake => Packed::Wake,
            Call::Note(note) => Packed::Note(note),
            Call::Stop => Packed::Stop,
            Call::Reject(why) => Packed::Reject(why),
            Call::Close(why) => Packed::Close(why.clone()),
        }
    }
}

/// A call that can travel.
enum Packed {
    Open,
    Data(Vec<u8>),
    Eof,
    Drain,
    Wake,
    Note(Note),
    Stop,
    Reject(Close),
    Close(Close),
    /// It has been made.
    Done,
}

/// What a worker does.
pub(crate) enum Task {
    Job(Job),
    Errand(Errand),
}

impl Task {
    /// Does it. Whatever happens, it can go back.
    pub(crate) fn run(&mut self) {
        match self {
            Task::Job(job) => job.run(),
            Task::Errand(errand) => errand.run(),
        }
    }

    /// The same, with a look at the clock before and after it.
    fn run_timed(&mut self, elapsed: Elapsed) {
        let began = elapsed.nanos();
        self.run();
        if let Task::Job(job) = self {
            job.took = Duration::from_nanos(elapsed.nanos().saturating_sub(began));
        }
    }
}

/// A handler and a call of it, on the way to a worker and back.
pub(crate) struct Job {
    pub(crate) id: Id,
    pub(crate) handler: Box<dyn Handler>,
    pub(crate) record: Record,
    peer: Peer,
    call: Packed,
    /// The input of the call, on the way back.
    pub(crate) input: Vec<u8>,
    pub(crate) returned: Returned,
    /// How long the call has kept a worker, if that is timed.
    pub(crate) took: Duration,
}

impl Job {
    pub(crate) fn new(
        id: Id,
        peer: Peer,
        handler: Box<dyn Handler>,
        call: Call<'_>,
        record: Record,
    ) -> Job {
        let call = call.pack();
        Job {
            id,
            handler,
            record,
            peer,
            call,
            input: Vec::new(),
            returned: None,
            took: Duration::ZERO,
        }
    }

    /// Whether it was to open the connection, and nobody has.
    pub(crate) fn is_to_open(&self) -> bool {
        matches!(self.call, Packed::Open)
    }

    /// Whether it was to tell the end, and nobody has.
    pub(crate) fn is_to_close(&self) -> bool {
        matches!(self.call, Packed::Close(_))
    }

    /// Makes the call.
    fn run(&mut self) {
        let mut cx = Context::new(self.id, &self.peer, &mut self.record);
        let why;
        let call = match std::mem::replace(&mut self.call, Packed::Done) {
            Packed::Open => Call::Open,
            Packed::Data(input) => {
                self.input = input;
                Call::Data(&mut self.input)
            }
            Packed::Eof => Call::Eof,
            Packed::Drain => Call::Drain,
            Packed::Wake => Call::Wake,
            Packed::Note(note) => Call::Note(note),
            Packed::Stop => Call::Stop,
            Packed::Reject(why) => Call::Reject(why),
            Packed::Close(close) => {
                why = close;
                Call::Close(&why)
            }
            Packed::Done => return,
        };
        match call.make(&mut *self.handler, &mut cx) {
            Ok(result) => self.returned = Some(result),
            Err(said) => log::error!("{} {}: handler panicked: {said}", self.id, self.peer),
        }
    }
}
