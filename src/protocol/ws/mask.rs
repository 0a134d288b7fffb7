//! The masking of payloads (RFC 6455, section 5.3). Knows bytes only.

/// Masks or unmasks `bytes`, of which the first belongs to the first byte of the mask. The mask is
/// applied to eight bytes at once, and the compiler makes wider steps of that.
pub(super) fn apply(bytes: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// Returns the mask for the byte after the first `used` bytes of a payload.
pub(super) fn after(mut mask: [u8; 4], used: usize) -> [u8; 4] {
    mask.rotate_left(used % 4);
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_in_parts_is_masked_as_a_whole() {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let plain: Vec<u8> = (0..100).collect();
        let expected: Vec<u8> = plain.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b).collect();
        for cut in 0..plain.len() {
            let mut bytes = plain.clone();
            let (front, back) = bytes.split_at_mut(cut);
            apply(front, mask);
            apply(back, after(mask, cut));
            assert_eq!(bytes, expected, "cut at {cut}");
        }
    }
}
