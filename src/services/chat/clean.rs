//! Makes input from strangers safe to show in a terminal. Knows no chat.

use std::str;

#[cfg(feature = "chat-names")]
use super::nickname::is_invisible;

/// Replaces characters that are not passed on, and bytes that are not text.
const STAND_IN: &str = "\u{fffd}";

/// Appends `bytes` to `out` as text. Characters that a terminal would act on, and bytes that are
/// not UTF-8, are replaced by `STAND_IN`.
pub(super) fn append_clean(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        append_text(out, chunk.valid());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice(STAND_IN.as_bytes());
        }
    }
}

fn append_text(out: &mut Vec<u8>, mut text: &str) {
    while let Some(at) = text.find(is_harmful) {
        let (clean, rest) = text.split_at(at);
        out.extend_from_slice(clean.as_bytes());
        out.extend_from_slice(STAND_IN.as_bytes());
        let mut rest = rest.chars();
        rest.next();
        text = rest.as_str();
    }
    out.extend_from_slice(text.as_bytes());
}

/// Returns true for a line without visible characters. Bytes that are not text, and controls, are
/// shown as `STAND_IN`.
pub(super) fn is_blank(line: &[u8]) -> bool {
    str::from_utf8(line).is_ok_and(|text| text.chars().all(is_unseen))
}

#[cfg(feature = "chat-names")]
fn is_unseen(c: char) -> bool {
    !c.is_ascii_graphic() && (c.is_whitespace() || is_invisible(c))
}

#[cfg(not(feature = "chat-names"))]
fn is_unseen(c: char) -> bool {
    c.is_whitespace()
}

/// Returns true for controls except the harmless tab (CR returns to the front of the line, ESC
/// begins sequences that move and colour text), for other line ends, and for characters that change
/// the direction of text.
fn is_harmful(c: char) -> bool {
    match c {
        '\t' => false,
        '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}' => true,
        c => c.is_control(),
    }
}
