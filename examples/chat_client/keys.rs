//! Keys from the bytes of a terminal in raw mode. Must not know lines or the screen.

use std::str;

/// A key by its meaning on usual terminals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// A character that can be part of a line: never a control character.
    Char(char),
    Enter,
    Backspace,
    /// Ctrl-D, which deletes as well, unless the line is empty.
    DeleteOrEnd,
    Delete,
    Left,
    Right,
    WordLeft,
    WordRight,
    Home,
    End,
    Up,
    Down,
    CutToStart,
    CutToEnd,
    CutWord,
    Paste,
    ClearScreen,
    Interrupt,
    Suspend,
}

/// The longest escape sequence that is waited for. Longer ones are skipped.
const ESCAPE_MAX: usize = 32;

/// Splits input into keys.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// The bytes of a key that is not complete.
    held: Vec<u8>,
}

impl Keys {
    /// Returns the keys that are complete after `bytes` have arrived. Unknown sequences are
    /// skipped.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<Key> {
        self.held.extend_from_slice(bytes);
        let (mut keys, mut at) = (Vec::new(), 0);
        while let Some((len, key)) = first(&self.held[at..]) {
            keys.extend(key);
            at += len;
        }
        self.held.drain(..at);
        keys
    }
}

/// Returns the length of the first key, and the key if it is one. Returns `None` if more bytes are
/// needed.
fn first(bytes: &[u8]) -> Option<(usize, Option<Key>)> {
    match *bytes.first()? {
        b'\x1b' => escape(bytes),
        // The line end of a text that was pasted.
        b'\r' if bytes.get(1) == Some(&b'\n') => Some((2, Some(Key::Enter))),
        byte if byte.is_ascii_control() => Some((1, control(byte))),
        _ => character(bytes),
    }
}

fn character(bytes: &[u8]) -> Option<(usize, Option<Key>)> {
    let some = &bytes[..bytes.len().min(4)];
    let valid = match str::from_utf8(some) {
        Ok(text) => text,
        Err(error) if error.valid_up_to() > 0 => {
            str::from_utf8(&some[..error.valid_up_to()]).ok()?
        }
        // `None`: the rest of the character has not arrived.
        Err(error) => return error.error_len().map(|len| (len, Some(Key::Char('\u{fffd}')))),
    };
    let c = valid.chars().next()?;
    let key = if c.is_control() { None } else { Some(Key::Char(c)) };
    Some((c.len_utf8(), key))
}

fn control(byte: u8) -> Option<Key> {
    Some(match byte {
        1 => Key::Home,
        2 => Key::Left,
        3 => Key::Interrupt,
        4 => Key::DeleteOrEnd,
        5 => Key::End,
        6 => Key::Right,
        8 | 127 => Key::Backspace,
        10 | 13 => Key::Enter,
        11 => Key::CutToEnd,
        12 => Key::ClearScreen,
        14 => Key::Down,
        16 => Key::Up,
        21 => Key::CutToStart,
        23 => Key::CutWord,
        25 => Key::Paste,
        26 => Key::Suspend,
        _ => return None,
    })
}

/// Parses an escape sequence of a key (ECMA-48, 5.4), or a key that was typed with Alt.
fn escape(bytes: &[u8]) -> Option<(usize, Option<Key>)> {
    match *bytes.get(1)? {
        b'[' => {
            let rest = &bytes[2..];
            let is_middle = |byte: &u8| (0x20..0x40).contains(byte);
            let len = rest.iter().take_while(|byte| is_middle(byte)).count();
            match rest.get(len) {
                Some(end @ 0x40..=0x7e) => Some((len + 3, named(&rest[..len], *end))),
                None if len < ESCAPE_MAX => None,
                _ => Some((len + 2, None)),
            }
        }
        b'O' => bytes.get(2).map(|end| (3, named(b"", *end))),
        // Two escapes: the second one begins a key.
        b'\x1b' => Some((1, None)),
        b'b' => Some((2, Some(Key::WordLeft))),
        b'f' => Some((2, Some(Key::WordRight))),
        b'\x7f' => Some((2, Some(Key::CutWord))),
        byte if byte.is_ascii() => Some((2, None)),
        _ => Some((1, None)),
    }
}

/// Returns the key of a sequence with these parameters and this end. A modifier is the second
/// parameter, such as 5 for Ctrl.
fn named(parameters: &[u8], end: u8) -> Option<Key> {
    let has_modifier = parameters.contains(&b';');
    Some(match end {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' if has_modifier => Key::WordRight,
        b'C' => Key::Right,
        b'D' if has_modifier => Key::WordLeft,
        b'D' => Key::Left,
        b'H' => Key::Home,
        b'F' => Key::End,
        b'~' => match parameters.split(|byte| *byte == b';').next()? {
            b"1" | b"7" => Key::Home,
            b"3" => Key::Delete,
            b"4" | b"8" => Key::End,
            _ => return None,
        },
        _ => return None,
    })
}
