//! The form of an entry in the log of a topic. Knows no engine.
//!
//! ```text
//! message   01 · node 8 · attempt 4 · varint seq · varint step · author 8 · the bytes
//! mark      02 · node 8 · varint number
//! ```
//!
//! The first byte is the version as well: a node skips an entry of a form that it does not know,
//! behind a mark, so nodes of two versions may run together. Topic, epoch and offset stand outside.

/// The longest message: 48 KiB.
pub(crate) const MESSAGE_MAX: usize = 48 * 1024;

const MESSAGE: u8 = 1;
const MARK: u8 = 2;

/// An entry of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    Message(Message<'a>),
    /// Messages may be missing before this entry.
    Mark {
        node: u64,
        number: u64,
    },
    /// An entry of a later version, or not one of ours.
    Unknown(&'a [u8]),
}

/// A published message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    /// A random number of each process.
    pub(crate) node: u64,
    /// Which connection of the node sent it. A message that is sent again is another entry: after a
    /// rollback it may get the id that it had, while an entry before it is lost.
    pub(crate) attempt: u32,
    /// Counts the messages of the node in all topics, from 1.
    pub(crate) seq: u64,
    /// `seq` minus that of the node's previous message in this topic; 0 if there was none.
    pub(crate) step: u64,
    /// The id of the publisher, which only its own node knows.
    pub(crate) author: u64,
    pub(crate) bytes: &'a [u8],
}

/// Identifies the content of an entry: an id of the engine may be given again to another entry
/// when a log was rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tag {
    form: u8,
    node: u64,
    seq: u64,
    attempt: u32,
}

impl<'a> Record<'a> {
    pub(crate) fn decode(record: &'a [u8]) -> Record<'a> {
        Record::parse(record).unwrap_or(Record::Unknown(record))
    }

    fn parse(record: &'a [u8]) -> Option<Record<'a>> {
        let (form, rest) = record.split_first()?;
        let (node, rest) = fixed(rest)?;
        match *form {
            MESSAGE => {
                let (attempt, rest) = rest.split_first_chunk()?;
                let attempt = u32::from_be_bytes(*attempt);
                let (seq, rest) = varint(rest)?;
                let (step, rest) = varint(rest)?;
                let (author, bytes) = fixed(rest)?;
                let is_possible = seq > 0 && step < seq;
                let message = Message { node, attempt, seq, step, author, bytes };
                is_possible.then_some(Record::Message(message))
            }
            MARK => match varint(rest)? {
                (number, []) => Some(Record::Mark { node, number }),
                _ => None,
            },
            _ => None,
        }
    }

    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        match self {
            Record::Message(message) => {
                out.push(MESSAGE);
                out.extend_from_slice(&message.node.to_be_bytes());
                out.extend_from_slice(&message.attempt.to_be_bytes());
                append_varint(out, message.seq);
                append_varint(out, message.step);
                out.extend_from_slice(&message.author.to_be_bytes());
                out.extend_from_slice(message.bytes);
            }
            Record::Mark { node, number } => {
                out.push(MARK);
                out.extend_from_slice(&node.to_be_bytes());
                append_varint(out, *number);
            }
            Record::Unknown(bytes) => out.extend_from_slice(bytes),
        }
    }

    pub(crate) fn tag(&self) -> Tag {
        match self {
            Record::Message(Message { node, seq, attempt, .. }) => {
                Tag { form: MESSAGE, node: *node, seq: *seq, attempt: *attempt }
            }
            Record::Mark { node, number } => {
                Tag { form: MARK, node: *node, seq: *number, attempt: 0 }
            }
            Record::Unknown(bytes) => {
                let seq = hash(HASH, bytes);
                Tag { form: 0, node: bytes.len() as u64, seq, attempt: 0 }
            }
        }
    }
}

/// The [`hash`] of nothing.
pub(crate) const HASH: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a: it decides only whether an unknown entry is still the same one.
pub(crate) fn hash(before: u64, bytes: &[u8]) -> u64 {
    let add = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(before, add)
}

/// Changes the attempt of an encoded message.
pub(crate) fn set_attempt(record: &mut [u8], attempt: u32) {
    if let [MESSAGE, rest @ ..] = record
        && let Some(place) = rest.get_mut(8..12)
    {
        place.copy_from_slice(&attempt.to_be_bytes());
    }
}

fn fixed(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), rest))
}

