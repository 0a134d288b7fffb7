//! Whatever handlers wish for each other, in whatever order, whatever their peers do meanwhile:
//! what was forwarded and published arrives, in order and once, everything comes to rest, and
//! nothing is left in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use socketserver::testkit::{Client, Network, Random, seeds};
use socketserver::{Address, Close, Context, Handler, Id, Limits, Note, SlowConsumer, Topic};

use crate::seeds::in_turn;

const TOPICS: u8 = 4;
/// The channel of what is forwarded.
const DIRECT: u8 = TOPICS;

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
        let sender = if channel == DIRECT { from as u16 } else { 0 };
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
            8..=14 => self.publish(channel, len, cx),
            15..=18 => {
                self.shared.model().members[usize::from(channel)].insert(self.me);
                cx.join(&topic(channel));
            }
            19 | 20 => {
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
                cx.connect(to, Called(self.me, number, self.shared.clone()));
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
        self.end();
        match self.me % 3 {
            0 => cx.close(Close::Eof),
            1 => cx.finish(),
            _ => cx.wake_after(Duration::from_millis(30)),
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

/// Who is to serve a connection that another handler wants: says who wanted it, and is a
/// [`Knot`] from there on.
struct Called(usize, u8, Shared);

impl Handler for Called {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        let mut model = self.2.model();
        let me = model.ids.iter().position(|id| *id == cx.id()).unwrap();
        model.members[usize::from(self.1 % TOPICS)].insert(me);
        cx.join(&topic(self.1 % TOPICS));
        cx.upgrade(Knot { me, shared: self.2.clone() });
    }

    fn on_data(&mut self, _: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        unreachable!("it has handed over");
    }

    fn on_unreachable(&mut self, _: &io::Error, cx: &mut Context<'_>) {
        let to = self.2.model().ids[self.0];
        let message = self.2.message(DIRECT, self.0, &[self.0], 5);
        cx.forward(to, message);
        cx.tell(to, Order::new(self.1, 1, &self.2));
        // Void: nobody is this.
        cx.join(&topic(0));
        cx.upgrade(Called(self.0, 0, self.2.clone()));
    }
}

/// A client's end, and what came there.
struct Person {
    client: Client,
    came: Vec<u8>,
    got: BTreeMap<(u8, u16), Vec<u32>>,
    shut: bool,
    reset: bool,
}

impl Person {
    /// Takes what has come. Everything is whole, and follows what came before it.
    fn receive(&mut self, network: &mut Network) -> bool {
        let more = network.received(self.client);
        self.came.extend(&more);
        while let [channel, a, b, c, d, e, f, g, h, rest @ ..] = &self.came[..] {
            let len = usize::from(u16::from_be_bytes([*g, *h]));
            let Some(text) = rest.get(..len) else { break };
            let count = u32::from_be_bytes([*c, *d, *e, *f]);
            assert!(text.iter().all(|byte| *byte == count as u8), "torn");
            let got = self.got.entry((*channel, u16::from_be_bytes([*a, *b]))).or_default();
            assert!(got.last().is_none_or(|last| *last < count), "twice, or out of order");
            got.push(count);
            self.came.drain(..9 + len);
        }
        !more.is_empty()
    }
}

struct World {
    random: Random,
    network: Network,
    shared: Shared,
    people: Vec<Person>,
    drops: bool,
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = Random::new(seed + 1);
        let low = random.below(300);
        let high = low + 1 + random.below(500);
        let drops = random.one_in(3);
        let slow_consumer =
            [SlowConsumer::DropNewest, SlowConsumer::DropOldest, SlowConsumer::Close];
        let limits = Limits {
            read_budget: 1 + random.below(300),
            output_low: low,
            output_high: high,
            output_hard: if drops { high + random.below(2000) } else { usize::MAX },
            slow_consumer: slow_consumer[random.below(3)],
            idle: None,
            ..Limits::default()
        };
        let network = in_turn(seed, limits);
        let shared = Shared(Arc::default());
        let mut world = World { random, network, shared, people: Vec::new(), drops };
        for _ in 0..2 {
            world.arrive();
        }
        world
    }

    fn arrive(&mut self) {
        let me = self.people.len();
        let client = self.network.connect(Knot { me, shared: self.shared.clone() });
        self.admit(client);
    }

    fn admit(&mut self, client: Client) {
        let mut model = self.shared.model();
        model.ids.push(self.network.id(client));
        model.wanted.push(BTreeMap::new());
        drop(model);
        let (came, got) = (Vec::new(), BTreeMap::new());
        self.people.push(Person { client, came, got, shut: false, reset: false });
    }

    fn step(&mut self) {
        let who = self.random.below(self.people.len());
        let person = &mut self.people[who];
        let client = person.client;
        match self.random.below(32) {
            0..=11 if !person.shut && !person.reset => self.send(client),
            12..=16 => drop(person.receive(&mut self.network)),
            17 => self.network.window(client, self.random.below(600)),
            18 => self.network.window(client, usize::MAX),
            19 => self.network.grain(client, 1 + self.random.below(300)),
            20 | 21 => self.network.spurious(client),
            22 if self.random.one_in(6) => {
                person.shut = true;
                self.network.shut(client);
            }
            23 if self.random.one_in(12) => {
                person.reset = true;
                self.network.reset(client);
            }
            24 if self.people.len() < 12 => self.arrive(),
            25 => {
                let order = Order::new(self.random.below(256) as u8, 1, &self.shared);
                self.network.tell(client, order);
            }
            26 if !self.network.wanted().is_empty() => self.answer_dial(),
            27 => {
                let time = Duration::from_millis(self.random.below(60) as u64);
                self.network.advance(time);
            }
            _ => self.network.turn(),
        }
    }

    fn send(&mut self, client: Client) {
        for _ in 0..self.random.below(8) {
            let len = if self.random.one_in(4) { 600 } else { 40 };
            let len = (self.random.below(len) as u16).to_be_bytes();
            let [what, number] = [(); 2].map(|()| self.random.below(256) as u8);
            self.network.send(client, &[what, number, len[0], len[1]]);
        }
        if self.random.one_in(30) {
            // Half an order.
            self.network.send(client, &[0, 1]);
        }
    }

    fn answer_dial(&mut self) {
        match self.people.len() < 20 && self.random.one_in(2) {
            true => {
                let client = self.network.grant();
                self.admit(client);
            }
            false => self.network.deny(ErrorKind::ConnectionRefused.into()),
        }
    }

    /// Everybody takes everything, and everything comes to rest.
    fn rest(&mut self) {
        for person in &mut self.people {
            self.network.window(person.client, usize::MAX);
            // Taking something, if only nothing, makes the room known.
            person.receive(&mut self.network);
        }
        for _ in 0..100_000 {
            self.network.advance(Duration::from_millis(700));
            let mut news = !self.network.wanted().is_empty();
            while !self.network.wanted().is_empty() {
                self.network.deny(ErrorKind::TimedOut.into());
            }
            for person in &mut self.people {
                news |= person.receive(&mut self.network);
            }
            let unread =
                |p: &Person| !self.network.is_closed(p.client) && self.network.unread(p.client) > 0;
            if !news && !self.people.iter().any(unread) {
                return;
            }
        }
        assert!(self.drops, "it never comes to rest");
    }

    fn check(&self) {
        let model = self.shared.model();
        for (who, person) in self.people.iter().enumerate() {
            if model.over.contains(&who) || person.reset {
                continue;
            }
            assert!(person.came.is_empty(), "the end of a message is missing");
            for (channel, wanted) in &model.wanted[who] {
                let nothing = Vec::new();
                let got = person.got.get(channel).unwrap_or(&nothing);
                match self.drops && channel.0 != DIRECT {
                    true => assert!(got.iter().all(|n| wanted.contains(n)), "not meant for it"),
                    false => assert_eq!(got, wanted, "{who} by {channel:?}"),
                }
            }
            assert!(person.got.keys().all(|channel| model.wanted[who].contains_key(channel)));
        }
    }

    fn leave(&mut self) {
        if self.random.one_in(3) {
            self.network.stop();
        }
        for person in self.people.iter_mut() {
            match self.random.one_in(2) {
                true => self.network.reset(person.client),
                false => self.network.shut(person.client),
            }
            if self.random.one_in(4) {
                self.network.turn();
            }
        }
        for _ in 0..100 {
            self.network.advance(Duration::from_millis(700));
            for person in &mut self.people {
                person.receive(&mut self.network);
            }
            while !self.network.wanted().is_empty() {
                self.network.deny(ErrorKind::TimedOut.into());
            }
        }
        assert_eq!(self.network.connections(), 0, "somebody is still there");
        // Handlers and notes hold one each.
        assert_eq!(Arc::strong_count(&self.shared.0), 1, "something is left over");
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..300 {
        world.step();
    }
    world.rest();
    world.check();
    world.leave();
}

#[test]
fn whatever_handlers_wish_for_each_other_comes_true_once() {
    seeds(0..200, run);
}
