//! Random effects of handlers on each other, in any order, with any actions of their peers:
//! forwarded and published bytes arrive, in order and once, all activity ends, and nothing is left
//! over.

use std::io;
use std::time::Duration;

use socketserver::testkit::{Action, End, Random, Script, Simulation, seeds};
use socketserver::{
    Address, Close, Context, Destination, Handler, Id, Limits, Message, Mode, Notification,
    SlowConsumer, Topic,
};

use crate::support::wish_model::{DIRECT, Fate, GREETING, Messages, Shared, TOPICS, WORK};

fn topic(number: u8) -> Topic {
    Topic::new(&format!("topic {number}"))
}

/// Does as its peer tells: a letter, a number, and a length in two bytes.
struct Knot {
    me: usize,
    shared: Shared,
}

/// An instruction from one handler to another.
struct Order {
    what: u8,
    number: u8,
    /// Its number in the model.
    note: usize,
    /// Shows if the note is left over.
    _shared: Shared,
}

impl Order {
    /// Sent by a handler that gets it back if it is undelivered, or by a thread.
    fn new(what: u8, number: u8, by: Option<usize>, shared: &Shared) -> Order {
        // An instruction to send instructions would go on for ever.
        let what = if TELLING.contains(&(what % 32)) { 8 } else { what };
        Order { what, number, note: shared.note(by), _shared: shared.clone() }
    }
}

const TELLING: std::ops::RangeInclusive<u8> = 21..=24;

impl Knot {
    fn obey(
        &mut self,
        what: u8,
        number: u8,
        len: usize,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        let channel = number % TOPICS;
        match what % 32 {
            0..=7 => self.forward(number, len, cx),
            14 if number % 32 == 7 => self.flood(channel, cx),
            8..=14 => self.publish(channel, len, cx),
            15..=18 => {
                self.shared.model().join(self.me, channel);
                cx.join(&topic(channel));
            }
            20 => {
                let message = self.shared.message(WORK, self.me, &[self.me], len);
                cx.offload(move || message);
            }
            19 => {
                self.shared.model().leave(self.me, channel);
                cx.leave(&topic(channel));
            }
            what if TELLING.contains(&what) => {
                let to = self.someone(number);
                cx.notify(to, Order::new(number, len as u8, Some(self.me), &self.shared));
            }
            25 => {
                cx.pause();
                cx.set_timer(0, Duration::from_millis(len as u64));
            }
            26 => cx.upgrade(Knot { me: self.me, shared: self.shared.clone() }),
            27 => {
                let to = Address::from(std::net::SocketAddr::from(([127, 0, 0, 1], 7)));
                let by = Some((self.me, number));
                cx.connect(to, Called { by, shared: self.shared.clone() });
            }
            28 | 29 if number.is_multiple_of(4) => {
                self.end();
                cx.finish();
            }
            30 if number.is_multiple_of(8) => {
                self.end();
                cx.close(Close::Done);
            }
            31 if number.is_multiple_of(16) => {
                self.end();
                return Err(Close::Malformed { code: 0, why: "no such letter" });
            }
            31 if number % 16 == 1 => {
                self.end();
                // A panic that prints nothing on standard error.
                std::panic::resume_unwind(Box::new("as told"));
            }
            _ => {}
        }
        Ok(())
    }

    fn someone(&self, number: u8) -> Id {
        let model = self.shared.model();
        model.ids[usize::from(number) % model.ids.len()]
    }

    fn take_back(&self, message: Message) {
        let order = message.downcast::<Order>().unwrap();
        let mut model = self.shared.model();
        assert_eq!(model.teller(order.note), Some(self.me), "it comes back to somebody else");
        model.note_fate(order.note, Fate::Back);
    }

    fn forward(&self, number: u8, len: usize, cx: &mut Context<'_>) {
        let to = usize::from(number) % self.shared.model().ids.len();
        let message = self.shared.message(DIRECT, self.me, &[to], len);
        cx.forward(self.someone(number), message);
    }

    fn publish(&self, channel: u8, len: usize, cx: &mut Context<'_>) {
        cx.publish(&topic(channel), self.shared.news(channel, self.me, len));
    }

