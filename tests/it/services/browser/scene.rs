//! A chat at one port on the network in memory, with members of both kinds.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use socketserver::protocol::ws::Frame;
use socketserver::services::chat::Chat;
use socketserver::services::detect::{Detect, http};
use socketserver::testkit::{Client, Network};
use socketserver::{Incoming, Limits, Peer as Address, Service};

use crate::hub::network::take_all;
use crate::support::handlers::patient;
use crate::ws::client::{HANDSHAKE, Peer};

/// The chat and its network.
pub(super) struct Scene {
    pub(super) network: Network,
    service: Detect,
}

/// A member with a browser. Checks that the events of each room have consecutive positions.
pub(super) struct Browser {
    peer: Peer,
    pub(super) you: String,
    /// The last id of each room.
    pub(super) ids: BTreeMap<String, String>,
}

/// A chat whose members may send as fast as they like.
pub(super) fn chat() -> Chat {
    Chat::new().line_rate(1, Duration::ZERO)
}

/// The handshake of a browser.
pub(super) fn handshake(fields: &str) -> String {
    let fields = format!("Sec-WebSocket-Protocol: chat.v1.json\r\n{fields}\r\n");
    HANDSHAKE.replace("\r\n\r\n", &format!("\r\n{fields}"))
}

impl Scene {
    pub(super) fn new() -> Scene {
        Scene::of(chat(), Network::new(patient()))
    }

    pub(super) fn of(chat: Chat, network: Network) -> Scene {
        let web = chat.web();
        Scene { network, service: Detect::new(chat).when(http, web) }
    }

    /// The same chat in each mode.
    pub(super) fn in_each_mode() -> [Scene; 3] {
        let limits: fn() -> Limits = patient;
        [
            Network::new(limits()),
            Network::with_workers(limits()),
            Network::with_reactors(limits(), 2),
        ]
        .map(|network| Scene::of(chat(), network))
    }

    pub(super) fn connect(&mut self) -> Client {
        let handler = self.service.accept(Incoming::from(Address::unix()));
        self.network.connect(handler.expect("a handler"))
    }

    /// Connects a member with lines, and returns it with its greeting.
    pub(super) fn nc(&mut self) -> Client {
        let client = self.connect();
        self.network.advance(Duration::from_millis(300));
        let greeting = self.hear(client);
        assert!(greeting.starts_with("* welcome: you are guest-"), "{greeting}");
        client
    }

    /// The lines for a member since the last call.
    pub(super) fn hear(&mut self, client: Client) -> String {
        self.network.settle();
        String::from_utf8(take_all(&mut self.network, client)).unwrap()
    }

    /// Sends a line, and returns the answer.
    pub(super) fn line(&mut self, client: Client, line: &str) -> String {
        self.network.send(client, format!("{line}\n").as_bytes());
        self.hear(client)
    }

    /// Connects a browser, which is in no room.
    pub(super) fn browser(&mut self) -> Browser {
        let client = self.connect();
        let peer = Peer::shake(&mut self.network, client, handshake("").as_bytes());
        let mut browser = Browser { peer, you: String::new(), ids: BTreeMap::new() };
        let hello = browser.messages(self);
        assert_eq!(hello[0]["type"], "hello");
        browser.you = hello[0]["you"].as_str().unwrap().to_owned();
        browser
    }

    /// Connects a browser with this name, which is in the lobby.
    pub(super) fn browser_called(&mut self, nick: &str) -> Browser {
        let mut browser = self.browser();
        browser.ask(self, &format!(r#"{{"type":"nick","nick":"{nick}"}}"#));
        browser.ask(self, r#"{"type":"join","room":"lobby"}"#);
        browser
    }
}

impl Browser {
    pub(super) fn client(&self) -> Client {
        self.peer.client
    }

    pub(super) fn send(&self, scene: &mut Scene, json: &str) {
        self.peer.send(&mut scene.network, Frame::text(json));
    }

    /// Says a text in a room.
    pub(super) fn say(&self, scene: &mut Scene, room: &str, text: &str) {
        let json = serde_json::json!({"type": "say", "room": room, "text": text});
        self.send(scene, &json.to_string());
    }

    /// Sends a message, and returns the short forms of the messages that come.
    pub(super) fn ask(&mut self, scene: &mut Scene, json: &str) -> Vec<String> {
        self.send(scene, json);
        self.heard(scene)
    }

    /// The short forms of the messages since the last call.
    pub(super) fn heard(&mut self, scene: &mut Scene) -> Vec<String> {
        self.messages(scene).iter().map(short).collect()
    }

    /// The messages since the last call; the end of the connection is `{"type":"close …"}`.
    pub(super) fn messages(&mut self, scene: &mut Scene) -> Vec<Value> {
        let texts = self.peer.heard(&mut scene.network);
        let parse = |text: &String| match text.starts_with('{') {
            true => serde_json::from_str(text).expect("JSON"),
            false => serde_json::json!({"type": text}),
        };
        let messages: Vec<Value> = texts.iter().map(parse).collect();
        messages.iter().for_each(|message| self.note(message));
        messages
    }

    fn note(&mut self, message: &Value) {
        if message["type"] == "parted" {
            // The next time, the history begins anew.
            self.ids.remove(message["room"].as_str().unwrap());
        }
        let (Some(id), Some(room)) = (message["id"].as_str(), message["room"].as_str()) else {
            return;
        };
        let last = self.ids.insert(room.to_owned(), id.to_owned());
        match message["type"].as_str().unwrap() {
            "mark" => {}
            "names" => assert_eq!(last.as_deref(), Some(id), "names come after their event"),
            _ => {
                if let Some(last) = last {
                    assert_eq!(id, following(&last), "consecutive events");
                }
            }
        }
    }
}

fn following(id: &str) -> String {
    let (epoch, offset) = id.split_once('-').unwrap();
    format!("{epoch}-{}", offset.parse::<u64>().unwrap() + 1)
}

/// A message as one readable line.
pub(super) fn short(message: &Value) -> String {
    let of = |key: &str| message[key].as_str().unwrap_or("-").to_owned();
    let kind = of("type");
    let room = of("room");
    match &*kind {
        "msg" => format!("{room} {}: {}", of("from"), of("text")),
        "joined" | "left" => format!("{room} {} {kind}", of("nick")),
        "renamed" => format!("{room} {} is now {}", of("was"), of("nick")),
        "nick" => format!("nick {}", of("nick")),
        "entered" | "parted" => format!("{kind} {room}"),
        "mark" => format!("mark {room} {}", message["missed"]),
        "names" => {
            let names = message["names"].as_array().unwrap().iter().map(|it| it.as_str().unwrap());
            let names: Vec<&str> = names.collect();
            assert!(message["count"].as_u64().unwrap() >= names.len() as u64);
            format!("names {room} {}: {}", message["count"], names.join(" "))
        }
        "notice" => format!("notice {} {}", of("code"), of("text")),
        other => other.to_owned(),
    }
}
