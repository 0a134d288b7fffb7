//! The stream of JetStream: its settings, and its answers. Knows no connection.

use super::json::{elements, field, number, text};
use crate::close::Close;

/// The name of the stream.
pub(super) const STREAM: &str = "bp";
/// The front of the subjects of topics in the stream, and of their copies for subscribers.
pub(super) const LOG: &str = "bp.t.";
pub(super) const LIVE: &str = "bp_live.t.";
/// The same for the probes of nodes.
pub(super) const PROBED: &str = "bp.n.";
pub(super) const PROBED_LIVE: &str = "bp_live.n.";

/// The time in which JetStream knows a message again by its id.
const DUPLICATES_MS: u64 = 120_000;
/// The codes of errors of JetStream.
const IN_USE: u64 = 10058;
const WRONG_LAST_SEQUENCE: u64 = 10071;

/// The settings that this program wants.
pub(super) fn config(log_messages: u32, retention_ms: u64) -> String {
    let nanos = |ms: u64| ms.saturating_mul(1_000_000);
    let (age, duplicates) = (nanos(retention_ms), nanos(DUPLICATES_MS.min(retention_ms)));
    format!(
        "{{\"name\":\"{STREAM}\",\"subjects\":[\"bp.>\"],\"retention\":\"limits\",\
         \"storage\":\"file\",\"discard\":\"old\",\"max_consumers\":-1,\"max_msgs\":-1,\
         \"max_bytes\":-1,\"max_msg_size\":-1,\"num_replicas\":1,\"max_age\":{age},\
         \"max_msgs_per_subject\":{log_messages},\"duplicate_window\":{duplicates},\
         \"allow_direct\":true,\"republish\":{{\"src\":\"bp.>\",\"dest\":\"bp_live.>\"}}}}"
    )
}

/// The answer of JetStream to a message of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// The message has this number, also one that was there before.
    At(u64),
    /// The message was to be the first of its subject, and is not.
    NotFirst,
}

/// # Errors
///
/// If the message was refused.
pub(super) fn stored(answer: &[u8]) -> Result<Stored, Close> {
    match (failure(answer), field(answer, "seq").and_then(number)) {
        (Some((WRONG_LAST_SEQUENCE, _)), _) => Ok(Stored::NotFirst),
        (Some((_, why)), _) => Err(refused(&why)),
        (None, Some(seq @ 1..)) => Ok(Stored::At(seq)),
        (None, _) => Err(Close::failed("NATS: an answer without a sequence number")),
    }
}

/// Judges the answer to the request for a new stream. If there is one with other settings, the next
/// answer tells them.
pub(super) fn created(answer: &[u8]) -> Result<(), Close> {
    match failure(answer) {
        None | Some((IN_USE, _)) => Ok(()),
        Some((_, why)) => Err(refused(&why)),
    }
}

/// A stream that can be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// When it was created, in nanoseconds since 1970. A store that was emptied gets a new one.
    pub(super) epoch: u64,
    /// The settings that are not as wanted, though it can be used.
    pub(super) differences: Vec<String>,
}

/// Reads the description of the stream.
///
/// # Errors
///
/// If there is none, or it cannot be used.
pub(super) fn found(answer: &[u8], wanted: &str) -> Result<Found, Close> {
    if let Some((_, why)) = failure(answer) {
        return Err(refused(&why));
    }
    let (epoch, config) = field(answer, "created")
        .and_then(text)
        .and_then(|time| nanos(&time))
        .zip(field(answer, "config"))
        .ok_or_else(|| Close::failed("NATS: a stream without the time of its creation"))?;
    let wanted = wanted.as_bytes();
    let republish = field(config, "republish").unwrap_or_default();
    let inner = |object, name| field(object, name).and_then(text);
    let republishes = inner(republish, "src").as_deref() == Some("bp.>")
        && inner(republish, "dest").as_deref() == Some("bp_live.>")
        && field(republish, "headers_only").is_none_or(|value| value == b"false");
    let takes = |subject: &[u8]| text(subject).as_deref() == Some("bp.>");
    let subjects = field(config, "subjects").unwrap_or_default();
    let is_direct = field(config, "allow_direct") == Some(b"true");
    let is_log = inner(config, "retention").as_deref() == Some("limits");
    if !(republishes && is_direct && is_log && elements(subjects).any(takes)) {
        return Err(Close::failed(
            "NATS: the stream bp cannot be used: it must take bp.>, republish it to bp_live.>, \
             allow direct gets and keep messages by limits (NATS 2.9 or later); remove it",
        ));
    }
    let names =
        ["storage", "discard", "max_age", "max_msgs_per_subject", "max_bytes", "duplicate_window"];
    let differences = names.iter().filter_map(|name| {
        let (has, wants) = (field(config, name)?, field(wanted, name)?);
        let [has, wants] = [has, wants].map(|value| value.escape_ascii().to_string());
        (has != wants).then(|| format!("{name} is {has} instead of {wants}"))
    });
    Ok(Found { epoch, differences: differences.collect() })
}

/// Returns the code and the description of an error.
fn failure(answer: &[u8]) -> Option<(u64, String)> {
    let error = field(answer, "error")?;
    let code = field(error, "err_code").and_then(number).unwrap_or(0);
    let why = field(error, "description").and_then(text).unwrap_or_default();
    Some((code, why))
}

