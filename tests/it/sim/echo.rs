//! The simulation of handlers of bytes: all input comes back; and tests of the simulation itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use socketserver::testkit::{Action, End, Random, Script, Simulation, Trace, seeds};
use socketserver::{Close, Context, Handler, Limits};

use crate::support::handlers::Echo;

/// Sends bytes in pieces, and must receive `answer` of them.
pub(crate) struct Talker {
    /// The pieces still to send.
    to_say: Vec<Vec<u8>>,
    expected: Vec<u8>,
    came: usize,
}

impl Talker {
    pub(crate) fn new(to_say: Vec<Vec<u8>>, expected: Vec<u8>) -> Talker {
        Talker { to_say, expected, came: 0 }
    }
}

impl Script for Talker {
    fn next(&mut self, random: &mut Random) -> Action {
        if random.one_in(200) {
            return Action::Reset;
        }
        match self.to_say.is_empty() {
            false if random.one_in(4) => Action::Wait,
            false => Action::Send(self.to_say.remove(0)),
            // A client that waits for all of it sends nothing more that would wake the server up.
            true if self.came == self.expected.len() || random.one_in(8) => Action::Shut,
            true => Action::Wait,
        }
    }

    fn received(&mut self, bytes: &[u8]) {
        let rest = self.expected.get(self.came..).unwrap_or_default();
        assert!(rest.starts_with(bytes), "wrong bytes");
        self.came += bytes.len();
    }

    fn ended(&mut self, end: &End) {
        let is_slow = matches!(end, End::Cut(Close::InputLimit | Close::SlowConsumer));
        assert!(!is_slow, "it kept all limits: {end:?}");
        if let End::Whole(why) = end {
            assert_eq!(self.came, self.expected.len(), "bytes are missing: {why}");
        }
    }
}

pub(crate) fn bytes(random: &mut Random, len: usize) -> Vec<u8> {
    (0..len).map(|_| random.below(256) as u8).collect()
}

/// Sends anything, and must receive the same.
fn parrot(random: &mut Random) -> Talker {
    let words: Vec<Vec<u8>> = (0..random.below(12))
        .map(|_| {
            let most = if random.one_in(10) { 3000 } else { 300 };
            let len = 1 + random.below(most);
            bytes(random, len)
        })
        .collect();
    let all = words.concat();
    Talker::new(words, all)
}

fn echo(seed: u64) -> Trace {
    Simulation::new(seed).run(|_| Echo, parrot)
}

#[test]
fn all_bytes_come_back() {
    seeds(0..400, |seed| drop(echo(seed)));
}

#[test]
fn each_seed_gives_one_run_and_another_than_the_others() {
    let traces: Vec<Trace> = (0..50).map(echo).collect();
    for (seed, trace) in traces.iter().enumerate() {
        assert!(*trace == echo(seed as u64), "seed {seed}");
        assert!(!traces[..seed].contains(trace), "seed {seed} is another one, too");
    }
}

/// Reports how many of its kind exist at once.
struct Counted {
    echo: Echo,
    count: Arc<AtomicUsize>,
}

impl Counted {
    fn new(count: &Arc<AtomicUsize>, most: &AtomicUsize) -> Counted {
        let now = count.fetch_add(1, Ordering::Relaxed) + 1;
        most.fetch_max(now, Ordering::Relaxed);
        Counted { echo: Echo, count: Arc::clone(count) }
    }
}

impl Handler for Counted {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        self.echo.on_data(input, cx)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A talker that reports if it was refused.
struct Refusable {
    talker: Talker,
    refused: Arc<AtomicUsize>,
}

impl Script for Refusable {
    fn next(&mut self, random: &mut Random) -> Action {
        self.talker.next(random)
    }

    fn received(&mut self, bytes: &[u8]) {
        self.talker.received(bytes);
    }

    fn ended(&mut self, end: &End) {
        self.talker.ended(end);
        if *end == End::Unserved {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// All clients come from one address here, and most of them wait in vain for others to close.
#[test]
fn a_peer_with_too_many_connections_is_not_served() {
    let [most, refused] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let runs = AtomicUsize::new(0);
    seeds(0..200, |seed| {
        runs.fetch_add(1, Ordering::Relaxed);
        let limits = Limits::default().connections_per_peer(Some(1));
        let count = Arc::new(AtomicUsize::new(0));
        let service = |_| Counted::new(&count, &most);
        Simulation::new(seed).limits(limits).run(service, |random: &mut Random| Refusable {
            talker: parrot(random),
            refused: Arc::clone(&refused),
        });
    });
    assert!(most.load(Ordering::Relaxed) <= 1, "more were served than may be");
    // A single seed may have no refusal.
    assert!(runs.into_inner() < 200 || refused.load(Ordering::Relaxed) > 0, "nobody was refused");
}
