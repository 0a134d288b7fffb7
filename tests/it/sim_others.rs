//! Whatever handlers wish for each other, in whatever order, whatever their peers do meanwhile:
//! what was forwarded and published arrives, in order and once, everything comes to rest, and
//! nothing is left in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use socketserver::testkit::{Action, End, Random, Script, Simulation, seeds};
use socketserver::{
    Address, Close, Context, Destination, Handler, Id, Limits, Mode, Note, Peer, SlowConsumer,
    Topic,
};

const TOPICS: u8 = 4;
/// The channel of what is forwarded.
const DIRECT: u8 = TOPICS;
/// The channel of what comes of offloaded work.
const WORK: u8 = TOPICS + 1;
/// What somebody is told first: their number.
const GREETING: u8 = TOPICS + 2;

/// What was wished for, in the order of the wishes: what everybody must get.
#[derive(Default)]
struct Model {
    /// Who can be told and sent to, by number.
    ids: Vec<Id>,
    /// The members of each topic.
    members: [BTreeSet<usize>; TOPICS as usize],
    /// For each channel, how much went through it.
    count: u32,
    /// What each must get, by channel and sender of what is forwarded.
    wanted: Vec<BTreeMap<(u8, u16), Vec<u32>>>,
    /// Who said goodbye, or sends no more.
    over: BTreeSet<usize>,
    /// What those must have got who were told the end of their input before anything else.
    due: BTreeMap<usize, BTreeMap<(u8, u16), Vec<u32>>>,
}

impl Model {
    /// Somebody new: their number.
    fn admit(&mut self, id: Id) -> usize {
        self.ids.push(id);
        self.wanted.push(BTreeMap::new());
        self.ids.len() - 1
    }
}

/// A handler, a note: whatever must not be left over holds one.
#[derive(Clone)]
struct Shared(Arc<Mutex<Model>>);

impl Shared {
    fn model(&self) -> MutexGuard<'_, Model> {
        self.0.lock().unwrap()
    }

    /// A message from `from` for all in `to`, entered as wanted.
    fn message(&self, channel: u8, from: usize, to: &[usize], len: usize) -> Vec<u8> {
        let mut model = self.model();
        model.count += 1;
        let count = model.count;
        let sender = if channel < TOPICS { 0 } else { from as u16 };
        for to in to {
            model.wanted[*to].entry((channel, sender)).or_default().push(count);
        }
        let mut bytes = vec![channel];
        bytes.extend(sender.to_be_bytes());
        bytes.extend(count.to_be_bytes());
        bytes.extend((len as u16).to_be_bytes());
        bytes.extend(std::iter::repeat_n(count as u8, len));
        bytes
    }
}

fn topic(number: u8) -> Topic {
    Topic::new(&format!("topic {number}"))
}

/// Does what its peer says: a letter, a number, and a length in two bytes.
struct Knot {
    me: usize,
    shared: Shared,
}

/// What one handler tells another to do.
struct Order {
    what: u8,
    number: u8,
    /// Tells whether the note is left over.
    _shared: Shared,
}

