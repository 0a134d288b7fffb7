//! The simulated broker against a real redis-server: the same commands, the same answers. Skipped
//! without the program, unless `REQUIRE_ENGINES` is set.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use super::{Broker, BrokerFault};
use crate::backplane::redis::name_script::{CLAIM, MEMBERS, RELEASE, ROOM, SIGN_IN};
use crate::backplane::redis::{script, topic_key};
use crate::handler::framed::Step;
use crate::protocol::resp::{Token, append_command, token};
use crate::testkit::random::Random;
use crate::testkit::redis_server::RedisServer;

/// Later than any clock: so the scripts of both give the same epochs.
const EPOCH: u64 = 4_000_000_000_000;

const SCRIPTS: [&str; 7] = [script::PUBLISH, script::MARK, SIGN_IN, CLAIM, RELEASE, ROOM, MEMBERS];

/// A connection to a real server.
struct Real {
    _server: RedisServer,
    stream: UnixStream,
    input: Vec<u8>,
}

/// The tokens of pushes, and of a reply.
type Answer = (Vec<String>, Vec<String>);

/// Takes an answer from the front; `None` if it is incomplete.
fn answer(input: &mut Vec<u8>) -> Option<Answer> {
    let (mut pushes, mut reply) = (Vec::new(), Vec::new());
    let (mut used, mut left, mut of_push) = (0, 0u32, false);
    loop {
        let Step::Message(found, length) = token(&input[used..]).unwrap() else { return None };
        used += length;
        let more = match found {
            Token::Array(count) | Token::Push(count) => count,
            Token::Map(count) => 2 * count,
            _ => 0,
        };
        if left == 0 {
            (of_push, left) = (matches!(found, Token::Push(_)), 1);
        }
        left = left - 1 + more;
        let text = match found {
            // Only the code: the texts tell of lines of the script.
            Token::Error(text) => {
                let code = text.split(|byte| *byte == b' ').next().unwrap();
                format!("Error({})", code.escape_ascii())
            }
            Token::Bytes(bytes) => format!("Bytes({})", bytes.escape_ascii()),
            other => format!("{other:?}"),
        };
        if of_push {
            pushes.push(text)
        } else {
            reply.push(text)
        }
        if left == 0 && !of_push {
            input.drain(..used);
            return Some((pushes, reply));
        }
    }
}

impl Real {
    fn ask(&mut self, parts: &[&[u8]]) -> Answer {
        let mut out = Vec::new();
        append_command(&mut out, parts);
        self.stream.write_all(&out).unwrap();
        loop {
            if let Some(answer) = answer(&mut self.input) {
                return answer;
            }
            let mut buffer = [0; 65536];
            let count = self.stream.read(&mut buffer).unwrap();
            assert!(count > 0, "redis-server has ended");
            self.input.extend_from_slice(&buffer[..count]);
        }
    }
}

/// The two, and the names of the scripts in each.
struct Pair {
    real: Real,
    broker: Broker,
    client: usize,
    names: [[Vec<u8>; SCRIPTS.len()]; 2],
}

impl Pair {
    fn broker_asks(&mut self, parts: &[&[u8]]) -> Answer {
        let mut out = Vec::new();
        append_command(&mut out, parts);
        self.broker.send(self.client, &out);
        answer(&mut self.broker.received(self.client)).unwrap()
    }

    /// Both answer the same.
    fn both(&mut self, parts: &[&[u8]]) {
        let expected = self.real.ask(parts);
        let found = self.broker_asks(parts);
        let shown: Vec<String> = parts.iter().map(|part| part.escape_ascii().to_string()).collect();
        assert_eq!(found, expected, "{shown:?}");
    }

    /// A command that is answered by pushes.
    fn subscribe(&mut self, parts: &[&[u8]]) {
        let mut out = Vec::new();
        append_command(&mut out, parts);
        self.real.stream.write_all(&out).unwrap();
        self.broker.send(self.client, &out);
        // The pushes stay in the output until a reply follows.
        self.both(&[b"PING"]);
    }

