//! The messages of `chat.v1.json` to a browser, as text: the tables in `docs/chat.md`. Must not
//! know connections.

use std::fmt::{self, Display, Write};

use crate::history::{Gap, Position};
use crate::services::chat::event::{By, Event, Namesake, Told};
use crate::services::chat::name::Name;

/// A text in quotation marks. Those of this protocol have no controls but tab, which are replaced
/// before.
pub(super) struct Quoted<T>(pub(super) T);

/// Returns the message of an event.
pub(super) fn event(room: &Name, id: impl Display, told: &Told<'_>) -> String {
    let (kind, key) = match told.event {
        Event::Said { .. } => ("msg", "from"),
        Event::Joined => ("joined", "nick"),
        Event::Left => ("left", "nick"),
        Event::Renamed { .. } => ("renamed", "nick"),
    };
    let (room, nick, by) = (Quoted(room), Quoted(told.nick), told.by);
    let mut text =
        format!(r#"{{"type":"{kind}","room":{room},"id":"{id}","{key}":{nick},"by":"{by}""#);
    // Writing to a string cannot fail.
    let _ = match told.event {
        Event::Said { text: said, .. } => write!(text, r#","text":{}"#, Quoted(said)),
        Event::Renamed { was } => write!(text, r#","was":{}"#, Quoted(was)),
        Event::Joined | Event::Left => Ok(()),
    };
    text.push_str(match told.namesake {
        Namesake::None => "",
        #[cfg(feature = "backplane")]
        Namesake::Stays => r#","namesake":true"#,
    });
    let _ = write!(text, r#","time":{}"#, told.unix_seconds.saturating_mul(1000));
    if let Event::Said { tag: Some(tag), .. } = told.event {
        let _ = write!(text, r#","tag":{}"#, Quoted(tag));
    }
    text.push('}');
    text
}

pub(super) fn hello(nick: &Name, by: By, lobby: &Name, rooms: usize, text: usize) -> String {
    let mut hello = format!(r#"{{"type":"hello","nick":{},"you":"{by}""#, Quoted(nick));
    let _ = write!(hello, r#","lobby":{},"rooms_max":{rooms},"text_max":{text}}}"#, Quoted(lobby));
    hello
}

pub(super) fn nick(nick: &Name) -> String {
    format!(r#"{{"type":"nick","nick":{}}}"#, Quoted(nick))
}

pub(super) fn entered(room: &Name, asked: &str) -> String {
    let (room, asked) = (Quoted(room), Quoted(asked));
    format!(r#"{{"type":"entered","room":{room},"asked":{asked}}}"#)
}

pub(super) fn parted(room: &Name) -> String {
    format!(r#"{{"type":"parted","room":{}}}"#, Quoted(room))
}

pub(super) fn names(
    room: &Name,
    id: Position,
    count: impl Display,
    names: &[impl Display],
) -> String {
    let room = Quoted(room);
    let mut text =
        format!(r#"{{"type":"names","room":{room},"id":"{id}","count":{count},"names":["#);
    for (at, name) in names.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(text, "{comma}{}", Quoted(name));
    }
    text + "]}"
}

pub(super) fn mark(room: &Name, id: Position, gap: Gap) -> String {
    let room = Quoted(room);
    match gap {
        Gap::Trimmed(count) => {
            format!(r#"{{"type":"mark","room":{room},"id":"{id}","missed":{count}}}"#)
        }
        Gap::Epoch | Gap::Unknown => format!(r#"{{"type":"mark","room":{room},"id":"{id}"}}"#),
    }
}

pub(in crate::services::chat) fn notice(
    code: &str,
    text: impl Display,
    room: Option<&str>,
    tag: Option<&str>,
) -> String {
    let mut message = format!(r#"{{"type":"notice","code":"{code}","text":{}"#, Quoted(text));
    for (key, value) in [("room", room), ("tag", tag)] {
        if let Some(value) = value {
            let _ = write!(message, r#","{key}":{}"#, Quoted(value));
        }
    }
    message + "}"
}

impl<T: Display> Display for Quoted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"")?;
        write!(Escaping(f), "{}", self.0)?;
        write!(f, "\"")
    }
}

/// Escapes the text that is written to it (RFC 8259, section 7).
struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| c < ' ' || c == '"' || c == '\\') {
            let (plain, from) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut chars = from.chars();
            match chars.next() {
                Some(c @ ('"' | '\\')) => write!(self.0, "\\{c}")?,
                Some('\t') => self.0.write_str("\\t")?,
                Some(c) => write!(self.0, "\\u{:04x}", u32::from(c))?,
                None => {}
            }
            rest = chars.as_str();
        }
        self.0.write_str(rest)
    }
}
