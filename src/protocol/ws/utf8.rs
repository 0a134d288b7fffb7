//! Text that arrives in pieces, checked as it arrives. Knows no frame.

use std::str;

/// The beginning of a text.
#[derive(Default)]
pub(super) struct Text {
    text: String,
    /// The first bytes of a character whose rest has not arrived.
    tail: [u8; 4],
    tail_len: usize,
}

/// The bytes are not UTF-8, whatever follows.
pub(super) struct NotUtf8;

impl Text {
    pub(super) fn len(&self) -> usize {
        self.text.len() + self.tail_len
    }

    /// Returns the room that is left in the buffer.
    pub(super) fn spare(&self) -> usize {
        self.text.capacity() - self.text.len()
    }

    pub(super) fn reserve(&mut self, additional: usize) {
        self.text.reserve_exact(additional);
    }

    /// Adds bytes. Fails with the first byte that cannot continue the text.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), NotUtf8> {
        let bytes = self.complete_tail(bytes)?;
        let text = match str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) if error.error_len().is_some() => return Err(NotUtf8),
            Err(error) => {
                let (text, tail) = bytes.split_at(error.valid_up_to());
                for (to, from) in self.tail.iter_mut().zip(tail) {
                    *to = *from;
                }
                self.tail_len = tail.len();
                // The valid part, without a second check.
                text.utf8_chunks().next().map_or("", |chunk| chunk.valid())
            }
        };
        self.text.push_str(text);
        Ok(())
    }

    /// Completes the pending character. Returns the bytes after it.
    fn complete_tail<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], NotUtf8> {
        let mut rest = bytes;
        while self.tail_len > 0
            && let Some((byte, after)) = rest.split_first()
            && let Some(place) = self.tail.get_mut(self.tail_len)
        {
            *place = *byte;
            self.tail_len += 1;
            rest = after;
            match str::from_utf8(self.tail.get(..self.tail_len).unwrap_or_default()) {
                Ok(character) => {
                    self.text.push_str(character);
                    self.tail_len = 0;
                }
                Err(error) if error.error_len().is_some() => return Err(NotUtf8),
                Err(_) => {}
            }
        }
        Ok(rest)
    }

    /// Returns the text, unless it ends within a character.
    pub(super) fn finish(self) -> Result<String, NotUtf8> {
        match self.tail_len {
            0 => Ok(self.text),
            _ => Err(NotUtf8),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of bytes that are taken before a fault is found.
    fn taken(bytes: &[u8]) -> usize {
        let mut text = Text::default();
        bytes.iter().take_while(|byte| text.push(&[**byte]).is_ok()).count()
    }

    #[test]
    fn a_fault_is_found_at_its_first_byte() {
        for (bytes, at) in [
            (&b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80"[..], 6),
            (b"ab\xf4\x90\x80\x80", 3),
            (b"\xc0\xaf", 0),
            (b"\xe0\x80", 1),
            (b"\xf8", 0),
            (b"a\x80", 1),
        ] {
            assert_eq!(taken(bytes), at, "{bytes:x?}");
        }
    }

    #[test]
    fn a_text_is_the_same_however_it_is_cut() {
        let whole = "aß水𝄞z".as_bytes();
        for size in 1..=whole.len() {
            let mut text = Text::default();
            for part in whole.chunks(size) {
                assert!(text.push(part).is_ok());
            }
            assert_eq!(text.len(), whole.len());
            assert_eq!(text.finish().ok().as_deref(), Some("aß水𝄞z"));
        }
        let mut text = Text::default();
        assert!(text.push(b"a\xf0\x9d").is_ok());
        assert!(text.finish().is_err());
    }
}
