//! A pseudo-random number generator. Must not know its users.

/// A pseudo-random number generator: a seed gives the same numbers on every machine and in every
/// version.
///
/// ```
/// use socketserver::testkit::Random;
///
/// let (mut one, mut two) = (Random::new(7), Random::new(7));
/// assert!((0..100).all(|_| one.below(6) == two.below(6)));
/// assert!(one.below(6) < 6);
/// assert!((0..1000).any(|_| one.one_in(10)));
/// ```
// xorshift64*, upper half of the bits.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Returns a number from 0 to `n` - 1. `n` must be from 1 to 2^31.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        high as usize % n.max(1)
    }

    /// Returns true with probability 1/`n`.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}