    /// More than a topic holds before its authors are throttled.
    fn flood(&self, channel: u8, cx: &mut Context<'_>) {
        let message = |_| self.shared.news(channel, self.me, 60_000);
        cx.publish(&topic(channel), (0..20).flat_map(message).collect::<Vec<u8>>());
    }

    fn end(&self) {
        self.shared.model().end(self.me);
    }
}

impl Handler for Knot {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let mut used = 0;
        for order in input.chunks_exact(4) {
            if cx.is_done() {
                break;
            }
            used += 4;
            let len = usize::from(u16::from_be_bytes([order[2], order[3]]));
            self.obey(order[0], order[1], len, cx)?;
        }
        Ok(used)
    }

    fn on_eof(&mut self, cx: &mut Context<'_>) {
        self.shared.model().hang_up(self.me);
        match self.me % 3 {
            0 => cx.close(Close::Eof),
            1 => cx.finish(),
            _ => {
                (0..TOPICS).for_each(|number| cx.leave(&topic(number)));
                cx.set_timer(0, Duration::from_millis(30));
            }
        }
    }

    fn on_timer(&mut self, _: u64, cx: &mut Context<'_>) {
        cx.resume();
        if self.shared.model().is_over(self.me) {
            cx.close(Close::Done);
        }
    }

    fn on_notify(&mut self, note: Notification, cx: &mut Context<'_>) {
        let note = match note.downcast::<Vec<u8>>() {
            Ok(work) => return cx.write(&work),
            Err(note) => note,
        };
        let note = match note {
            Notification::Undelivered { message, .. } => return self.take_back(message),
            note => note,
        };
        let Order { what, number, note, .. } = note.downcast::<Order>().unwrap();
        self.shared.model().note_fate(note, Fate::Heard);
        // An error has no effect here.
        if self.obey(what, number, usize::from(number), cx).is_err() {
            cx.close(Close::Done);
        }
    }

    fn on_close(&mut self, _: &Close, cx: &mut Context<'_>) {
        self.end();
        self.publish((self.me % usize::from(TOPICS)) as u8, 10, cx);
        self.forward(self.me as u8 + 1, 20, cx);
        let order = Order::new(8, 3, None, &self.shared);
        cx.notify(self.someone(self.me as u8 + 1), order);
    }
}

/// The first handler of a client, or of an outgoing connection, which is in a topic then: sends its
/// number, and becomes a [`Knot`].
struct Called {
    by: Option<(usize, u8)>,
    shared: Shared,
}

impl Handler for Called {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        let mut model = self.shared.model();
        let me = model.admit(cx.id());
        if let Some((_, number)) = self.by {
            model.join(me, number % TOPICS);
            cx.join(&topic(number % TOPICS));
        }
        drop(model);
        let greeting = self.shared.message(GREETING, me, &[me], 0);
        cx.write(&greeting);
        cx.upgrade(Knot { me, shared: self.shared.clone() });
    }

    fn on_data(&mut self, _: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        unreachable!("it has handed over");
    }

    fn on_unreachable(&mut self, _: &io::Error, cx: &mut Context<'_>) {
        let Some((by, number)) = self.by else { return };
        let to = self.shared.model().ids[by];
        let message = self.shared.message(DIRECT, by, &[by], 5);
        cx.forward(to, message);
        cx.notify(to, Order::new(number, 1, None, &self.shared));
        // Without effect: the connection does not exist.
        cx.join(&topic(0));
        cx.upgrade(Called { by: None, shared: self.shared.clone() });
    }
}

/// A client: sends random orders, and knows from the model which messages must come.
struct Person {
    shared: Shared,
    orders: usize,
    drops: bool,
    /// Its number, once it has received it.
    me: Option<usize>,
    came: Vec<u8>,
    got: Messages,
    has_shut: bool,
    /// The number of messages when it was last asked to act.
    asked: u32,
}

impl Person {
    fn new(shared: Shared, drops: bool, random: &mut Random) -> Person {
        let (came, got) = (Vec::new(), Messages::new());
        let orders = random.below(60);
        Person { shared, orders, drops, me: None, came, got, has_shut: false, asked: 0 }
    }

