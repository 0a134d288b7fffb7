//! The records of events that nodes exchange. Must not know rooms or engines.
//!
//! ```text
//! 1 byte   version, 1
//! 1        kind: 1 said, 2 joined, 3 left, 4 renamed
//! 1        form of the author: 0 lines, 1 lines in messages, 2 events
//! 8        time in seconds since 1970
//! 4 + 8    chat and number of the person
//! 1 + n    nick
//! 1 + n    tag of what was said, or the earlier name of a renamed person
//! the rest text
//! ```

use std::str;

use crate::now::Now;
use crate::services::chat::event::{By, Event, Form, Namesake, Person, Told};

const VERSION: u8 = 1;

const SAID: u8 = 1;
const JOINED: u8 = 2;
const LEFT: u8 = 3;
const RENAMED: u8 = 4;

/// Returns the record of an event. Of something that is said it is the beginning, and the text
/// follows.
pub(super) fn encode(person: &Person, event: Event<'_>, now: Now) -> Vec<u8> {
    let (kind, extra, text) = match event {
        Event::Said { text, tag } => (SAID, tag.unwrap_or_default(), text),
        Event::Joined => (JOINED, "", ""),
        Event::Left => (LEFT, "", ""),
        Event::Renamed { was } => (RENAMED, was, ""),
    };
    let nick = person.nick.as_str();
    let mut record = Vec::with_capacity(25 + nick.len() + extra.len() + text.len());
    record.extend_from_slice(&[VERSION, kind, form(person.form)]);
    record.extend_from_slice(&now.unix_seconds().to_be_bytes());
    record.extend_from_slice(&person.by.chat.to_be_bytes());
    record.extend_from_slice(&person.by.number.to_be_bytes());
    append_short(&mut record, nick);
    append_short(&mut record, extra);
    record.extend_from_slice(text.as_bytes());
    record
}

/// Names have at most 128 bytes, and tags 32.
fn append_short(record: &mut Vec<u8>, text: &str) {
    record.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    record.extend_from_slice(text.as_bytes());
}

/// Returns the event of a record, and the form of its author. `None` for one of another version.
pub(super) fn decode(record: &[u8]) -> Option<(Told<'_>, Form)> {
    let ([version, kind, form], rest) = record.split_first_chunk()?;
    let (unix_seconds, rest) = rest.split_first_chunk()?;
    let (chat, rest) = rest.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (nick, rest) = short(rest)?;
    let (extra, text) = short(rest)?;
    let text = str::from_utf8(text).ok()?;
    let event = match *kind {
        SAID => Event::Said { text, tag: (!extra.is_empty()).then_some(extra) },
        JOINED => Event::Joined,
        LEFT => Event::Left,
        RENAMED => Event::Renamed { was: extra },
        _ => return None,
    };
    let by = By { chat: u32::from_be_bytes(*chat), number: u64::from_be_bytes(*number) };
    let unix_seconds = u64::from_be_bytes(*unix_seconds);
    let told = Told { nick, by, event, unix_seconds, namesake: Namesake::None };
    (*version == VERSION).then_some((told, form_of(*form)))
}

fn short(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (len, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*len))?;
    Some((str::from_utf8(text).ok()?, rest))
}

fn form(form: Form) -> u8 {
    match form {
        Form::Lines => 0,
        #[cfg(feature = "chat-web")]
        Form::Messages => 1,
        #[cfg(feature = "chat-web")]
        Form::Events => 2,
    }
}

fn form_of(byte: u8) -> Form {
    match byte {
        #[cfg(feature = "chat-web")]
        1 => Form::Messages,
        #[cfg(feature = "chat-web")]
        2 => Form::Events,
        _ => Form::Lines,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::chat::event::Reach;
    use crate::services::chat::name::Name;

    fn person() -> Person {
        let by = By { chat: 0xc0ff_ee00, number: 300 };
        Person { nick: Name::of_fit("ann"), by, form: Form::Lines, reach: Reach::Nodes }
    }

    #[test]
    fn events_are_read_as_they_were_written() {
        let now = Now::new(std::time::Duration::ZERO, 1_764_437_000);
        let person = person();
        for event in [
            Event::Said { text: "hello, 你好", tag: None },
            Event::Said { text: "", tag: Some("t-1") },
            Event::Joined,
            Event::Left,
            Event::Renamed { was: "bob" },
        ] {
            let record = encode(&person, event, now);
            assert_eq!(decode(&record), Some((person.tells(event, now), Form::Lines)));
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        let record = encode(&person(), Event::Joined, Now::default());
        for end in 0..record.len() {
            assert_eq!(decode(&record[..end]), None);
        }
        for (at, byte) in [(0, 2), (1, 0), (1, 9), (23, 200), (24, 0xff)] {
            let mut wrong = record.clone();
            wrong[at] = byte;
            assert_eq!(decode(&wrong), None, "{at}");
        }
    }
}