impl Order {
    fn new(what: u8, number: u8, shared: &Shared) -> Order {
        // One that is told to tell would go on for ever.
        let what = if TELLING.contains(&(what % 32)) { 8 } else { what };
        Order { what, number, _shared: shared.clone() }
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
                self.shared.model().members[usize::from(channel)].insert(self.me);
                cx.join(&topic(channel));
            }
            20 => {
                let message = self.shared.message(WORK, self.me, &[self.me], len);
                cx.offload(move || message);
            }
            19 => {
                self.shared.model().members[usize::from(channel)].remove(&self.me);
                cx.leave(&topic(channel));
            }
            what if TELLING.contains(&what) => {
                let to = self.someone(number);
                cx.tell(to, Order::new(number, len as u8, &self.shared));
            }
            25 => {
                cx.pause();
                cx.wake_after(Duration::from_millis(len as u64));
            }
            26 => cx.upgrade(Knot { me: self.me, shared: self.shared.clone() }),
            27 => {
                let to = Address::from(std::net::SocketAddr::from(([127, 0, 0, 1], 7)));
                let by = Some((self.me, number));
                cx.connect(to, Called { by, shared: self.shared.clone() });
            }
            28 | 29 if number % 4 == 0 => {
                self.end();
                cx.finish();
            }
            30 if number % 8 == 0 => {
                self.end();
                cx.close(Close::Done);
            }
            31 if number % 16 == 0 => {
                self.end();
                return Err(Close::Malformed { code: 0, why: "no such letter" });
            }
            31 if number % 16 == 1 => {
                self.end();
                // A panic that says nothing on standard error.
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

    fn forward(&self, number: u8, len: usize, cx: &mut Context<'_>) {
        let to = usize::from(number) % self.shared.model().ids.len();
        let message = self.shared.message(DIRECT, self.me, &[to], len);
        cx.forward(self.someone(number), message);
    }

    fn publish(&self, channel: u8, len: usize, cx: &mut Context<'_>) {
        let to = self.shared.model().members[usize::from(channel)].clone();
        let to: Vec<usize> = to.into_iter().filter(|to| *to != self.me).collect();
        let message = self.shared.message(channel, self.me, &to, len);
        cx.publish(&topic(channel), message);
    }

    /// More than a topic holds until its authors have to wait.
    fn flood(&self, channel: u8, cx: &mut Context<'_>) {
        let to = self.shared.model().members[usize::from(channel)].clone();
        let to: Vec<usize> = to.into_iter().filter(|to| *to != self.me).collect();
        let message = |_| self.shared.message(channel, self.me, &to, 60_000);
        cx.publish(&topic(channel), (0..20).flat_map(message).collect::<Vec<u8>>());
    }

    fn end(&self) {
        let mut model = self.shared.model();
        model.over.insert(self.me);
        for members in &mut model.members {
            members.remove(&self.me);
        }
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
        let mut model = self.shared.model();
        if !model.over.contains(&self.me) {
            let due = model.wanted[self.me].clone();
            model.due.insert(self.me, due);
        }
        drop(model);
        self.end();
        match self.me % 3 {
            0 => cx.close(Close::Eof),
            1 => cx.finish(),
            _ => {
                (0..TOPICS).for_each(|number| cx.leave(&topic(number)));
                cx.wake_after(Duration::from_millis(30));
            }
        }
    }

    fn on_wake(&mut self, cx: &mut Context<'_>) {
        cx.resume();
        if self.shared.model().over.contains(&self.me) {
            cx.close(Close::Done);
        }
    }

    fn on_note(&mut self, note: Note, cx: &mut Context<'_>) {
        // What comes back is dropped, and an error goes nowhere.
        let note = match note.downcast::<Vec<u8>>() {
            Ok(work) => return cx.write(&work),
            Err(note) => note,
        };
        if let Ok(order) = note.downcast::<Order>() {
            let Order { what, number, .. } = *order;
            if self.obey(what, number, usize::from(number), cx).is_err() {
                cx.close(Close::Done);
            }
        }
    }

    fn on_close(&mut self, _: &Close, cx: &mut Context<'_>) {
        self.end();
        self.publish((self.me % usize::from(TOPICS)) as u8, 10, cx);
        self.forward(self.me as u8 + 1, 20, cx);
        cx.tell(self.someone(self.me as u8 + 1), Order::new(8, 3, &self.shared));
    }
}

/// Who is to serve a newcomer, or a connection that another handler wants, which is in a topic then:
/// says which number it has, and is a [`Knot`] from there on.
struct Called {
    by: Option<(usize, u8)>,
    shared: Shared,
}

impl Handler for Called {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        let mut model = self.shared.model();
        let me = model.admit(cx.id());
        if let Some((_, number)) = self.by {
            model.members[usize::from(number % TOPICS)].insert(me);
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
        cx.tell(to, Order::new(number, 1, &self.shared));
        // Void: nobody is this.
        cx.join(&topic(0));
        cx.upgrade(Called { by: None, shared: self.shared.clone() });
    }
}

/// A client: says this and that, and knows by the model what must come.
struct Person {
    shared: Shared,
    orders: usize,
    drops: bool,
    /// Its number, once it was told.
    me: Option<usize>,
    came: Vec<u8>,
    got: BTreeMap<(u8, u16), Vec<u32>>,
    has_shut: bool,
    /// How many messages there were when it was last asked what it does.
    asked: u32,
}

impl Person {
    fn new(shared: Shared, drops: bool, random: &mut Random) -> Person {
        let (came, got) = (Vec::new(), BTreeMap::new());
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
        self.me.is_some_and(|me| model.wanted[me] == self.got || model.over.contains(&me))
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

    /// Everything is whole, and follows what came before it.
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
        for (channel, got) in &self.got {
            let wanted = model.wanted[me]
                .get(channel)
                .unwrap_or_else(|| panic!("{me}: {channel:?} {got:?} is not for it"));
            match self.drops && channel.0 < TOPICS {
                true => assert!(got.iter().all(|n| wanted.contains(n)), "not meant for it"),
                false => {
                    assert!(wanted.starts_with(got), "{me} by {channel:?}: {got:?}, {wanted:?}")
                }
            }
        }
        // Who was content to wait, and was hung up when nothing happened any more, has got it all.
        if let (End::Whole(Close::Eof), false, false) = (end, self.has_shut, self.drops) {
            if let Some(due) = model.due.get(&me) {
                for (channel, due) in due {
                    let due = due.iter().filter(|n| **n <= self.asked);
                    let got = self.got.get(channel).into_iter().flatten();
                    assert!(
                        due.copied().eq(got.copied().take_while(|n| *n <= self.asked)),
                        "{me} by {channel:?} has not got all"
                    );
                }
                assert!(self.came.is_empty(), "the end of a message is missing");
            }
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
    let limits = Limits {
        connections: 3 + random.below(12),
        accept_burst: 1 + random.below(3),
        read_budget: 1 + random.below(300),
        output_low,
        output_high,
        output_hard: if drops { output_high + random.below(most) } else { usize::MAX },
        slow_consumer: slow_consumer[random.below(3)],
        ..Limits::default()
    };
    let shared = Shared(Arc::default());
    let service = |_: &Peer| Called { by: None, shared: shared.clone() };
    let remotes = |_: &Destination, random: &mut Random| {
        (random.one_in(2)).then(|| Person::new(shared.clone(), drops, random))
    };
    // Several reactors agree on the order of each author only, and the model on that of all.
    let mode = if random.one_in(2) { Mode::Threads(1) } else { Mode::Multiplex };
    Simulation::new(seed)
        .limits(limits)
        .mode(mode)
        .remotes(remotes)
        .panics_are_wanted()
        .run(service, |random: &mut Random| Person::new(shared.clone(), drops, random));
    // Handlers and notes hold one each.
    assert_eq!(Arc::strong_count(&shared.0), 1, "something is left over");
}

#[test]
fn whatever_handlers_wish_for_each_other_comes_true_once() {
    seeds(0..150, run);
}
