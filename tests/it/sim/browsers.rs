//! The simulation of the chat with browsers and members with lines, on any network.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use socketserver::protocol::ws::{Frame, Message, Role, Ws, WsLimits};
use socketserver::services::chat::Chat;
use socketserver::services::detect::{Detect, http};
use socketserver::testkit::{Action, Random, Script, Simulation};
use socketserver::{Limits, Mode, Protocol, Step};

use crate::ws::client::{HANDSHAKE, masked};

const ROOMS: [&str; 3] = ["lobby", "tea", "sea"];

/// Asks for this and that, and checks the order of all events.
struct Browser {
    to_send: Vec<Vec<u8>>,
    waits: usize,
    came: Vec<u8>,
    ws: Option<Ws>,
    /// The epoch and offset of the last event of each room it is in; `None` before the first.
    rooms: BTreeMap<String, Option<(String, u64)>>,
    events: Arc<AtomicUsize>,
}

impl Browser {
    fn new(random: &mut Random, events: Arc<AtomicUsize>) -> Browser {
        let head = "\r\nSec-WebSocket-Protocol: chat.v1.json\r\n\r\n";
        let mut to_send = vec![HANDSHAKE.replace("\r\n\r\n", head).into_bytes()];
        for n in 0..random.below(20) {
            let room = ROOMS[random.below(ROOMS.len())];
            let json = match random.below(8) {
                0 | 1 => format!(r#"{{"type":"join","room":"{room}"}}"#),
                2 => format!(r#"{{"type":"resume","rooms":{{"{room}":null,"lobby":null}}}}"#),
                3 => format!(r#"{{"type":"part","room":"{room}"}}"#),
                4 => format!(r#"{{"type":"nick","nick":"n{}"}}"#, random.below(6)),
                5 => format!(r#"{{"type":"who","room":"{room}"}}"#),
                6 => "no JSON".to_owned(),
                _ => format!(r#"{{"type":"say","room":"{room}","text":"{n}"}}"#),
            };
            to_send.push(masked(Frame::text(&json)));
        }
        Browser { to_send, waits: 0, came: Vec::new(), ws: None, rooms: BTreeMap::new(), events }
    }

    fn hear(&mut self, message: &Value) {
        let room = message["room"].as_str().unwrap_or_default().to_owned();
        match message["type"].as_str().unwrap() {
            "entered" => assert!(self.rooms.insert(room, None).is_none(), "entered twice"),
            "parted" => assert!(self.rooms.remove(&room).is_some(), "parted from outside"),
            "msg" | "joined" | "left" | "renamed" => {
                self.events.fetch_add(1, Ordering::Relaxed);
                let last = self.rooms.get_mut(&room).expect("an event of another room");
                let (epoch, offset) = message["id"].as_str().unwrap().split_once('-').unwrap();
                let id = (epoch.to_owned(), offset.parse::<u64>().unwrap());
                if let Some((epoch, offset)) = last {
                    assert_eq!(id, (epoch.clone(), *offset + 1), "not the next event");
                }
                *last = Some(id);
            }
            "names" => {
                let (epoch, offset) = self.rooms[&room].as_ref().expect("its own event");
                assert_eq!(message["id"], format!("{epoch}-{offset}"), "names of another time");
            }
            "mark" => panic!("no history is that short"),
            "hello" | "nick" | "notice" => {}
            other => panic!("{other}"),
        }
    }
}

impl Script for Browser {
    fn next(&mut self, random: &mut Random) -> Action {
        match self.to_send.is_empty() {
            _ if random.one_in(100) => Action::Reset,
            _ if random.one_in(3) => Action::Wait,
            false => Action::Send(self.to_send.remove(0)),
            // It does not stay until it is pinged.
            true if self.waits == 8 => Action::Shut,
            true => {
                self.waits += 1;
                Action::Wait
            }
        }
    }

    fn received(&mut self, bytes: &[u8]) {
        self.came.extend(bytes);
        if self.ws.is_none() {
            let end = self.came.windows(4).position(|four| four == b"\r\n\r\n");
            let Some(end) = end else { return };
            if !self.came.starts_with(b"HTTP/1.1 101 ") {
                // The server is stopping, or has waited too long.
                self.came.clear();
                return;
            }
            self.came.drain(..end + 4);
            self.ws = Some(Ws::new(Role::Client, Arc::new(WsLimits::default())));
        }
        let mut ws = self.ws.take().unwrap();
        let mut messages = Vec::new();
        loop {
            let used = match ws.decode(&mut self.came).unwrap() {
                Step::Message(Message::Text(text), used) => {
                    messages.push(serde_json::from_str(&text).unwrap());
                    used
                }
                Step::Message(_, used) | Step::Skip(used) => used,
                Step::NeedMore => break,
            };
            self.came.drain(..used);
        }
        self.ws = Some(ws);
        messages.iter().for_each(|message| self.hear(message));
    }
}

#[test]
fn each_browser_gets_the_events_of_its_rooms_one_after_the_other() {
    let events = Arc::new(AtomicUsize::new(0));
    // Not by `seeds`, which compares two runs: epochs are random.
    for seed in 0..300 {
        let chat = Chat::new().line_rate(3, Duration::from_millis(10));
        let web = chat.web();
        let service = Detect::new(chat).when(http, web);
        let client = |random: &mut Random| Browser::new(random, Arc::clone(&events));
        // Some hold hardly an event. A silent client ends by its idle time, before it is pinged.
        let high = 100 + 37 * seed as usize % 3000;
        let limits = Limits::default().output_low(high / 2).output_high(high);
        let simulation = Simulation::new(seed).limits(limits.idle(Some(Duration::from_secs(20))));
        let simulation = match seed % 3 {
            0 => simulation.mode(Mode::Reactors(3)),
            _ => simulation,
        };
        drop(simulation.run(service, client));
    }
    assert!(events.load(Ordering::Relaxed) > 1000, "too little was said");
}
