//! Commands of other threads, in simulations: they reach all loops of a server, in order, whatever
//! else the loops do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use socketserver::testkit::{Action, End, Random, Script, Simulation, seeds};
use socketserver::{Close, Context, HandleError, Handler, Limits, Mode, ServerHandle, Topic};

/// Receives the news.
struct Listener;

impl Handler for Listener {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.join(&Topic::new("news"));
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }
}

/// Reads numbers, each one more than the last.
struct Reader {
    came: Vec<u8>,
    last: u64,
    has_shut: bool,
    /// The last published number.
    published: Arc<AtomicU64>,
}

impl Script for Reader {
    fn next(&mut self, random: &mut Random) -> Action {
        self.has_shut = random.one_in(20);
        match self.has_shut {
            true => Action::Shut,
            false => Action::Wait,
        }
    }

    fn received(&mut self, bytes: &[u8]) {
        self.came.extend(bytes);
        while let Some((number, rest)) = self.came.split_first_chunk() {
            let number = u64::from_be_bytes(*number);
            assert!(self.last == 0 || number == self.last + 1, "{number} after {}", self.last);
            self.last = number;
            self.came = rest.to_vec();
        }
    }

    /// A reader that waited to the end has got all messages.
    fn ended(&mut self, end: &End) {
        let is_content = !self.has_shut && self.last > 0;
        if matches!(end, End::Whole(_)) && is_content {
            assert_eq!(self.last, self.published.load(Ordering::Relaxed), "news are missing");
        }
    }
}

#[test]
fn messages_of_another_thread_arrive_in_order() {
    seeds(0..300, |seed| {
        let mut random = Random::new(!seed);
        let mode = match random.below(3) {
            0 => Mode::Multiplex,
            count => Mode::Reactors(count + 1),
        };
        let limits =
            Limits::default().connections(1 + random.below(8)).output_low(10).output_high(50);
        let count = Arc::new(AtomicU64::new(0));
        let publish = |handle: &ServerHandle, random: &mut Random| {
            for _ in 0..random.below(6) {
                let number = count.fetch_add(1, Ordering::Relaxed) + 1;
                let published = handle.publish(&Topic::new("news"), number.to_be_bytes());
                assert_ne!(published, Err(HandleError::Full));
            }
        };
        let reader = |_: &mut Random| Reader {
            came: Vec::new(),
            last: 0,
            has_shut: false,
            published: Arc::clone(&count),
        };
        let simulation = Simulation::new(seed).limits(limits).mode(mode).commands(publish);
        simulation.run(|_| Listener, reader);
    });
}