    fn send(&mut self, random: &mut Random) -> Vec<u8> {
        let mut orders = Vec::new();
        for _ in 0..1 + random.below(8) {
            let most = if random.one_in(4) { 600 } else { 40 };
            let len = (random.below(most) as u16).to_be_bytes();
            let [what, number] = [(); 2].map(|()| random.below(256) as u8);
            orders.extend([what, number, len[0], len[1]]);
            self.orders = self.orders.saturating_sub(1);
        }
        if random.one_in(30) {
            // Half an order.
            orders.extend([0, 1]);
        }
        orders
    }

    fn has_all(&self) -> bool {
        let model = self.shared.model();
        self.me.is_some_and(|me| model.is_all(me, &self.got) || model.is_over(me))
    }
}

impl Script for Person {
    fn next(&mut self, random: &mut Random) -> Action {
        self.asked = self.shared.model().count;
        match self.orders {
            _ if random.one_in(300) => Action::Reset,
            0 if (self.drops || self.has_all()) && random.one_in(12) => {
                self.has_shut = true;
                Action::Shut
            }
            1.. if random.one_in(2) => Action::Send(self.send(random)),
            _ => Action::Wait,
        }
    }

    /// Checks that each message is complete, and follows the messages before it.
    fn received(&mut self, bytes: &[u8]) {
        self.came.extend(bytes);
        let mut used = 0;
        while let [channel, a, b, c, d, e, f, g, h, rest @ ..] = &self.came[used..] {
            let len = usize::from(u16::from_be_bytes([*g, *h]));
            let Some(text) = rest.get(..len) else { break };
            let count = u32::from_be_bytes([*c, *d, *e, *f]);
            assert!(text.iter().all(|byte| *byte == count as u8), "torn");
            let sender = u16::from_be_bytes([*a, *b]);
            if *channel == GREETING {
                assert!(self.me.is_none(), "greeted twice");
                self.me = Some(usize::from(sender));
            }
            let got = self.got.entry((*channel, sender)).or_default();
            assert!(got.last().is_none_or(|last| *last < count), "twice, or out of order");
            got.push(count);
            used += 9 + len;
        }
        self.came.drain(..used);
    }

    fn ended(&mut self, end: &End) {
        let Some(me) = self.me else { return };
        let model = self.shared.model();
        model.check(me, &self.got, self.drops);
        // A client that waited to the end, and was closed when all was idle, has got all messages.
        if let (End::Whole(Close::Eof), false, false) = (end, self.has_shut, self.drops) {
            model.check_due(me, &self.got, self.asked);
            assert!(self.came.is_empty(), "the end of a message is missing");
        }
    }
}

fn run(seed: u64) {
    let mut random = Random::new(seed ^ 0xbeef);
    let output_low = random.below(300);
    let output_high = output_low + 1 + random.below(500);
    let drops = random.one_in(3);
    let most = if random.one_in(2) { 100 } else { 2000 };
    let slow_consumer = [SlowConsumer::DropNewest, SlowConsumer::DropOldest, SlowConsumer::Close];
    let limits = Limits::default()
        .connections(3 + random.below(12))
        .accept_burst(1 + random.below(3))
        .read_budget(1 + random.below(300))
        .output_low(output_low)
        .output_high(output_high)
        .output_hard(if drops { output_high + random.below(most) } else { usize::MAX })
        .slow_consumer(slow_consumer[random.below(3)]);
    let mode = match random.below(4) {
        0 => Mode::Threads(1),
        1 => Mode::Reactors(2 + random.below(3)),
        _ => Mode::Multiplex,
    };
    let reactors = if let Mode::Reactors(count) = mode { count } else { 1 };
    let shared = Shared::new(reactors);
    let service = |_| Called { by: None, shared: shared.clone() };
    let remotes = |_: &Destination, random: &mut Random| {
        (random.one_in(2)).then(|| Person::new(shared.clone(), drops, random))
    };
    Simulation::new(seed)
        .limits(limits)
        .mode(mode)
        .remotes(remotes)
        .panics_are_wanted()
        .run(service, |random: &mut Random| Person::new(shared.clone(), drops, random));
    // Each handler and each note holds one.
    assert_eq!(shared.holders(), 1, "something is left over");
}

#[test]
fn random_effects_on_other_connections_happen_once() {
    seeds(0..150, run);
}
