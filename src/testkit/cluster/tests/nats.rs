//! A real nats-server with JetStream.

use std::fs;
use std::path::Path;

use super::*;
use crate::backplane::nats::{JetStream, Settings};
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
        let count = if faults == Faults::All { 8 } else { 3 };
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
            3 | 4 => {
                let filter = format!("{{\"filter\":\"bp.t.{topic}\",\"keep\":3}}");
                let _ = run.server.server.request("$JS.API.STREAM.PURGE.bp", &filter);
            }
            5 => drop(run.server.server.request("$JS.API.STREAM.DELETE.bp", "")),
            6 => {
                run.server.server.kill();
                fs::remove_dir_all(run.server.server.path("store")).unwrap();
                run.server.server.start_again();
            }
            _ => lose_power(run),
        }
    }
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
