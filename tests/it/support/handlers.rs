//! Small handlers shared by tests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketserver::{Close, Context, Handler, Id, Limits};

/// Sends its input back.
pub(crate) struct Echo;

impl Handler for Echo {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        cx.write(input);
        Ok(input.len())
    }
}

/// Sends complete lines back; an incomplete line stays unused.
pub(crate) struct Lines;

impl Handler for Lines {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let mut used = 0;
        for line in input.split_inclusive(|byte| *byte == b'\n') {
            if cx.is_done() || !line.ends_with(b"\n") {
                break;
            }
            cx.write(line);
            used += line.len();
        }
        Ok(used)
    }
}

/// A call of a [`Probe`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Open,
    Data(Vec<u8>),
    Eof,
    Drain,
    Wake,
    Stop,
    Close(Close),
}

/// All calls of a [`Probe`], in order and with their times.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<(Duration, Told)>>>);

impl Log {
    fn note(&self, cx: &Context<'_>, told: Told) {
        self.0.lock().unwrap().push((cx.now().elapsed(), told));
    }

    pub(crate) fn told(&self) -> Vec<Told> {
        let told = self.0.lock().unwrap();
        told.iter().map(|(_, told)| told.clone()).collect()
    }

    pub(crate) fn times(&self, what: &Told) -> Vec<Duration> {
        let told = self.0.lock().unwrap();
        let same = told.iter().filter(|(_, told)| told == what);
        same.map(|(time, _)| *time).collect()
    }

    pub(crate) fn count(&self, what: &Told) -> usize {
        self.times(what).len()
    }

    /// The reasons of all `on_close` calls; a single one in a correct run.
    pub(crate) fn closes(&self) -> Vec<Close> {
        let why = |told| match told {
            Told::Close(why) => Some(why),
            _ => None,
        };
        self.told().into_iter().filter_map(why).collect()
    }

    /// The time of the `on_close` call.
    pub(crate) fn closed_at(&self) -> Duration {
        let told = self.0.lock().unwrap();
        let end = told.iter().find(|(_, t)| matches!(t, Told::Close(_)));
        end.expect("it was not closed").0
    }

    /// All the input of the `on_data` calls, without bytes offered twice if all input is used at
    /// once.
    pub(crate) fn data(&self) -> Vec<u8> {
        let bytes = |told| match told {
            Told::Data(bytes) => bytes,
            _ => Vec::new(),
        };
        self.told().into_iter().flat_map(bytes).collect()
    }
}

type Act = Box<dyn FnMut(&mut Context<'_>) + Send>;
type Use = Box<dyn FnMut(&mut [u8], &mut Context<'_>) -> Result<usize, Close> + Send>;

/// Logs every call, and does in each one as the test tells. By default it uses all input, writes
/// nothing, and closes at the end of the input and when the server stops.
pub(crate) struct Probe {
    log: Log,
    open: Act,
    data: Use,
    eof: Act,
    drain: Act,
    wake: Act,
    stop: Act,
    close: Act,
}

impl Probe {
    pub(crate) fn new(log: &Log) -> Probe {
        Probe {
            log: log.clone(),
            open: Box::new(|_| {}),
            data: Box::new(|input, _| Ok(input.len())),
            eof: Box::new(|cx| cx.close(Close::Eof)),
            drain: Box::new(|_| {}),
            wake: Box::new(|_| {}),
            stop: Box::new(|cx| cx.close(Close::Stopping)),
            close: Box::new(|_| {}),
        }
    }

    pub(crate) fn open(mut self, act: impl FnMut(&mut Context<'_>) + Send + 'static) -> Probe {
        self.open = Box::new(act);
        self
    }

    pub(crate) fn data(
        mut self,
        act: impl FnMut(&mut [u8], &mut Context<'_>) -> Result<usize, Close> + Send + 'static,
    ) -> Probe {
        self.data = Box::new(act);
        self
    }

    pub(crate) fn eof(mut self, act: impl FnMut(&mut Context<'_>) + Send + 'static) -> Probe {
        self.eof = Box::new(act);
        self
    }

    pub(crate) fn drain(mut self, act: impl FnMut(&mut Context<'_>) + Send + 'static) -> Probe {
        self.drain = Box::new(act);
        self
    }

    pub(crate) fn wake(mut self, act: impl FnMut(&mut Context<'_>) + Send + 'static) -> Probe {
        self.wake = Box::new(act);
        self
    }

    pub(crate) fn stop(mut self, act: impl FnMut(&mut Context<'_>) + Send + 'static) -> Probe {
        self.stop = Box::new(act);
        self
    }

    pub(crate) fn close(mut self, act: impl FnMut(&mut Context<'_>) + Send + 'static) -> Probe {
        self.close = Box::new(act);
        self
    }
}

impl Handler for Probe {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        self.log.note(cx, Told::Open);
        (self.open)(cx);
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        self.log.note(cx, Told::Data(input.to_vec()));
        (self.data)(input, cx)
    }

    fn on_eof(&mut self, cx: &mut Context<'_>) {
        self.log.note(cx, Told::Eof);
        (self.eof)(cx);
    }

    fn on_drain(&mut self, cx: &mut Context<'_>) {
        self.log.note(cx, Told::Drain);
        (self.drain)(cx);
    }

    fn on_timer(&mut self, _: u64, cx: &mut Context<'_>) {
        self.log.note(cx, Told::Wake);
        (self.wake)(cx);
    }

    fn on_stop(&mut self, cx: &mut Context<'_>) {
        self.log.note(cx, Told::Stop);
        (self.stop)(cx);
    }

    fn on_close(&mut self, why: &Close, cx: &mut Context<'_>) {
        self.log.note(cx, Told::Close(why.clone()));
        (self.close)(cx);
    }
}

/// A probe that forwards its input to another connection.
pub(crate) fn relay(to: Id) -> Probe {
    Probe::new(&Log::default()).data(move |input, cx| {
        cx.send(to, &*input);
        Ok(input.len())
    })
}

/// Limits without deadlines, for tests in which time passes for another reason.
pub(crate) fn patient() -> Limits {
    Limits::default().first_byte(None).message(None).idle(None).write_stall(None)
}

/// Limits that a few bytes reach: low watermark 100, high 200, hard limit 1,000.
pub(crate) fn tight() -> Limits {
    patient().output_low(100).output_high(200).output_hard(1000)
}

/// Bytes without repetitions, so that a lost or doubled one shows.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    let byte = |n: usize| (n.wrapping_mul(0x9e37_79b1) >> 13) as u8;
    (0..len).map(byte).collect()
}