/// A number in groups of seven bits, the lowest first; the highest bit of a byte tells of another.
fn append_varint(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(0x80 | (number & 0x7f) as u8);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Returns the number at the front. Only its shortest form is taken.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        let group = u64::from(byte & 0x7f);
        let shifted = group << (7 * index);
        if shifted >> (7 * index) != group || (*byte == 0 && index > 0) {
            return None;
        }
        number |= shifted;
        if byte & 0x80 == 0 {
            return bytes.get(index + 1..).map(|rest| (number, rest));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(seq: u64, step: u64, bytes: &[u8]) -> Record<'_> {
        Record::Message(Message { node: u64::MAX - 1, attempt: 9, seq, step, author: 7, bytes })
    }

    fn encoded(record: &Record<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        record.append_to(&mut out);
        out
    }

    #[test]
    fn every_record_is_read_as_it_was_written() {
        for seq in [1, 2, 127, 128, 1 << 53, u64::MAX] {
            for step in [0, 1, seq / 2, seq - 1] {
                if step < seq {
                    let record = message(seq, step, b"hello");
                    assert_eq!(Record::decode(&encoded(&record)), record);
                }
            }
            let record = Record::Mark { node: 3, number: seq };
            assert_eq!(Record::decode(&encoded(&record)), record);
        }
    }

    #[test]
    fn a_truncated_record_is_unknown() {
        let record = encoded(&message(300, 200, b""));
        for end in 0..record.len() {
            let cut = &record[..end];
            assert_eq!(Record::decode(cut), Record::Unknown(cut), "{end}");
        }
        let record = encoded(&Record::Mark { node: 1, number: 300 });
        for end in 0..record.len() {
            let cut = &record[..end];
            assert_eq!(Record::decode(cut), Record::Unknown(cut), "{end}");
        }
    }

    #[test]
    fn an_impossible_record_is_unknown() {
        let later = [&[3][..], &[0; 30]].concat();
        let seq_is_0 = [&[1][..], &[0; 22]].concat();
        let step_is_seq = [&[1][..], &[0; 12], &[5, 5], &[0; 8]].concat();
        let long_form = [&[2][..], &[0; 8], &[0x85, 0x00]].concat();
        let too_large = [&[2][..], &[0; 8], &[0xff; 9], &[0x02]].concat();
        let has_more = [&[2][..], &[0; 8], &[5, 5]].concat();
        for bytes in [later, seq_is_0, step_is_seq, long_form, too_large, has_more] {
            assert_eq!(Record::decode(&bytes), Record::Unknown(&bytes));
        }
    }

    #[test]
    fn tags_differ_where_records_do() {
        let records = [
            message(1, 0, b""),
            message(2, 0, b""),
            Record::Mark { node: u64::MAX - 1, number: 1 },
            Record::Unknown(b"a"),
            Record::Unknown(b"b"),
        ];
        for (i, one) in records.iter().enumerate() {
            for (j, other) in records.iter().enumerate() {
                assert_eq!(one.tag() == other.tag(), i == j);
            }
        }
        assert_eq!(message(1, 0, b"").tag(), message(1, 0, b"other bytes").tag());
        let mut again = encoded(&message(1, 0, b""));
        set_attempt(&mut again, 10);
        assert_ne!(Record::decode(&again).tag(), message(1, 0, b"").tag());
        set_attempt(&mut again, 9);
        assert_eq!(Record::decode(&again), message(1, 0, b""));
    }
}
