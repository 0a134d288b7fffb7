//! Random actions of members in any order: each member gets the lines of a model of the chat, and
//! nothing else.

use socketserver::testkit::{Client, Random, seeds};

use crate::support::chat::Party;

/// Names and rooms to choose from, with their keys: spellings with the same key are the same name.
const NAMES: &[(&str, &str)] =
    &[("bob", "bob"), ("Bob", "bob"), ("小明", "小明"), ("guest-3", "guest-3"), ("🙂", "🙂")];
const ROOMS: &[(&str, &str)] = &[("lobby", "lobby"), ("Lobby", "lobby"), ("茶馆", "茶馆")];
/// Texts as they are sent, and as they arrive.
const TEXTS: &[(&[u8], &str)] = &[
    (b"hello", "hello"),
    (b"* bob left\r", "* bob left"),
    ("你好🙂".as_bytes(), "你好🙂"),
    (b"a\x1b[0m\rb\xfe", "a\u{fffd}[0m\u{fffd}b\u{fffd}"),
];

/// The model of a member: the name, the room, and the lines to receive.
struct Person {
    client: Client,
    nick: (String, String),
    room: usize,
    /// Input without a line end so far.
    unsent: Vec<u8>,
    expected: String,
    heard: String,
    is_gone: bool,
}

/// Rooms by key, each with the spelling of its first member.
struct Model {
    party: Party,
    random: Random,
    people: Vec<Person>,
    rooms: Vec<(String, String)>,
    guests: usize,
}

impl Model {
    fn new(seed: u64) -> Model {
        Model {
            party: Party::new(),
            random: Random::new(seed + 1),
            people: Vec::new(),
            rooms: Vec::new(),
            guests: 0,
        }
    }

    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            let present: Vec<usize> =
                (0..self.people.len()).filter(|who| !self.people[*who].is_gone).collect();
            if present.is_empty() || present.len() < 8 && self.random.one_in(6) {
                self.arrive();
            } else {
                let who = present[self.random.below(present.len())];
                self.act(who);
            }
            for person in &mut self.people {
                person.heard += &self.party.hear(person.client);
                assert_eq!(person.heard, person.expected, "{} heard this", person.nick.0);
            }
        }
    }

    fn is_taken(&self, key: &str, but_by: Option<usize>) -> bool {
        let mut others = self.people.iter().enumerate();
        others.any(|(who, p)| Some(who) != but_by && !p.is_gone && p.nick.1 == key)
    }

    fn arrive(&mut self) {
        let key = loop {
            self.guests += 1;
            let key = format!("guest-{}", self.guests);
            if !self.is_taken(&key, None) {
                break key;
            }
        };
        let client = self.party.connect();
        if self.random.one_in(2) {
            self.party.network.grain(client, 1 + self.random.below(20));
        }
        let room = self.room("lobby", "lobby");
        let (shown, _) = &self.rooms[room];
        let expected = format!("* welcome: you are {key} in {shown}; /help lists the commands\n");
        self.people.push(Person {
            client,
            nick: (key.clone(), key.clone()),
            room,
            unsent: Vec::new(),
            expected,
            heard: String::new(),
            is_gone: false,
        });
        self.notify(self.people.len() - 1, &format!("* {key} joined\n"));
    }

    /// Returns the room with this key: an existing one, or a new one.
    fn room(&mut self, shown: &str, key: &str) -> usize {
        let is_open = |room: usize| self.people.iter().any(|p| !p.is_gone && p.room == room);
        let known = (0..self.rooms.len()).find(|r| self.rooms[*r].1 == key && is_open(*r));
        known.unwrap_or_else(|| {
            self.rooms.push((shown.to_owned(), key.to_owned()));
            self.rooms.len() - 1
        })
    }

    /// All other members in the room of `who` must receive it.
    fn notify(&mut self, who: usize, text: &str) {
        let room = self.people[who].room;
        for (other, person) in self.people.iter_mut().enumerate() {
            if other != who && !person.is_gone && person.room == room {
                person.expected += text;
            }
        }
    }

    fn act(&mut self, who: usize) {
        match self.random.below(14) {
            0 => self.nick(who),
            1 => self.join(who),
            2 => self.who(who),
            3 if self.random.one_in(4) => self.leave(who),
            4 => self.begin(who),
            _ => self.say(who),
        }
    }

    /// Ends a line that may have begun already. Returns `false` if it had, because the line then
    /// differs from `line`.
    fn line(&mut self, who: usize, line: &[u8]) -> bool {
        let person = &mut self.people[who];
        let begun = std::mem::take(&mut person.unsent);
        let (client, nick) = (person.client, person.nick.0.clone());
        let size = 1 + self.random.below(8);
        for part in line.chunks(size) {
            self.party.send(client, part);
        }
        self.party.send(client, "\n");
        if begun.is_empty() {
            return true;
        }
        // The beginning of the line is text, so it is not a command.
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let said = [&begun[..], line].concat();
        let said = String::from_utf8_lossy(&said).replace(['\u{1b}', '\r'], "\u{fffd}");
        self.notify(who, &format!("{nick}: {said}\n"));
        false
    }

    fn begin(&mut self, who: usize) {
        let person = &mut self.people[who];
        if person.unsent.is_empty() {
            person.unsent = "好".as_bytes().to_vec();
            let (client, unsent) = (person.client, person.unsent.clone());
            self.party.send(client, unsent);
        }
    }

    fn say(&mut self, who: usize) {
        let (said, arrives) = TEXTS[self.random.below(TEXTS.len())];
        if self.line(who, said) {
            let text = format!("{}: {arrives}\n", self.people[who].nick.0);
            self.notify(who, &text);
        }
    }

    fn nick(&mut self, who: usize) {
        let (shown, key) = NAMES[self.random.below(NAMES.len())];
        if !self.line(who, format!("/nick {shown}").as_bytes()) {
            return;
        }
        let old = self.people[who].nick.0.clone();
        let answer = if old == shown {
            format!("* you are {shown} already\n")
        } else if self.is_taken(key, Some(who)) {
            format!("* {shown} is taken: choose another name\n")
        } else {
            self.people[who].nick = (shown.to_owned(), key.to_owned());
            self.notify(who, &format!("* {old} is now {shown}\n"));
            format!("* you are now {shown}\n")
        };
        self.people[who].expected += &answer;
    }

    fn join(&mut self, who: usize) {
        let (shown, key) = ROOMS[self.random.below(ROOMS.len())];
        if !self.line(who, format!("/join {shown}").as_bytes()) {
            return;
        }
        let (now_in, now_key) = self.rooms[self.people[who].room].clone();
        if now_key == key {
            self.people[who].expected += &format!("* you are in {now_in} already\n");
            return;
        }
        let nick = self.people[who].nick.0.clone();
        self.notify(who, &format!("* {nick} left\n"));
        let room = self.room(shown, key);
        self.people[who].room = room;
        self.notify(who, &format!("* {nick} joined\n"));
        self.people[who].expected += &format!("* you are now in {}\n", self.rooms[room].0);
    }

    fn who(&mut self, who: usize) {
        if !self.line(who, b"/who") {
            return;
        }
        let room = self.people[who].room;
        let here = self.people.iter().filter(|p| !p.is_gone && p.room == room);
        let mut names: Vec<&(String, String)> = here.map(|p| &p.nick).collect();
        names.sort_by(|a, b| a.1.cmp(&b.1));
        let shown: Vec<&str> = names.iter().map(|(shown, _)| shown.as_str()).collect();
        let answer = format!("* {} in {}: {}\n", shown.len(), self.rooms[room].0, shown.join(", "));
        self.people[who].expected += &answer;
    }

    fn leave(&mut self, who: usize) {
        match self.random.below(3) {
            0 => {
                if !self.line(who, b"/quit") {
                    return;
                }
                self.people[who].expected += "* bye\n";
            }
            1 => self.party.network.shut(self.people[who].client),
            _ => self.party.network.reset(self.people[who].client),
        }
        let text = format!("* {} left\n", self.people[who].nick.0);
        self.notify(who, &text);
        self.people[who].is_gone = true;
        self.party.network.settle();
    }
}

