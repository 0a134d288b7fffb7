//! Compressed messages (RFC 7692), without context takeover: each is a stream of its own. Knows no
//! frame.

use std::cell::Cell;

use flate2::{Decompress, FlushDecompress, Status};

use super::code::CloseCode;
use crate::close::Close;
use crate::protocol::compressor::{self, End};

/// The end of each stream, which is not sent (RFC 7692, section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The shortest message that is compressed, in bytes: below, the header of a block costs more.
pub(super) const SHORTEST: usize = 64;

thread_local! {
    // No state: it is reset for each message. It takes 48 KB, so all connections of a loop share
    // one.
    static DECOMPRESSOR: Cell<Option<Decompress>> = const { Cell::new(None) };
}

/// Returns the compressed form of `payload` for a window of 2^`window` bytes; `None` if it would
/// not be shorter.
pub(super) fn deflate(payload: &[u8], window: u8) -> Option<Vec<u8>> {
    if payload.len() < SHORTEST {
        return None;
    }
    let mut out = Vec::new();
    let is_whole = compressor::append(payload, window, End::Open, &mut out);
    out.truncate(out.strip_suffix(&TAIL)?.len());
    (is_whole && out.len() < payload.len()).then_some(out)
}

/// Returns the decompressed form of a message, of up to `limit` bytes.
pub(super) fn inflate(payload: &[u8], limit: usize) -> Result<Vec<u8>, Close> {
    let mut inflater = DECOMPRESSOR.take().unwrap_or_else(|| Decompress::new(false));
    inflater.reset(false);
    let mut out = Vec::new();
    for part in [payload, &TAIL] {
        if !inflate_part(&mut inflater, part, &mut out, limit)? {
            break;
        }
    }
    DECOMPRESSOR.set(Some(inflater));
    Ok(out)
}

/// Appends the decompressed form of a part of a stream. Returns false if the stream has ended.
fn inflate_part(
    inflater: &mut Decompress,
    part: &[u8],
    out: &mut Vec<u8>,
    limit: usize,
) -> Result<bool, Close> {
    let before = inflater.total_in();
    loop {
        let used = usize::try_from(inflater.total_in() - before).unwrap_or(usize::MAX);
        let rest = part.get(used..).unwrap_or_default();
        if out.len() == out.capacity() {
            // One byte beyond the limit shows that the message is too long.
            let room = out.len().max(4 * part.len()).max(256);
            out.reserve_exact(room.min((limit + 1).saturating_sub(out.len())));
        }
        let status = inflater.decompress_vec(rest, out, FlushDecompress::Sync);
        if out.len() > limit {
            return Err(CloseCode::TOO_BIG.fault("the message is too long"));
        }
        match status {
            Err(_) => return Err(CloseCode::NOT_UTF8.fault("a message is not compressed data")),
            Ok(Status::StreamEnd) => return Ok(false),
            // There was room, so the input is used up.
            Ok(_) if out.len() < out.capacity() => return Ok(true),
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::compressor::WINDOW_MAX;

    fn message(len: usize) -> Vec<u8> {
        (0..len).map(|n| b"abcdefgh"[n * n % 7]).collect()
    }

    #[test]
    fn a_message_survives_both_ways_in_every_window() {
        for window in 9..=WINDOW_MAX {
            for len in [64, 1000, 100_000, 3_000_000] {
                let message = message(len);
                let out = deflate(&message, window).unwrap_or_default();
                assert!(!out.is_empty() && out.len() < len);
                assert_eq!(inflate(&out, len), Ok(message));
            }
        }
    }

    #[test]
    fn noise_is_not_compressed() {
        let mut random = 1_u64;
        let mut noise = std::iter::repeat_with(|| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) as u8
        });
        for len in (64..9000).step_by(37) {
            let noise: Vec<u8> = noise.by_ref().take(len).collect();
            assert_eq!(deflate(&noise, WINDOW_MAX), None);
            let message = message(len);
            let out = deflate(&message, WINDOW_MAX).unwrap_or_default();
            assert_eq!(inflate(&out, len), Ok(message));
        }
        assert_eq!(deflate(b"short", WINDOW_MAX), None);
        assert_eq!(deflate(&message(1000), 8), None);
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let out = deflate(&vec![0; 10_000_000], WINDOW_MAX).unwrap_or_default();
        assert!((1..100_000).contains(&out.len()));
        let why = "the message is too long";
        assert_eq!(inflate(&out, 9_999_999), Err(Close::Malformed { code: 1009, why }));
        assert_eq!(inflate(&out, 10_000_000).map(|bytes| bytes.len()), Ok(10_000_000));
    }

    #[test]
    fn empty_final_and_malformed_streams_are_handled() {
        // RFC 7692, sections 7.2.3.1, 7.2.3.4 and 7.2.3.6.
        let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        assert_eq!(inflate(&hello, 5), Ok(b"Hello".to_vec()));
        let is_final = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
        assert_eq!(inflate(&is_final, 5), Ok(b"Hello".to_vec()));
        assert_eq!(inflate(&[0], 5), Ok(Vec::new()));
        assert!(inflate(&[0xff; 10], 5).is_err());
    }
}
