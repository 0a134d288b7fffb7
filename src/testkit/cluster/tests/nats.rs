//! A real nats-server with JetStream.

use std::fs;
use std::path::Path;

use super::*;
use crate::backplane::engine::{Ask, News};
use crate::backplane::nats::{JetStream, Settings};
use crate::backplane::record::Record;
use crate::testkit::nats_server::NatsServer;

struct Nats {
    server: NatsServer,
    log_messages: u32,
}

impl Store for Nats {
    fn connect(&self) -> io::Result<Box<dyn Pipe>> {
        Ok(Box::new(self.server.connect()?))
    }

    fn engine(&self, node: u64, generation: u64) -> Box<dyn Engine> {
        let (log_messages, retention_ms, login) = (self.log_messages, 1_000_000, None);
        Box::new(JetStream::new(Settings { node, generation, login, log_messages, retention_ms }))
    }

    fn fault(run: &mut Run<Nats>, faults: Faults) {
        let topic = run.topic();
        let count = if faults == Faults::All { 10 } else { 4 };
        match run.random.below(count) {
            0 | 1 => {
                signal(&run.server.server.process, "-STOP");
                // Longer than the nodes wait for their probes, or not.
                let time = if run.random.one_in(4) { 3_500 } else { 400 };
                run.turns_for(Duration::from_millis(time));
                signal(&run.server.server.process, "-CONT");
            }
            2 => {
                run.server.server.kill();
                run.server.server.start_again();
            }
            3 => {
                let long = "x".repeat(run.random.below(100_000));
                let subjects = ["_INBOX.bp.0000000000000001.1.foo", "bp_live.n.0000000000000001"];
                let topic = format!("bp_live.t.{topic}");
                let subject = [subjects[0], subjects[1], &topic][run.random.below(3)];
                send(&run.server, subject, &long);
            }
            4 => {
                send(&run.server, &format!("bp.t.{topic}"), &"x".repeat(run.random.below(100_000)))
            }
            5 | 6 => {
                let filter = format!("{{\"filter\":\"bp.t.{topic}\",\"keep\":3}}");
                let _ = run.server.server.request("$JS.API.STREAM.PURGE.bp", &filter);
            }
            7 => drop(run.server.server.request("$JS.API.STREAM.DELETE.bp", "")),
            8 => {
                run.server.server.kill();
                fs::remove_dir_all(run.server.server.path("store")).unwrap();
                run.server.server.start_again();
            }
            _ => lose_power(run),
        }
    }
}

/// Another program sends a message, with a header that only the server may write, or without.
fn send(nats: &Nats, subject: &str, payload: &str) {
    let headers = "NATS/1.0\r\nNats-Sequence: 1\r\n\r\n";
    let (front, whole) = (headers.len(), headers.len() + payload.len());
    let _ = match payload.len() % 2 {
        0 => nats.server.request(subject, payload),
        _ => nats.server.send(&format!("HPUB {subject} {front} {whole}\r\n{headers}{payload}\r\n")),
    };
}

/// The server comes back with its files of some time ago.
fn lose_power(run: &mut Run<Nats>) {
    let (store, copy) = (run.server.server.path("store"), run.server.server.path("copy"));
    signal(&run.server.server.process, "-STOP");
    copy_all(&store, &copy);
    signal(&run.server.server.process, "-CONT");
    run.publish_for(700);
    run.server.server.kill();
    fs::remove_dir_all(&store).unwrap();
    fs::rename(&copy, &store).unwrap();
    run.server.server.start_again();
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().unwrap().is_dir() {
            true => copy_all(&path, &place),
            false => drop(fs::copy(&path, &place).unwrap()),
        }
    }
}

fn start(log_messages: u32) -> Option<Nats> {
    Some(Nats { server: NatsServer::start(&[])?, log_messages })
}

#[test]
fn a_real_jetstream_loses_nothing_behind_our_back() {
    run(Faults::All, start(300));
}

#[test]
fn a_real_jetstream_without_losses_makes_no_mark() {
    run(Faults::Lossless, start(1_000_000));
}

/// Names that would be several parts of a subject, watch others, or be refused.
const ODD: [&str; 7] = ["a.b", "a b", "*", ">", "", "\u{e4}\r\n", "a%2Eb"];

#[test]
fn a_topic_of_any_name_is_a_topic_of_its_own() {
    let Some(store) = start(100) else { return };
    let mut clock = Clock::start();
    let mut node = Node::new(1, clock.read());
    ODD.iter().for_each(|topic| node.exchange.watch(topic, 0));
    let end = clock.read().elapsed() + Duration::from_secs(10);
    for round in 0..2 {
        while !node.exchange.is_settled() {
            assert!(clock.read().elapsed() < end, "{round}: {:?}", node.exchange);
            node.turn(&store, clock.read());
        }
        if round == 0 {
            ODD.into_iter().for_each(|topic| node.publish(topic, clock.read()));
        }
    }
    while !ODD.iter().all(|topic| node.recorder.sessions[*topic][0].seen.len() == 1) {
        assert!(clock.read().elapsed() < end, "{:?}", node.recorder);
        node.turn(&store, clock.read());
    }
}

/// Reads the newest entries of a topic: those of its first members.
#[test]
fn a_backlog_has_the_last_messages_in_order() {
    let Some(store) = start(1_000) else { return };
    let mut clock = Clock::start();
    let mut node = Node::new(1, clock.read());
    let end = clock.read().elapsed() + Duration::from_secs(20);
    for round in 0..400 {
        node.publish(if round % 7 == 0 { "a" } else { "b" }, clock.read());
        while round % 50 == 49 && !node.exchange.is_settled() {
            assert!(clock.read().elapsed() < end, "{:?}", node.exchange);
            node.turn(&store, clock.read());
        }
    }
    let mut link = store.connect().unwrap();
    let mut engine = store.engine(2, 1);
    let (mut out, mut input, mut found) = (Vec::new(), Vec::new(), Vec::new());
    engine.opening(&mut out);
    let mut has_ended = false;
    while !has_ended {
        engine.flush(&mut out);
        link.write_all(&out).unwrap();
        out.clear();
        let mut buffer = [0; 16384];
        let count = link.read(&mut buffer).unwrap();
        input.extend_from_slice(&buffer[..count]);
        let mut is_ready = false;
        let used = engine.on_data(&input, &mut |news| match news {
            News::Ready => is_ready = true,
            News::Past { at, after, record, .. } => {
                found.push((after, at, Record::decode(record).tag()));
            }
            News::PastEnd { .. } => has_ended = true,
            _ => {}
        });
        input.drain(..used.unwrap());
        if is_ready {
            let ask = Ask::Newest { topic: "a", above: 0, mark: b"mark", backlog: 20 };
            engine.ask(ask, &mut out);
        }
    }
    assert_eq!(found.len(), 21);
    for pair in found.windows(2) {
        assert_eq!(pair[1].0, Some(pair[0].1), "each follows the one before");
    }
}
