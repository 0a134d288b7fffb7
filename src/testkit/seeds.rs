//! Many seeds, one after the other: which ones, and what a failure says. Must not know what is done
//! with a seed.

use std::io::{self, Write};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::both_ways;

/// The variable of the environment that chooses other seeds.
const VARIABLE: &str = "SIM_SEEDS";

/// Runs `test` once with each seed of `usual`, or of the range `SIM_SEEDS=FROM..TO` (without `TO`)
/// that the environment asks for. How many there were is said on standard output in that case, past
/// what keeps the output of tests that pass.
///
/// A seed that runs a [`Simulation`](super::Simulation) is run a second time, without a short cut that
/// servers take for connections with nothing unusual: the two runs must be the same.
///
/// # Panics
///
/// If `test` does; then its seed is said, and the command that runs it again. So it does if
/// `SIM_SEEDS` is not a range.
///
/// ```
/// use socketserver::testkit::{Random, seeds};
///
/// seeds(0..100, |seed| {
///     let mut random = Random::new(seed);
///     let mut numbers: Vec<usize> = (0..random.below(50)).map(|_| random.below(9)).collect();
///     numbers.sort();
///     assert!(numbers.is_sorted());
/// });
/// ```
pub fn seeds(usual: Range<u64>, test: impl Fn(u64)) {
    let asked = std::env::var(VARIABLE).ok();
    let range = match &asked {
        Some(asked) => parse(asked).unwrap_or_else(|| complain()),
        None => usual,
    };
    let count = range.end.saturating_sub(range.start);
    let name = std::thread::current().name().unwrap_or("").to_owned();
    for seed in range {
        if let Err(why) = catch_unwind(AssertUnwindSafe(|| both_ways::run(|| test(seed)))) {
            let next = seed + 1;
            println!(
                "seed {seed} fails; to run it again: {VARIABLE}={seed}..{next} cargo test {name}"
            );
            resume_unwind(why);
        }
    }
    if asked.is_some() {
        // That nobody reads it is no reason to fail.
        let _ = writeln!(io::stdout(), "{name}: {count} seeds");
    }
}

fn parse(range: &str) -> Option<Range<u64>> {
    let (from, to) = range.split_once("..")?;
    Some(from.trim().parse().ok()?..to.trim().parse().ok()?)
}

#[allow(clippy::panic, reason = "a test that is asked for nonsense fails by panicking")]
fn complain() -> ! {
    panic!("{VARIABLE} must be two numbers, FROM..TO: the first seed, and the one behind the last")
}