pub(super) fn refused(why: &str) -> Close {
    // A `Close` escapes the text where it is shown.
    Close::failed(format!("NATS: {why}"))
}

/// Returns the nanoseconds since 1970 of a time of RFC 3339 in UTC, such as
/// `2026-11-29T21:06:35.732824178Z`.
fn nanos(time: &str) -> Option<u64> {
    let (date, clock) = time.strip_suffix('Z')?.split_once('T')?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let [year, month, day] = numbers(date.split('-'))?;
    let [hour, minute, second] = numbers(clock.split(':'))?;
    let is_valid = (1970..2500).contains(&year) && (1..=12).contains(&month);
    let is_valid = is_valid && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    if !is_valid || fraction.len() > 9 {
        return None;
    }
    // Years begin in March, so that the day of a leap year is the last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = (year * 365 + leap_days + (153 * month + 2) / 5 + day).checked_sub(719_469)?;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    let nanos: u64 = format!("{fraction:0<9}").parse().ok()?;
    Some(seconds * 1_000_000_000 + nanos)
}

fn numbers<'a>(parts: impl Iterator<Item = &'a str>) -> Option<[u64; 3]> {
    let parts: Vec<u64> = parts.map(|part| part.parse().ok()).collect::<Option<_>>()?;
    parts.try_into().ok()
}

/// Appends a topic as one part of a subject. Any name is possible: bytes besides letters, digits,
/// `-` and `_` are written as `%` and two hexadecimal digits, and the name ends in `.` at no place.
pub(super) fn append_topic(out: &mut Vec<u8>, topic: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if topic.is_empty() {
        out.push(b'%');
    }
    for byte in topic.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => out.push(byte),
            _ => out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_nanoseconds() {
        assert_eq!(nanos("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(nanos("2000-02-29T12:00:00.5Z"), Some(951_825_600_500_000_000));
        assert_eq!(nanos("2026-11-29T21:06:35.732824178Z"), Some(1_795_986_395_732_824_178));
        for bad in ["", "Z", "2026-11-29", "2026-13-29T21:06:35Z", "0001-01-01T00:00:00Z"] {
            assert_eq!(nanos(bad), None, "{bad}");
        }
        assert_eq!(nanos("2026-11-29T21:06:35+01:00"), None);
        assert_eq!(nanos("2026-11-29T21:06:35.Z"), nanos("2026-11-29T21:06:35Z"));
    }

    #[test]
    fn any_topic_is_one_part_of_a_subject() {
        let cases = [
            ("chat:lobby", "chat%3Alobby"),
            ("a.b *>\r\n", "a%2Eb%20%2A%3E%0D%0A"),
            ("", "%"),
            ("%", "%25"),
            ("\u{e4}-_Z9", "%C3%A4-_Z9"),
        ];
        for (topic, expected) in cases {
            let mut out = Vec::new();
            append_topic(&mut out, topic);
            assert_eq!(str::from_utf8(&out).unwrap(), expected);
        }
    }

    fn info(config: &str) -> String {
        format!("{{\"config\":{config},\"created\":\"1970-01-01T00:00:01.5Z\"}}")
    }

    #[test]
    fn a_stream_as_wanted_or_with_differences_is_used() {
        let wanted = config(100, 60_000);
        let as_wanted = found(info(&wanted).as_bytes(), &wanted).unwrap();
        assert_eq!(as_wanted, Found { epoch: 1_500_000_000, differences: Vec::new() });
        let other = found(info(&config(50, 60_000)).as_bytes(), &wanted).unwrap();
        assert_eq!(other.differences, ["max_msgs_per_subject is 50 instead of 100"]);
        let escaped = wanted.replace('>', "\\u003e");
        assert!(found(info(&escaped).as_bytes(), &wanted).is_ok());
    }

    #[test]
    fn a_stream_that_cannot_be_used_is_an_error() {
        let wanted = config(100, 60_000);
        for (of, with) in [
            ("bp_live.>", "other.>"),
            ("\"allow_direct\":true", "\"allow_direct\":false"),
            ("\"limits\"", "\"workqueue\""),
            ("[\"bp.>\"]", "[\"bp.a\"]"),
            ("dest\":", "headers_only\":true,\"dest\":"),
        ] {
            let config = wanted.replace(of, with);
            assert!(config != wanted && found(info(&config).as_bytes(), &wanted).is_err(), "{of}");
        }
        assert!(found(br#"{"error":{"code":404,"description":"no"}}"#, &wanted).is_err());
        assert!(found(b"", &wanted).is_err());
    }

    #[test]
    fn answers_to_messages_are_numbers_or_errors() {
        assert_eq!(stored(br#"{"stream":"bp", "seq":3,"duplicate": true}"#), Ok(Stored::At(3)));
        let wrong = br#"{"error":{"code":400,"err_code":10071,"description":"x"},"seq":0}"#;
        assert_eq!(stored(wrong), Ok(Stored::NotFirst));
        let full = br#"{"error":{"code":503,"err_code":10023,"description":"full"},"seq":0}"#;
        assert_eq!(stored(full).unwrap_err().to_string(), "handler failed: NATS: full");
        assert!(stored(b"{}").is_err() && stored(b"x").is_err());
    }
}
