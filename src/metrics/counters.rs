//! The counters of a running server: one set for each serving thread, written by that thread alone
//! and read by any. Knows no connection and no clock.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::close::Close;
use crate::metrics::Metrics;
use crate::metrics::{REASONS, reason};

/// One number. Only its writer changes it, so adding is a load and a store without a lock: one
/// instruction on x86-64.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline(always)]
    pub(crate) fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The longest time so far, in microseconds.
#[derive(Default)]
pub(crate) struct Longest(AtomicU64);

impl Longest {
    pub(crate) fn note(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        if micros > self.0.load(Ordering::Relaxed) {
            self.0.store(micros, Ordering::Relaxed);
        }
    }

    fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// The writer's side of a set of counters: the only one, used by one thread at a time.
pub(crate) struct Counters {
    sheet: Arc<Sheet>,
    /// Not `Sync`.
    one_writer: PhantomData<Cell<()>>,
}

/// The readers' side.
#[derive(Clone)]
pub(crate) struct CountersReader(Arc<Sheet>);

/// The numbers; [`Metrics`] documents them.
#[derive(Default)]
pub(crate) struct Sheet {
    pub(crate) accepted: Counter,
    pub(crate) refused_by_service: Counter,
    pub(crate) refused_by_limit: Counter,
    pub(crate) refused_by_panic: Counter,
    pub(crate) refused_by_system: Counter,
    pub(crate) connected: Counter,
    pub(crate) unreachable: Counter,
    pub(crate) opened: Counter,
    closed: [Counter; REASONS.len()],
    pub(crate) bytes_in: Counter,
    pub(crate) bytes_out: Counter,
    pub(crate) calls: Counter,
    pub(crate) messages: Counter,
    pub(crate) published: Counter,
    pub(crate) panics: Counter,
    pub(crate) turns: Counter,
    pub(crate) slow_calls: Counter,
    pub(crate) longest_call: Longest,
    pub(crate) longest_lag: Longest,
    pub(crate) jobs: Counter,
    pub(crate) slow_jobs: Counter,
    pub(crate) accept_pauses: Counter,
    pub(crate) datagrams_in: Counter,
    pub(crate) datagrams_out: Counter,
    pub(crate) datagrams_lost: Counter,
}

impl Counters {
    pub(crate) fn new() -> Counters {
        Counters { sheet: Arc::default(), one_writer: PhantomData }
    }

    pub(crate) fn reader(&self) -> CountersReader {
        CountersReader(Arc::clone(&self.sheet))
    }
}

impl Deref for Counters {
    type Target = Sheet;

    #[inline(always)]
    fn deref(&self) -> &Sheet {
        &self.sheet
    }
}

impl Sheet {
    /// Counts a connection that has ended.
    pub(crate) fn close(&self, why: &Close) {
        if let Some(counter) = self.closed.get(reason(why)) {
            counter.add(1);
        }
    }
}

impl CountersReader {
    /// Adds the counts so far to `sum`. They are read one after the other while their writer goes
    /// on.
    pub(crate) fn add_to(&self, sum: &mut Metrics) {
        // The pattern names every field, so that a new one cannot be left out.
        let Sheet {
            accepted,
            refused_by_service,
            refused_by_limit,
            refused_by_panic,
            refused_by_system,
            connected,
            unreachable,
            opened,
            closed,
            bytes_in,
            bytes_out,
            calls,
            messages,
            published,
            panics,
            turns,
            slow_calls,
            longest_call,
            longest_lag,
            jobs,
            slow_jobs,
            accept_pauses,
            datagrams_in,
            datagrams_out,
            datagrams_lost,
        } = &*self.0;
        // Read the ends first: each ended connection has then been counted as opened.
        for (sum, counter) in sum.closed.iter_mut().zip(closed) {
            *sum += counter.get();
        }
        sum.opened += opened.get();
        sum.accepted += accepted.get();
        sum.refused_by_service += refused_by_service.get();
        sum.refused_by_limit += refused_by_limit.get();
        sum.refused_by_panic += refused_by_panic.get();
        sum.refused_by_system += refused_by_system.get();
        sum.connected += connected.get();
        sum.unreachable += unreachable.get();
        sum.bytes_in += bytes_in.get();
        sum.bytes_out += bytes_out.get();
        sum.calls += calls.get();
        sum.messages += messages.get();
        sum.published += published.get();
        sum.panics += panics.get();
        sum.turns += turns.get();
        sum.slow_calls += slow_calls.get();
        sum.longest_call = sum.longest_call.max(longest_call.get());
        sum.longest_lag = sum.longest_lag.max(longest_lag.get());
        sum.jobs += jobs.get();
        sum.slow_jobs += slow_jobs.get();
        sum.accept_pauses += accept_pauses.get();
        sum.datagrams_in += datagrams_in.get();
        sum.datagrams_out += datagrams_out.get();
        sum.datagrams_lost += datagrams_lost.get();
    }
}
