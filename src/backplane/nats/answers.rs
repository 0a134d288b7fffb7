//! The meaning of messages of the server. Knows no connection.

use super::json::{field, number};
use super::read::{Answer, Entry};
use super::stream::{self, STREAM, Stored};
use crate::backplane::record::MESSAGE_MAX;
use crate::close::Close;
use crate::protocol::nats::Message;

/// Judges the first words of the server.
pub(super) fn greeted(info: &[u8]) -> Result<(), Close> {
    let is = |name| field(info, name) == Some(b"true");
    if is("tls_required") {
        return Err(Close::failed("NATS: the server demands TLS, which is not supported"));
    }
    if !is("headers") {
        return Err(Close::failed("NATS: the server has no headers: it must be 2.9 or later"));
    }
    // The record around a message, and the headers of an answer.
    let needed = MESSAGE_MAX as u64 + 2048;
    match field(info, "max_payload").and_then(number) {
        Some(most) if most >= needed => Ok(()),
        _ => Err(Close::failed("NATS: max_payload of the server must be 64 KiB or more")),
    }
}

/// Reads the answer to a question of a read: a message of the stream, or the number of a mark.
/// `None` if its headers are those of another program.
pub(super) fn answer(message: &Message<'_>, subject: &[u8]) -> Result<Option<Answer>, Close> {
    if message.headers.is_empty() && message.payload.is_empty() {
        return Ok(None);
    }
    if message.headers.is_empty() {
        return Ok(Some(match stream::stored(message.payload)? {
            Stored::At(seq) => Answer::Appended(seq),
            Stored::NotFirst => Answer::NotFirst,
        }));
    }
    match message.status() {
        Some(404) => return Ok(Some(Answer::Nothing)),
        Some(status) => return Err(Close::failed(format!("NATS: status {status} of a read"))),
        None => {}
    }
    if message.last_header("Nats-Subject") != Some(subject) {
        return Ok(Some(Answer::Nothing));
    }
    let record = message.payload.into();
    Ok(sequence(message).map(|seq| Answer::Entry(Entry { seq, record })))
}

pub(super) fn sequence(message: &Message<'_>) -> Option<u64> {
    let seq = message.last_header("Nats-Sequence").and_then(number);
    seq.filter(|seq| (1..u64::MAX >> 1).contains(seq))
}

/// Returns true if the stream sent the message.
pub(super) fn is_copy(message: &Message<'_>) -> bool {
    // `bp_live.*` has the copies of `bp.*`.
    let place = message.subject.strip_prefix(b"bp_live");
    let original = message.last_header("Nats-Subject").and_then(|it| it.strip_prefix(b"bp"));
    message.last_header("Nats-Stream") == Some(STREAM.as_bytes())
        && original.is_some()
        && original == place
}