    fn load_scripts(&mut self) {
        for (index, text) in SCRIPTS.into_iter().enumerate() {
            let parts: &[&[u8]] = &[b"SCRIPT", b"LOAD", text.as_bytes()];
            let name = |answer: Answer| {
                let name = answer.1[0].strip_prefix("Bytes(").and_then(|it| it.strip_suffix(")"));
                name.unwrap_or_else(|| panic!("{answer:?}")).as_bytes().to_vec()
            };
            let names = [self.real.ask(parts), self.broker_asks(parts)].map(name);
            for (known, name) in self.names.iter_mut().zip(names) {
                known[index] = name;
            }
        }
    }

    fn call(&mut self, script: usize, parts: &[Vec<u8>]) {
        let [real, broker] = &self.names;
        let [real, broker] = [real[script].clone(), broker[script].clone()];
        let with = |name| -> Vec<&[u8]> {
            let rest = parts.iter().map(Vec::as_slice);
            [&b"EVALSHA"[..], name].into_iter().chain(rest).collect()
        };
        let expected = self.real.ask(&with(&real));
        let found = self.broker_asks(&with(&broker));
        let shown: Vec<String> = parts.iter().map(|part| part.escape_ascii().to_string()).collect();
        assert_eq!(found, expected, "{script} {shown:?}");
    }
}

