//! The `kv` example: its commands on a network in memory, and the program on sockets.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use socketserver::protocol::line::Lines;
use socketserver::testkit::{Client, Network};
use socketserver::{Framed, Limits};

use crate::hub::network::take_all;
use crate::support::output;
use crate::support::real::{Example, run_example};

#[path = "../../../examples/kv.rs"]
#[allow(dead_code, reason = "the program is run as a process")]
mod example;

use example::{KEYS_MAX, LINE_MAX, TICK, WATCHED_MAX};

/// A server without a socket, and the clients that connect to it.
struct Memory {
    network: Network,
    prototype: example::Client,
}

impl Memory {
    fn new() -> Memory {
        let mut network = Network::new(Limits::default().idle(None).first_byte(None));
        let prototype = example::Client::default();
        let store = Arc::clone(&prototype.store);
        network.every(TICK, move |cx| example::expire(&store, cx));
        Memory { network, prototype }
    }

    fn connect(&mut self) -> Client {
        let lines = Lines::with_limit(LINE_MAX);
        self.network.connect(Framed::new(lines, self.prototype.clone()))
    }

    /// Sends a line. Returns all that the client has received since the last call.
    fn ask(&mut self, client: Client, line: &str) -> String {
        self.network.send(client, format!("{line}\n").as_bytes());
        self.received(client)
    }

    fn received(&mut self, client: Client) -> String {
        String::from_utf8(take_all(&mut self.network, client)).unwrap()
    }
}

#[test]
fn values_are_set_replaced_and_deleted() {
    let mut memory = Memory::new();
    let [ann, bob] = [memory.connect(), memory.connect()];
    assert_eq!(memory.ask(ann, "GET sky"), "NONE\n");
    assert_eq!(memory.ask(ann, "SET sky blue"), "OK\n");
    assert_eq!(memory.ask(bob, "GET sky"), "VALUE blue\n");
    assert_eq!(memory.ask(bob, "SET sky \u{1f324}"), "OK\n");
    assert_eq!(memory.ask(ann, "GET sky"), "VALUE \u{1f324}\n");
    assert_eq!(memory.ask(ann, "DEL sky"), "OK\n");
    assert_eq!(memory.ask(ann, "DEL sky"), "NONE\n");
    assert_eq!(memory.ask(bob, "GET sky"), "NONE\n");
}

#[test]
fn a_key_expires_at_its_time() {
    let mut memory = Memory::new();
    let client = memory.connect();
    assert_eq!(memory.ask(client, "SET short x 2"), "OK\n");
    assert_eq!(memory.ask(client, "SET long x 3"), "OK\n");
    assert_eq!(memory.ask(client, "SET kept x 2"), "OK\n");
    assert_eq!(memory.ask(client, "SET kept y"), "OK\n");
    memory.network.advance(Duration::from_millis(1999));
    assert_eq!(memory.ask(client, "GET short"), "VALUE x\n");
    memory.network.advance(Duration::from_millis(1));
    assert_eq!(memory.ask(client, "GET short"), "NONE\n");
    assert_eq!(memory.ask(client, "DEL short"), "NONE\n");
    assert_eq!(memory.ask(client, "GET long"), "VALUE x\n");
    memory.network.advance(Duration::from_secs(3600));
    assert_eq!(memory.ask(client, "GET long"), "NONE\n");
    assert_eq!(memory.ask(client, "GET kept"), "VALUE y\n");
    assert_eq!(memory.prototype.store.lock().unwrap().len(), 1);
}

#[test]
fn watchers_learn_of_each_change_by_any_connection() {
    let mut memory = Memory::new();
    let [ann, bob, other] = [memory.connect(), memory.connect(), memory.connect()];
    assert_eq!(memory.ask(ann, "SET sky grey"), "OK\n");
    assert_eq!(memory.ask(ann, "WATCH sky"), "OK\n");
    assert_eq!(memory.ask(bob, "WATCH sky"), "OK\n");
    assert_eq!(memory.ask(other, "WATCH sea"), "OK\n");

    assert_eq!(memory.ask(ann, "SET sky blue"), "* sky SET blue\nOK\n");
    assert_eq!(memory.ask(bob, "DEL sky"), "* sky SET blue\n* sky DEL\nOK\n");
    assert_eq!(memory.ask(other, "SET sky red 1"), "OK\n");
    assert_eq!(memory.ask(other, "SET sky red now"), "ERROR that is not a number of seconds\n");
    memory.network.advance(Duration::from_secs(1) + TICK);
    assert_eq!(memory.received(ann), "* sky DEL\n* sky SET red\n* sky EXPIRED\n");
    assert_eq!(memory.received(bob), "* sky SET red\n* sky EXPIRED\n");
    assert_eq!(memory.received(other), "");
}

