//! Bytes of strangers as text that is safe to show in a terminal. Knows no chat.

use std::str;

/// What stands for what is not passed on, as it does for bytes that are no text.
const STAND_IN: &str = "\u{fffd}";

/// Appends `bytes` to `out` as text, with a stand-in for each character that could do more than
/// be shown, and for what is not UTF-8.
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

/// Controls (CR moves to the front of the line, ESC begins what moves and colours anything; a
/// tab does no harm), ends of lines by other names, and what turns the direction of the text
/// round.
fn is_harmful(c: char) -> bool {
    match c {
        '\t' => false,
        '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}' => true,
        c => c.is_control(),
    }
}
