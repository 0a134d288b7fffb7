//! Masks and nonces of clients. Knows no frame.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

thread_local! {
    /// The keys of the system, and the number of values so far. A hash with secret keys of a number
    /// that does not repeat cannot be predicted from other hashes, which is all that a mask needs
    /// (RFC 6455, section 10.3). It takes no system call, and a connection owns no generator.
    static SOURCE: (RandomState, Cell<u64>) = (RandomState::new(), Cell::new(0));
}

fn next() -> u64 {
    SOURCE.with(|(keys, count)| {
        count.set(count.get().wrapping_add(1));
        keys.hash_one(count.get())
    })
}

/// Returns the mask of one frame.
pub(super) fn mask() -> [u8; 4] {
    ((next() >> 32) as u32).to_ne_bytes()
}

/// Returns the nonce of one handshake.
pub(super) fn nonce() -> [u8; 16] {
    (u128::from(next()) << 64 | u128::from(next())).to_ne_bytes()
}
