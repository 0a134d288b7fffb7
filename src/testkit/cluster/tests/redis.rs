//! A real redis-server.

use std::fs::OpenOptions;

use super::*;
use crate::backplane::redis::{Redis, Settings, topic_key};
use crate::protocol::resp::append_command;
use crate::testkit::redis_server::RedisServer;

impl Store for RedisServer {
    fn connect(&self) -> io::Result<Box<dyn Pipe>> {
        Ok(Box::new(RedisServer::connect(self)?))
    }

    fn engine(&self, node: u64, generation: u64) -> Box<dyn Engine> {
        Box::new(Redis::new(Settings {
            node,
            generation,
            login: None,
            database: 0,
            log_messages: 100_000,
            retention_ms: 1_000_000,
        }))
    }

    fn fault(run: &mut Run<RedisServer>, faults: Faults) {
        let key = topic_key(run.topic());
        let count = if faults == Faults::All { 10 } else { 4 };
        match run.random.below(count) {
            0 => command(&run.server, &[b"SCRIPT", b"FLUSH"]),
            1 => {
                command(&run.server, &[b"CONFIG", b"SET", b"maxmemory", b"1"]);
                run.turns_for(Duration::from_millis(30));
                command(&run.server, &[b"CONFIG", b"SET", b"maxmemory", b"0"]);
            }
            2 => {
                signal(&run.server.process, "-STOP");
                run.turns_for(Duration::from_millis(400));
                signal(&run.server.process, "-CONT");
            }
            3 => {
                let channel =
                    if run.random.one_in(2) { key } else { b"bp:node:0000000000000001".into() };
                let junk = [&b""[..], b"hello", b"5-1 hello", b"1", &[b'x'; 100_000]];
                command(&run.server, &[b"PUBLISH", &channel, junk[run.random.below(junk.len())]]);
            }
            4 if run.random.one_in(2) => {
                let id =
                    if run.random.one_in(4) { "*" } else { "2000000000000-18446744073709551615" };
                let long = vec![b'x'; 1 + run.random.below(100_000)];
                command(&run.server, &[b"XADD", &key, id.as_bytes(), b"m", b"foo", b"bar", &long]);
            }
            4 => command(&run.server, &[b"FLUSHALL"]),
            5 => command(&run.server, &[b"DEL", &key]),
            6 => {
                run.server.kill();
                run.server.start_again();
            }
            _ => {
                let bytes = 1 + run.random.below(20_000) as u64;
                lose_power(&mut run.server, bytes);
            }
        }
    }
}

fn command(server: &RedisServer, parts: &[&[u8]]) {
    let Ok(mut stream) = server.connect() else { return };
    let mut out = Vec::new();
    append_command(&mut out, parts);
    let _ = stream.write_all(&out).and_then(|()| stream.read(&mut [0; 64]));
}

/// Takes the last bytes of the append-only file, as a power failure may.
fn lose_power(server: &mut RedisServer, bytes: u64) {
    server.kill();
    let path = server.path("appendonlydir/appendonly.aof.1.incr.aof");
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len().saturating_sub(bytes)).unwrap();
    server.start_again();
}

fn start() -> Option<RedisServer> {
    RedisServer::start(&["--appendonly", "yes", "--aof-use-rdb-preamble", "no"])
}

#[test]
fn a_real_server_loses_nothing_behind_our_back() {
    run(Faults::All, start());
}

#[test]
fn a_real_server_without_losses_makes_no_mark() {
    run(Faults::Lossless, start());
}
