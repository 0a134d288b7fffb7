//! Finds the ends of field names and values several bytes at a time, in safe code. Bytes that are
//! rare in them are left to a table and to the caller.

use super::bytes::TOKEN;

/// The bytes of a name that are examined at once.
const WORD: usize = size_of::<u64>();
/// The bytes of a value that are examined at once: a vector register of any processor.
const STEP: usize = size_of::<u128>();

const EACH: u64 = 0x0101_0101_0101_0101;
/// The highest bit of every byte, which marks the byte.
const MARKS: u64 = 0x80 * EACH;

/// Returns the length of the name that `input` begins with: the same as `TOKEN.end`.
#[inline(always)]
pub(super) fn name_len(input: &[u8]) -> usize {
    let mut len = 0;
    let mut rest = input;
    while let Some((bytes, tail)) = rest.split_first_chunk::<WORD>() {
        let word = u64::from_le_bytes(*bytes);
        let mut others = neither_letters_nor_hyphens(word);
        while others != 0 {
            let bit = others.trailing_zeros() & !7;
            if !TOKEN.has((word >> bit) as u8) {
                return len + bit as usize / 8;
            }
            others &= others - 1;
        }
        len += WORD;
        rest = tail;
    }
    TOKEN.end(input, len)
}

/// Marks the bytes that are neither letters nor hyphens.
///
/// A sum exceeds its byte, and changes the next, only for a byte beyond ASCII. Such a byte is
/// marked and is in no name, so the bytes after it are not examined.
#[inline(always)]
fn neither_letters_nor_hyphens(word: u64) -> u64 {
    let lower = word | (0x20 * EACH);
    // The first sum marks the bytes from `a` on, the second those after `z`.
    let letters = lower.wrapping_add(0x1f * EACH) ^ lower.wrapping_add(0x05 * EACH);
    let but_hyphens = (word ^ (0x2d * EACH)).wrapping_add(0x7f * EACH);
    ((but_hyphens & !letters) | word) & MARKS
}

/// Returns the number of bytes that `input` begins with that are visible ASCII or spaces.
#[inline(always)]
pub(super) fn plain_len(input: &[u8]) -> usize {
    let mut len = 0;
    let mut rest = input;
    while let Some((step, tail)) = rest.split_first_chunk::<STEP>() {
        // The compiler makes one vector comparison of this, as long as it comes before the marks.
        if !are_plain(step) {
            return len + first_not_plain(u128::from_le_bytes(*step));
        }
        len += STEP;
        rest = tail;
        // Long values, such as cookies, take two steps at a time.
        while let Some((steps, tail)) = rest.split_first_chunk::<{ 2 * STEP }>() {
            if !are_plain(steps) {
                break;
            }
            len += 2 * STEP;
            rest = tail;
        }
    }
    match input.last_chunk::<STEP>() {
        // The last bytes of the input, then zeros, which are marked.
        Some(step) if !rest.is_empty() => {
            len + first_not_plain(u128::from_le_bytes(*step) >> (8 * (STEP - rest.len())))
        }
        _ => len + rest.iter().take_while(|byte| is_plain(**byte)).count(),
    }
}

/// Returns true if all bytes are plain. Without an early exit, so that the compiler can use vector
/// instructions.
#[inline(always)]
fn are_plain(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |ok, byte| ok & is_plain(*byte))
}

/// Returns true for visible ASCII and spaces.
#[inline(always)]
fn is_plain(byte: u8) -> bool {
    // One comparison of signed bytes, for which processors have an instruction.
    byte.wrapping_add(1) as i8 > b' ' as i8
}

/// Returns the position of the first byte that is not plain, if there is one.
#[inline(always)]
fn first_not_plain(step: u128) -> usize {
    let first = not_plain(step as u64);
    if first != 0 {
        return first.trailing_zeros() as usize / 8;
    }
    WORD + not_plain((step >> 64) as u64).trailing_zeros() as usize / 8
}

/// Marks the first byte that is not plain, and perhaps others after it: as above, only a byte
/// beyond ASCII changes the next.
#[inline(always)]
fn not_plain(word: u64) -> u64 {
    let visible = word.wrapping_add(0x60 * EACH);
    let delete = word.wrapping_add(EACH);
    (!visible | delete | word) & MARKS
}

#[cfg(test)]
mod tests;
