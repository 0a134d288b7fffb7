//! The compressor of a thread (RFC 1951), which messages and answers share. Knows no protocol.

use std::cell::Cell;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// The most bytes of a window, as a power of two: the default of a peer.
pub(crate) const WINDOW_MAX: u8 = 15;
/// The smallest window of the compressor.
const WINDOW_MIN: u8 = 9;

thread_local! {
    // No state: it is reset for each use. It takes 380 KB, so all connections of a loop share one.
    static COMPRESSOR: Cell<Option<(u8, Compress)>> = const { Cell::new(None) };
}

/// The end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The stream goes on after a byte boundary, by `00 00 ff ff`.
    Open,
    Final,
}

/// Appends the compressed form of `bytes` for a window of 2^`window` bytes. Returns false if there
/// is none.
pub(crate) fn append(bytes: &[u8], window: u8, end: End, out: &mut Vec<u8>) -> bool {
    if window < WINDOW_MIN {
        return false;
    }
    // Taken out, so that one that panics is not used again.
    let known = COMPRESSOR.take().filter(|(bits, _)| *bits == window);
    let fresh = || Compress::new_with_window_bits(Compression::fast(), false, window);
    let mut compress = known.map_or_else(fresh, |(_, compress)| compress);
    compress.reset();
    // Room for all of it, even if it does not become shorter: `zlib-rs` 0.6 panics if the room ends
    // within a block that is stored as it is.
    out.reserve(bytes.len() + bytes.len() / 8 + 64);
    let (flush, good) = match end {
        End::Open => (FlushCompress::Sync, Status::Ok),
        End::Final => (FlushCompress::Finish, Status::StreamEnd),
    };
    let is_whole = compress.compress_vec(bytes, out, flush).is_ok_and(|status| status == good)
        && compress.total_in() == bytes.len() as u64
        && out.len() < out.capacity();
    COMPRESSOR.set(Some((window, compress)));
    is_whole
}

/// Returns the bytes as a gzip file (RFC 1952); `None` if it would not be shorter.
pub(crate) fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    /// Deflate, no fields, no time, the fastest method, an unknown system (section 2.3).
    const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];
    let mut out = HEADER.to_vec();
    let is_whole = append(bytes, WINDOW_MAX, End::Final, &mut out);
    let mut crc = Crc::new();
    crc.update(bytes);
    out.extend_from_slice(&crc.sum().to_le_bytes());
    // The length modulo 2^32.
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    (is_whole && out.len() < bytes.len()).then_some(out)
}

#[cfg(test)]
mod tests {
    use flate2::{Decompress, FlushDecompress};

    use super::*;

    /// The content of a gzip file, whose checksum and length another implementation checks.
    fn gunzip(file: &[u8], len: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(len + 1);
        let mut decompress = Decompress::new_gzip(WINDOW_MAX);
        let status = decompress.decompress_vec(file, &mut out, FlushDecompress::Finish);
        assert_eq!(
            (status.ok(), decompress.total_in()),
            (Some(Status::StreamEnd), file.len() as u64)
        );
        out
    }

    #[test]
    fn a_gzip_file_has_the_bytes() {
        for len in [100, 1000, 70_000, 1_000_000] {
            let text: Vec<u8> = (0..len).map(|n| b"abcdefgh"[n * n % 7]).collect();
            let file = gzip(&text).unwrap_or_default();
            assert!(file.len() < len);
            assert_eq!(gunzip(&file, len), text);
        }
    }

    #[test]
    fn nothing_becomes_longer() {
        assert_eq!(gzip(b""), None);
        assert_eq!(gzip(b"a short text"), None);
        let mut random = 1_u64;
        let noise = std::iter::repeat_with(|| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) as u8
        });
        assert_eq!(gzip(&noise.take(100_000).collect::<Vec<u8>>()), None);
    }
}
