//! Runs a test with many seeds, chosen by the environment. Must not know the test.

use std::io::{self, Write};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::both_ways;

/// The environment variable that selects the seeds.
const VARIABLE: &str = "SIM_SEEDS";

/// Runs `test` once for each seed of `usual`, or of the range `SIM_SEEDS=FROM..TO` (`TO` is
/// optional) in the environment. In the latter case the number of seeds is written directly to
/// standard output, which the test harness does not capture.
///
/// A seed that runs a [`Simulation`](super::Simulation) is run a second time without the short
/// cut that servers take for ordinary connections: the two runs must be equal.
///
/// # Panics
///
/// If `test` panics; its seed, and the command to run it again, are printed. Also if `SIM_SEEDS` is
/// not a range.
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
                "seed {seed} failed; run it again with: {VARIABLE}={seed}..{next} cargo test {name}"
            );
            resume_unwind(why);
        }
    }
    if asked.is_some() {
        // A closed standard output is not an error.
        let _ = writeln!(io::stdout(), "{name}: {count} seeds");
    }
}

fn parse(range: &str) -> Option<Range<u64>> {
    let (from, to) = range.split_once("..")?;
    Some(from.trim().parse().ok()?..to.trim().parse().ok()?)
}

#[allow(clippy::panic, reason = "an invalid variable fails the test by a panic")]
fn complain() -> ! {
    panic!("{VARIABLE} must be FROM..TO: the first seed, and the one after the last")
}
