//! The right deadline, and not just some deadline: always the one for the current state of the
//! connection, counted from the start of that state.

use std::time::Duration;

use socketserver::testkit::{Client, Network, Random, seeds};
use socketserver::{Close, Context, Handler, Limits, Notification, Timeout};

use crate::support::handlers::{Log, Probe};

/// In seconds; all different.
const FIRST_BYTE: u64 = 10;
const MESSAGE: u64 = 20;
const IDLE: u64 = 40;
const WRITE_STALL: u64 = 70;
/// The tolerance for a deadline.
const LATE: Duration = Duration::from_millis(1100);

fn limits() -> Limits {
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    Limits::default()
        .first_byte(seconds(FIRST_BYTE))
        .message(seconds(MESSAGE))
        .idle(seconds(IDLE))
        .write_stall(seconds(WRITE_STALL))
}

fn networks() -> [(&'static str, Network); 3] {
    [
        ("one loop", Network::new(limits())),
        ("workers", Network::with_workers(limits())),
        ("reactors", Network::with_reactors(limits(), 2)),
    ]
}

/// The instruction of a note.
type Do = fn(&mut Context<'_>);

/// Sends complete lines back, and does as notes tell.
struct Lines(Probe);

impl Handler for Lines {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let used = input.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        cx.write(&input[..used]);
        Ok(used)
    }

    fn on_notify(&mut self, note: Notification, cx: &mut Context<'_>) {
        note.downcast::<Do>().expect("something to do")(cx);
    }

    fn on_close(&mut self, why: &Close, cx: &mut Context<'_>) {
        self.0.on_close(why, cx);
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    /// A complete line arrives, perhaps the rest of one.
    Line,
    /// Part of a line arrives.
    Piece,
    /// A complete line and part of the next one arrive together.
    Both,
    /// The handler writes output on its own.
    Write,
    Pause,
    Resume,
    /// The client stops reading; and reads everything again.
    Shut,
    Open,
    /// An event without a cause.
    Nothing,
}

use Step::{Both, Line, Nothing, Open, Pause, Piece, Resume, Shut, Write};

fn take(network: &mut Network, client: Client, step: Step) {
    let tell = |network: &mut Network, what: Do| network.notify(client, what);
    match step {
        Line => network.send(client, b"line\n"),
        Piece => network.send(client, b"pie"),
        Both => network.send(client, b"line\npie"),
        Write => tell(network, |cx| cx.write(b"word")),
        Pause => tell(network, |cx| cx.pause()),
        Resume => tell(network, |cx| cx.resume()),
        Shut => network.window(client, 0),
        Open => {
            network.window(client, usize::MAX);
            network.received(client);
        }
        Nothing => network.spurious(client),
    }
    network.settle();
    if step != Shut {
        network.received(client);
    }
}

/// Performs the steps, each at its second, and then waits. Returns the reason and the time of the
/// end.
fn run(network: &mut Network, steps: &[(u64, Step)]) -> Option<(Close, Duration)> {
    let log = Log::default();
    let client = network.connect(Lines(Probe::new(&log)));
    network.settle();
    let mut now = 0;
    for (at, step) in steps {
        network.advance(Duration::from_secs(at - now));
        now = *at;
        take(network, client, *step);
    }
    network.advance(Duration::from_secs(1000));
    let why = log.closes().into_iter().next()?;
    Some((why, log.closed_at()))
}

fn check(what: &str, network: &mut Network, steps: &[(u64, Step)], end: Option<(Timeout, u64)>) {
    let ended = run(network, steps);
    let is_right = match (&ended, end) {
        (None, None) => true,
        (Some((why, at)), Some((which, due))) => {
            let due = Duration::from_secs(due);
            *why == Close::Timeout(which) && (due..=due + LATE).contains(at)
        }
        _ => false,
    };
    assert!(is_right, "{what}, {steps:?}: {ended:?}, not {end:?}");
}

type Case = (&'static [(u64, Step)], Option<(Timeout, u64)>);

const CASES: &[Case] = &[
    // Silence, with events that do not matter.
    (&[], Some((Timeout::FirstByte, 10))),
    (&[(5, Nothing)], Some((Timeout::FirstByte, 10))),
    (&[(5, Write)], Some((Timeout::FirstByte, 10))),
    // Complete messages.
    (&[(3, Line)], Some((Timeout::Idle, 43))),
    (&[(3, Line), (30, Line)], Some((Timeout::Idle, 70))),
    (&[(3, Line), (30, Nothing)], Some((Timeout::Idle, 43))),
    (&[(3, Line), (30, Write)], Some((Timeout::Idle, 70))),
    // Parts: the first byte counts.
    (&[(3, Piece)], Some((Timeout::Message, 23))),
    (&[(3, Piece), (15, Piece)], Some((Timeout::Message, 23))),
    (&[(3, Piece), (15, Write)], Some((Timeout::Message, 23))),
    (&[(3, Piece), (9, Line)], Some((Timeout::Idle, 49))),
    (&[(3, Line), (30, Piece)], Some((Timeout::Message, 50))),
    (&[(3, Piece), (9, Line), (15, Piece)], Some((Timeout::Message, 35))),
    (&[(3, Both)], Some((Timeout::Message, 23))),
    (&[(3, Piece), (15, Both)], Some((Timeout::Message, 35))),
    (&[(3, Both), (15, Both), (30, Piece)], Some((Timeout::Message, 35))),
    // Output that is not read.
    (&[(1, Shut), (3, Line)], Some((Timeout::WriteStall, 73))),
    (&[(1, Shut), (3, Line), (60, Nothing)], Some((Timeout::WriteStall, 73))),
    (&[(1, Shut), (3, Line), (60, Line)], Some((Timeout::WriteStall, 73))),
    (&[(1, Shut), (3, Line), (60, Write)], Some((Timeout::WriteStall, 73))),
    (&[(1, Shut), (3, Line), (60, Piece)], Some((Timeout::WriteStall, 73))),
    (&[(1, Shut), (5, Write)], Some((Timeout::WriteStall, 75))),
    (&[(1, Shut), (3, Line), (30, Open)], Some((Timeout::Idle, 70))),
    (&[(1, Shut), (5, Write), (30, Open)], Some((Timeout::FirstByte, 40))),
    (&[(1, Shut), (3, Line), (30, Open), (31, Shut), (50, Line)], Some((Timeout::WriteStall, 120))),
    (&[(3, Line), (4, Shut)], Some((Timeout::Idle, 43))),
    // A handler that paused decides itself.
    (&[(5, Pause)], None),
    (&[(5, Pause), (25, Resume)], Some((Timeout::FirstByte, 35))),
    (&[(3, Line), (5, Pause)], None),
    (&[(3, Line), (5, Pause), (25, Resume)], Some((Timeout::Idle, 65))),
    (&[(3, Piece), (5, Pause)], None),
    (&[(3, Piece), (5, Pause), (25, Resume)], Some((Timeout::Message, 45))),
    (&[(3, Line), (5, Pause), (10, Write)], None),
    // Except for output that is not read.
    (&[(1, Shut), (3, Line), (5, Pause)], Some((Timeout::WriteStall, 73))),
    (&[(1, Shut), (3, Line), (5, Pause), (30, Open)], None),
    (&[(3, Line), (5, Pause), (6, Shut), (10, Write)], Some((Timeout::WriteStall, 80))),
];

#[test]
fn the_deadline_is_the_one_for_the_current_state() {
    for (steps, end) in CASES {
        for (what, mut network) in networks() {
            check(what, &mut network, steps, *end);
        }
    }
}

/// The state of a connection, and the deadline that follows from it.
#[derive(Default)]
struct Model {
    spoke: bool,
    has_piece: bool,
    pending: bool,
    paused: bool,
    shut: bool,
    watch: Option<Timeout>,
    since: u64,
}

impl Model {
    fn watch_now(&self) -> Option<Timeout> {
        match self {
            Model { pending: true, .. } => Some(Timeout::WriteStall),
            Model { paused: true, .. } => None,
            Model { spoke: false, .. } => Some(Timeout::FirstByte),
            Model { has_piece: true, .. } => Some(Timeout::Message),
            _ => Some(Timeout::Idle),
        }
    }

    fn take(&mut self, at: u64, step: Step) {
        let (mut heard, mut sent, mut used) = (false, false, false);
        match step {
            Line | Both => {
                (self.spoke, self.has_piece, heard, used) = (true, step == Both, true, true);
                (self.pending, sent) = (self.shut, !self.shut);
            }
            Piece => (self.spoke, self.has_piece, heard) = (true, true, true),
            Write => (self.pending, sent) = (self.shut, !self.shut),
            Pause | Resume => self.paused = step == Pause,
            Shut => self.shut = true,
            Open => {
                sent = self.pending;
                (self.shut, self.pending) = (false, false);
            }
            Nothing => {}
        }
        let watch = self.watch_now();
        let is_renewed = match watch {
            Some(Timeout::Message) => used,
            Some(Timeout::Idle) => heard || sent,
            Some(Timeout::WriteStall) => sent,
            _ => false,
        };
        if watch != self.watch || is_renewed {
            (self.watch, self.since) = (watch, at);
        }
    }

    fn end(&self) -> Option<(Timeout, u64)> {
        let which = self.watch?;
        let period = match which {
            Timeout::FirstByte => FIRST_BYTE,
            Timeout::Message => MESSAGE,
            Timeout::WriteStall => WRITE_STALL,
            _ => IDLE,
        };
        Some((which, self.since + period))
    }
}

#[test]
fn the_deadline_does_not_depend_on_earlier_events() {
    seeds(0..1000, |seed| {
        let mut random = Random::new(seed);
        let mut model = Model { watch: Some(Timeout::FirstByte), ..Model::default() };
        let (mut steps, mut now) = (Vec::new(), 0);
        for _ in 0..random.below(15) {
            // Less than any deadline, or until shortly before the current one.
            let soon = 1 + random.below(8) as u64;
            now = match model.end() {
                Some((_, due)) if random.below(3) == 0 => (due - 1).max(now + 1),
                _ => now + soon,
            };
            if model.end().is_some_and(|(_, due)| now >= due) {
                break;
            }
            let step = match random.below(10) {
                0 | 1 if !model.paused => Line,
                2 if !model.paused => Piece,
                3 if !model.paused => Both,
                4 => Write,
                5 if !model.paused => Pause,
                5 | 6 if model.paused => Resume,
                7 if !model.shut => Shut,
                7 | 8 if model.shut => Open,
                _ => Nothing,
            };
            model.take(now, step);
            steps.push((now, step));
        }
        for (what, mut network) in networks() {
            check(&format!("seed {seed}, {what}"), &mut network, &steps, model.end());
        }
    });
}