fn text(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn topic(random: &mut Random) -> Vec<u8> {
    topic_key(["a", "b", "w"][random.below(7) / 3])
}

fn epoch(random: &mut Random) -> Vec<u8> {
    text(EPOCH + random.below(5) as u64)
}

/// A call of the script that publishes.
fn publish(random: &mut Random) -> Vec<Vec<u8>> {
    let count = random.below(6);
    let mut parts = vec![text(count as u64 + 1), b"bp:node:1".to_vec()];
    parts.extend((0..count).map(|_| topic(random)));
    let generation = text(1 + random.below(3) as u64);
    let lowest = 1 + random.below(20) as u64;
    let first = lowest + random.below(4) as u64;
    let probe = if random.one_in(3) { text(random.below(100) as u64) } else { Vec::new() };
    parts.extend([generation, text(lowest), text(first), text(20), text(1_000_000), probe]);
    for _ in 0..count {
        let id = [epoch(random), b"-*".to_vec()].concat();
        parts.extend([id, text(random.below(1_000) as u64)]);
    }
    parts
}

fn mark(random: &mut Random) -> Vec<Vec<u8>> {
    let when = [b"always", b"empty "][random.below(2)].trim_ascii().to_vec();
    let generation = text(1 + random.below(3) as u64);
    let (topic, above) = (topic(random), epoch(random));
    let node = b"bp:node:1".to_vec();
    // An entry has up to four bytes.
    let (most, bytes) = (text(1 + random.below(50) as u64), text(random.below(100) as u64));
    let (log, retention, mark) = (text(20), text(1_000_000), b"mark".to_vec());
    vec![text(2), node, topic, generation, when, above, log, retention, mark, most, bytes]
}

fn one_of(random: &mut Random, texts: &[&str]) -> Vec<u8> {
    texts[random.below(texts.len())].as_bytes().to_vec()
}

/// A call of a script about names, of two nodes with two leases each.
fn names_call(pair: &mut Pair, random: &mut Random) {
    let time = text(1_000_000);
    let node = random.below(2) + 1;
    let lease = |number| format!("{node:016x}.{number}").into_bytes();
    let alive = |number| [&b"bp:alive:"[..], &lease(number)].concat();
    let number = 1 + random.below(2);
    let (key, mut arguments) = (format!("bp:node:{node}").into_bytes(), Vec::new());
    let (mut keys, generation) = (vec![key], text(1 + random.below(2) as u64));
    let counter = text(random.below(40) as u64);
    let room = one_of(random, &["bp:who:r", "bp:who:s", "bp:who:w"]);
    let script = 2 + random.below(5);
    arguments.extend([generation, counter]);
    match script {
        2 => {
            keys.extend([alive(number), alive(3 - number)]);
            arguments.push(time);
        }
        3 | 4 => {
            keys.push(alive(number));
            for _ in 0..random.below(4) {
                keys.push(one_of(random, &["bp:name:a", "bp:name:b", "bp:name:c", "bp:{w}"]));
            }
            arguments.push(lease(number));
            match script {
                3 => arguments.extend([one_of(random, &["ann", "b o b", ""]), time]),
                _ => arguments.push(text(random.below(40).saturating_sub(20) as u64)),
            }
        }
        5 => {
            keys.extend([alive(number), room]);
            let names = ["ann", "bob", "cid", "d e", "Ann"];
            let (name, action) = (one_of(random, &names), one_of(random, &["enter", "leave"]));
            arguments.extend([lease(number), name, action, time]);
        }
        _ => {
            keys = vec![room];
            arguments = vec![text(random.below(5) as u64)];
        }
    }
    let parts = [vec![text(keys.len() as u64)], keys, arguments].concat();
    pair.call(script, &parts);
}

fn names_step(pair: &mut Pair, random: &mut Random) {
    let lease = format!("bp:alive:{:016x}.{}", 1 + random.below(2), 1 + random.below(2));
    match random.below(30) {
        0 => pair.both(&[b"DEL", lease.as_bytes()]),
        1 if random.one_in(2) => pair.both(&[b"PEXPIRE", &topic(random), b"1000000"]),
        1 => pair.both(&[b"PEXPIRE", lease.as_bytes(), b"1000000"]),
        2 => pair.both(&[b"GET", b"bp:name:a"]),
        3 => pair.both(&[b"SET", b"bp:who:w", b"x", b"NX"]),
        4 => pair.both(&[b"HSET", b"bp:name:c", b"x", b"y"]),
        5 => {
            let generation = text(1 + random.below(3) as u64);
            let following = text(random.below(20) as u64);
            pair.both(&[b"HSET", b"bp:node:1", b"gen", &generation, &generation, &following]);
        }
        _ => names_call(pair, random),
    }
}

/// Another program writes to a log.
fn foreign(pair: &mut Pair, key: &[u8], random: &mut Random) {
    let epoch = match random.below(12) {
        0 => 999_999_999_999_999,
        1 => 1_000_000_000_000_000,
        2 => u64::MAX,
        _ => EPOCH + random.below(5) as u64,
    };
    let offset = if random.one_in(3) { u64::MAX } else { random.below(20) as u64 };
    let id = format!("{epoch}-{offset}").into_bytes();
    pair.both(&[b"XADD", key, &id, &one_of(random, &["foo", "m"]), b"bar"]);
}

fn step(pair: &mut Pair, random: &mut Random) {
    let key = topic(random);
    match random.below(45) {
        44 => foreign(pair, &key, random),
        24.. => names_step(pair, random),
        0..12 => pair.call(0, &publish(random)),
        12..15 => pair.call(1, &mark(random)),
        15 => {
            let from = [epoch(random), b"-".to_vec(), text(random.below(9) as u64)].concat();
            pair.both(&[b"XRANGE", &key, &from, b"+", b"COUNT", b"7"]);
        }
        16 => pair.both(&[b"XRANGE", &key, b"-", b"+", b"COUNT", b"1000"]),
        17 => pair.both(&[b"XLEN", &key]),
        18 => {
            let (text, generation) =
                (script::GENERATION.as_bytes(), text(1 + random.below(3) as u64));
            pair.both(&[b"EVAL", text, b"1", b"bp:node:1", &generation]);
        }
        19 if random.one_in(3) => pair.both(&[b"DEL", &key]),
        19 => pair.both(&[b"XTRIM", &key, b"MAXLEN", &text(random.below(5) as u64)]),
        20 if random.one_in(3) => pair.both(&[b"FLUSHALL"]),
        20 => pair.both(&[b"SET", &topic_key("w"), b"x", b"NX"]),
        21 if random.one_in(4) => {
            pair.both(&[b"SCRIPT", b"FLUSH"]);
            pair.call(0, &publish(random));
            pair.load_scripts();
        }
        21 => pair.subscribe(&[b"UNSUBSCRIBE", &key]),
        22 => {
            pair.real.ask(&[b"CONFIG", b"SET", b"maxmemory", b"1"]);
            pair.broker.fault(BrokerFault::Full(1));
            match random.below(4) {
                0 => pair.call(0, &publish(random)),
                1 => pair.call(1, &mark(random)),
                _ => names_call(pair, random),
            }
            pair.real.ask(&[b"CONFIG", b"SET", b"maxmemory", b"0"]);
            pair.broker.fault(BrokerFault::Full(0));
        }
        _ => {
            pair.real.ask(&[b"REPLICAOF", b"127.0.0.1", b"1"]);
            pair.broker.fault(BrokerFault::Demote);
            pair.call(0, &publish(random));
            pair.call(1, &mark(random));
            names_call(pair, random);
            pair.real.ask(&[b"REPLICAOF", b"NO", b"ONE"]);
            pair.broker.fault(BrokerFault::Promote);
        }
    }
}

#[test]
fn it_answers_as_a_real_server_does() {
    let Some(server) = RedisServer::start(&["--appendonly", "no"]) else { return };
    let stream = server.connect().unwrap();
    let mut real = Real { _server: server, stream, input: Vec::new() };
    real.ask(&[b"HELLO", b"3"]);
    let mut broker = Broker::new();
    let client = broker.connect();
    let mut pair = Pair { real, broker, client, names: Default::default() };
    pair.load_scripts();
    for seed in 0..30 {
        let mut random = Random::new(seed);
        pair.both(&[b"FLUSHALL"]);
        pair.subscribe(&[b"SUBSCRIBE", &topic_key("a"), &topic_key("b"), b"bp:node:1"]);
        (0..500).for_each(|_| step(&mut pair, &mut random));
    }
}

/// The progress is stored before the commands of a call: one that fails must not leave it behind.
#[test]
fn a_call_whose_command_is_refused_counts_no_message_as_appended() {
    let Some(server) = RedisServer::start(&["--appendonly", "no"]) else { return };
    let stream = server.connect().unwrap();
    let mut real = Real { _server: server, stream, input: Vec::new() };
    real.ask(&[b"EVAL", script::GENERATION.as_bytes(), b"1", b"bp:node:1", b"7"]);
    let call: &[&[u8]] = &[
        b"EVAL",
        script::PUBLISH.as_bytes(),
        b"3",
        b"bp:node:1",
        b"bp:{a}",
        b"bp:{a}",
        b"7",
        b"1",
        b"1",
        b"20",
        b"1000000",
        b"",
        b"1-*",
        b"x",
        b"1-*",
        b"y",
    ];
    for (command, appended) in [("xadd", 0), ("time", 0), ("publish", 1)] {
        real.ask(&[b"ACL", b"SETUSER", b"default", format!("-{command}").as_bytes()]);
        let (_, reply) = real.ask(call);
        assert_eq!(reply[..2], ["Array(2)", "Integer(0)"], "{command}: {reply:?}");
        assert!(reply[2].contains("this command"), "{reply:?}");
        let following = real.ask(&[b"HGET", b"bp:node:1", b"7"]).1;
        assert_eq!(following, [format!("Bytes({})", 1 + appended)], "{command}");
        real.ask(&[b"ACL", b"SETUSER", b"default", format!("+{command}").as_bytes()]);
    }
    // The first one is in the log: its gap shows to the subscribers, and it is not appended again.
    assert_eq!(real.ask(call).1, ["Integer(2)"]);
    assert_eq!(real.ask(&[b"XLEN", b"bp:{a}"]).1, ["Integer(2)"]);
}
