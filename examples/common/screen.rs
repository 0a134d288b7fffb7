//! Standard output for data from a peer. On a terminal, control characters other than line ends and
//! tabs are escaped; a pipe gets the bytes unchanged.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Stdout, Write};
use std::str;

/// Standard output. A write blocks the loop on purpose: the client must not read faster than it can
/// print.
pub(crate) struct Screen {
    out: Stdout,
    pub(crate) is_terminal: bool,
    /// The first bytes of an incomplete character.
    held: Vec<u8>,
}

impl Screen {
    pub(crate) fn new() -> Screen {
        let out = io::stdout();
        Screen { is_terminal: out.is_terminal(), out, held: Vec::new() }
    }

    /// Returns the complete characters after `bytes` have arrived. Keeps at most three bytes for
    /// the next call.
    pub(crate) fn whole(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut whole = std::mem::take(&mut self.held);
        whole.extend_from_slice(bytes);
        let cut = whole.len() - begun_len(&whole);
        self.held = whole.split_off(cut);
        whole
    }

    /// Returns the bytes of a character that stays incomplete.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    pub(crate) fn print(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.is_terminal {
            true => self.out.write_all(harmless(bytes).as_bytes())?,
            false => self.out.write_all(bytes)?,
        }
        self.out.flush()
    }
}

/// Returns the number of bytes at the end that begin a character or a line end.
fn begun_len(bytes: &[u8]) -> usize {
    if bytes.ends_with(b"\r") {
        return 1;
    }
    // A character has at most four bytes, so at most three are incomplete.
    let tails = (1..=bytes.len().min(3)).rev();
    let is_begun = |len: &usize| {
        let tail = str::from_utf8(&bytes[bytes.len() - len..]);
        tail.is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    tails.into_iter().find(is_begun).unwrap_or(0)
}

/// Returns the text in `bytes` with control characters and characters that change the reading order
/// escaped. Line ends and tabs stay.
pub(crate) fn harmless(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for part in bytes.utf8_chunks() {
        for c in part.valid().replace("\r\n", "\n").chars() {
            match c {
                '\n' | '\t' => text.push(c),
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    text.extend(c.escape_default())
                }
                c if c.is_control() => text.extend(c.escape_default()),
                c => text.push(c),
            }
        }
        for byte in part.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}
