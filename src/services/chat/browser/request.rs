//! The messages of `chat.v1.json` from a browser: the table in `docs/chat.md`. Must not know rooms
//! or members.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::history::Position;

/// A request of a browser. Names are not checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    Join { room: String, after: Option<Position> },
    Part { room: String },
    Say { room: String, text: String, tag: Option<String> },
    Nick { nick: String },
    Who { room: String },
    Resume { rooms: Vec<(String, Option<Position>)> },
}

/// The reason for which a message cannot be a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Defect {
    /// It is not an object, or a member has a wrong type.
    Json,
    Missing(&'static str),
    Unknown,
    Position,
    Tag,
}

const TAG_MAX: usize = 32;

impl Request {
    /// Parses a message, whose length is limited by the WebSocket. `serde_json` skips unknown
    /// values without recursion, and no known one is nested.
    pub(super) fn parse(text: &str) -> Result<Request, Defect> {
        let members: Members = serde_json::from_str(text).map_err(|_| Defect::Json)?;
        let Members { kind, room, text, tag, nick, after, rooms } = members;
        let room = || room.ok_or(Defect::Missing("room"));
        let kind = kind.ok_or(Defect::Missing("type"))?;
        Ok(match &*kind {
            "join" => Request::Join { room: room()?, after: position(after)? },
            "part" => Request::Part { room: room()? },
            "say" => {
                let text = text.ok_or(Defect::Missing("text"))?;
                Request::Say { room: room()?, text, tag: checked(tag)? }
            }
            "nick" => Request::Nick { nick: nick.ok_or(Defect::Missing("nick"))? },
            "who" => Request::Who { room: room()? },
            "resume" => {
                let rooms = rooms.ok_or(Defect::Missing("rooms"))?;
                let rooms = rooms.into_iter().map(|(room, after)| Ok((room, position(after)?)));
                Request::Resume { rooms: rooms.collect::<Result<_, Defect>>()? }
            }
            _ => return Err(Defect::Unknown),
        })
    }
}

fn position(text: Option<String>) -> Result<Option<Position>, Defect> {
    text.map(|text| text.parse().map_err(|_| Defect::Position)).transpose()
}

fn checked(tag: Option<String>) -> Result<Option<String>, Defect> {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    match tag {
        Some(tag) if !(1..=TAG_MAX).contains(&tag.len()) || !tag.bytes().all(is_fit) => {
            Err(Defect::Tag)
        }
        tag => Ok(tag),
    }
}

impl Defect {
    /// Returns the code of the notice about it.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Defect::Unknown => "unknown-type",
            _ => "bad-message",
        }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Defect::Json => f.write_str("send a JSON object whose members have the right types"),
            Defect::Missing(name) => write!(f, "the member \"{name}\" is missing"),
            Defect::Unknown => f.write_str("there is no such type: check its spelling"),
            Defect::Position => f.write_str("send an id as the server has sent it"),
            Defect::Tag => write!(
                f,
                "a tag has 1 to {TAG_MAX} letters, digits, hyphens and underscores of ASCII"
            ),
        }
    }
}

/// The members of an object that any message has. Of equal names the last one counts; unknown
/// ones are ignored; `null` is as good as none.
#[derive(Default)]
struct Members {
    kind: Option<String>,
    room: Option<String>,
    text: Option<String>,
    tag: Option<String>,
    nick: Option<String>,
    after: Option<String>,
    rooms: Option<BTreeMap<String, Option<String>>>,
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members, D::Error> {
        deserializer.deserialize_map(Collect)
    }
}

struct Collect;

impl<'de> Visitor<'de> for Collect {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Members::default();
        while let Some(name) = map.next_key::<String>()? {
            let member = match &*name {
                "type" => &mut members.kind,
                "room" => &mut members.room,
                "text" => &mut members.text,
                "tag" => &mut members.tag,
                "nick" => &mut members.nick,
                "after" => &mut members.after,
                "rooms" => {
                    members.rooms = map.next_value()?;
                    continue;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *member = map.next_value()?;
        }
        Ok(members)
    }
}
