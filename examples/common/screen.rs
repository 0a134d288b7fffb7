//! Standard output for what others sent. A terminal obeys control characters, so it is shown none
//! but line ends and tabs; a pipe gets the bytes as they are.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Stdout, Write};
use std::str;

/// Standard output. Writing to it blocks the loop, and that is what a client wants: the server is
/// not read faster than its bytes can be shown.
pub(crate) struct Screen {
    out: Stdout,
    pub(crate) is_terminal: bool,
    /// The beginning of a character whose rest has not come yet.
    held: Vec<u8>,
}

impl Screen {
    pub(crate) fn new() -> Screen {
        let out = io::stdout();
        Screen { is_terminal: out.is_terminal(), out, held: Vec::new() }
    }

    /// What there is of whole characters, now that `bytes` have come. At most three bytes are
    /// kept for later.
    pub(crate) fn whole(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut whole = std::mem::take(&mut self.held);
        whole.extend_from_slice(bytes);
        let cut = whole.len() - begun_len(&whole);
        self.held = whole.split_off(cut);
        whole
    }

    /// The beginning of a character that will have no rest.
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

/// How many bytes at the end are the beginning of a character, or of a line end.
fn begun_len(bytes: &[u8]) -> usize {
    if bytes.ends_with(b"\r") {
        return 1;
    }
    // A character has four bytes at most, so three can be its beginning.
    let tails = (1..=bytes.len().min(3)).rev();
    let is_begun = |len: &usize| {
        let tail = str::from_utf8(&bytes[bytes.len() - len..]);
        tail.is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    tails.into_iter().find(is_begun).unwrap_or(0)
}

/// The text in `bytes`, with what could do something to a terminal, or to the order in which text
/// is read, written out.
fn harmless(bytes: &[u8]) -> String {
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