#[test]
fn a_silent_watcher_stays_connected() {
    let mut memory = Memory::new();
    let [watcher, writer] = [memory.connect(), memory.connect()];
    assert_eq!(memory.ask(watcher, "WATCH sky"), "OK\n");
    memory.network.advance(Duration::from_secs(3600));
    assert_eq!(memory.ask(writer, "SET sky blue"), "OK\n");
    assert_eq!(memory.received(watcher), "* sky SET blue\n");
}

#[test]
fn a_client_cannot_make_the_server_grow_without_bound() {
    let mut memory = Memory::new();
    let client = memory.connect();
    for key in 0..KEYS_MAX {
        memory.network.send(client, format!("SET {key} x\n").as_bytes());
        if key % 1000 == 0 {
            memory.received(client);
        }
    }
    memory.received(client);
    assert_eq!(memory.ask(client, "SET more x"), "ERROR too many keys\n");
    assert_eq!(memory.ask(client, "SET 7 y"), "OK\n");
    assert_eq!(memory.ask(client, "DEL 7"), "OK\n");
    assert_eq!(memory.ask(client, "SET more x"), "OK\n");

    for key in 0..WATCHED_MAX {
        assert_eq!(memory.ask(client, &format!("WATCH {key}")), "OK\n");
    }
    assert_eq!(memory.ask(client, "WATCH more"), "ERROR too many keys\n");

    let longest = format!("SET k {}", "v".repeat(LINE_MAX - 6));
    assert_eq!(memory.ask(client, &longest), "ERROR too many keys\n");
    assert_eq!(memory.ask(client, &format!("{longest}v")), "ERROR the line is too long\n");
}

#[test]
fn other_lines_get_one_line_that_says_why() {
    let mut memory = Memory::new();
    let client = memory.connect();
    let usage = "ERROR write SET key value [seconds], GET key, DEL key or WATCH key\n";
    for line in ["", " ", "get k", "GET", "GET a b", "SET k", "SET k v 1 2", "QUIT"] {
        assert_eq!(memory.ask(client, line), usage, "{line}");
    }
    for seconds in ["-1", "1.5", "4294967296", "soon"] {
        let answer = memory.ask(client, &format!("SET k v {seconds}"));
        assert_eq!(answer, "ERROR that is not a number of seconds\n");
    }
    memory.network.send(client, b"GET \xff\n");
    assert_eq!(memory.received(client), "ERROR the line is not UTF-8\n");
    assert_eq!(memory.ask(client, "GET k"), "NONE\n");
}

#[test]
fn the_program_serves_clients_and_stops_on_a_signal() {
    let example = Example::at("kv", "127.0.0.1:0");
    let [mut watcher, mut writer] = [example.client(), example.client()];
    let mut watched = output::Lines::of(watcher.try_clone().unwrap());
    let mut answers = output::Lines::of(writer.try_clone().unwrap());
    watcher.write_all(b"WATCH sky\n").unwrap();
    assert_eq!(watched.next("answer").unwrap(), "OK\n");
    writer.write_all(b"SET sky blue 1\r\nGET sky\r\n").unwrap();
    assert_eq!(answers.next("answer").unwrap(), "OK\n");
    assert_eq!(answers.next("answer").unwrap(), "VALUE blue\n");
    assert_eq!(watched.next("change").unwrap(), "* sky SET blue\n");
    assert_eq!(watched.next("expiry").unwrap(), "* sky EXPIRED\n");
    example.signal("TERM");
    assert_eq!(watched.next("end"), None);
    assert_eq!(example.join(), (Some(0), String::new()));
}

#[test]
fn an_address_that_cannot_be_used_is_reported_in_one_line() {
    let output = run_example("kv", &["nowhere"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.starts_with("kv: ") && said.contains("nowhere"), "{said}");
}