#[test]
fn all_members_get_the_lines_of_the_model() {
    seeds(0..100, |seed| Model::new(seed).run(200));
}

/// Each of `people` sends `lines` lines, all at the same time and in pieces. Checks that each line
/// reaches all others once, complete, and in the order of its sender.
fn babel(seed: u64, people: usize, lines: usize, network_is_rough: bool) {
    let mut random = Random::new(seed);
    let mut party = Party::new();
    let clients: Vec<Client> = (0..people).map(|_| party.connect()).collect();
    let mut heard: Vec<String> = clients.iter().map(|client| party.hear(*client)).collect();
    clients.iter().for_each(|client| drop(party.hear(*client)));
    heard.fill(String::new());
    let line = |who: usize, n: usize| format!("第{n}句 of {who}");
    let mut unsent: Vec<Vec<u8>> = (0..people)
        .map(|who| (0..lines).map(|n| line(who, n) + "\r\n").collect::<String>().into_bytes())
        .collect();
    if network_is_rough {
        for client in &clients {
            party.network.grain(*client, 1 + random.below(300));
            party.network.window(*client, 1 + random.below(5_000));
        }
    }
    let mut talking: Vec<usize> = (0..people).collect();
    while !talking.is_empty() {
        let at = random.below(talking.len());
        let who = talking[at];
        let len = unsent[who].len().min(1 + random.below(60));
        party.network.send(clients[who], &unsent[who].drain(..len).collect::<Vec<u8>>());
        if unsent[who].is_empty() {
            talking.swap_remove(at);
        }
        if random.one_in(people) {
            party.network.turn();
        }
        if network_is_rough && random.one_in(3) {
            let who = random.below(people);
            heard[who] += &party.hear(clients[who]);
        }
    }
    // Members with full output wait for the others to read, so it takes several rounds.
    let due = (people - 1) * lines;
    for _ in 0..1_000 {
        let counts = clients.iter().zip(&mut heard).map(|(client, heard)| {
            *heard += &party.hear(*client);
            heard.matches('\n').count()
        });
        if counts.filter(|count| *count < due).count() == 0 {
            break;
        }
    }
    for (me, heard) in heard.iter().enumerate() {
        let mut next = vec![0; people];
        for said in heard.lines() {
            let (name, text) = said.split_once(": ").expect("nobody says anything else");
            let who: usize = name.strip_prefix("guest-").unwrap().parse::<usize>().unwrap() - 1;
            assert_ne!(who, me);
            assert_eq!(text, line(who, next[who]), "to {me}, with seed {seed}");
            next[who] += 1;
        }
        assert_eq!(next.iter().sum::<usize>(), due, "to {me}, with seed {seed}");
    }
}

#[test]
fn all_talk_at_once_on_a_rough_network_and_nothing_is_lost_or_doubled() {
    seeds(1..21, |seed| babel(seed, 12, 15, true));
}

#[test]
fn five_hundred_members_get_twenty_lines_of_each_other() {
    babel(1, 500, 20, false);
}
