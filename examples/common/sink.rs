//! Lines for a stream that may be slow or stuck: a thread writes them, so that the caller never
//! waits. Knows neither the log nor requests.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The most bytes that wait for the thread. Further lines are dropped and counted.
const QUEUE_MAX: usize = 256 * 1024;

/// The most bytes of one write, unless a line is longer. The system writes this many to a pipe
/// without a break, so that lines of several processes do not mix (pipe(7)).
const WRITE_MAX: usize = 4096;

/// How long the end of the program waits for a stream that takes nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// Makes lines of the queued records, in the thread. `lines` is empty.
pub(crate) type Render = fn(queued: &mut Vec<u8>, lines: &mut Vec<u8>);

/// Appends the report about this number of dropped lines, or has it written elsewhere.
pub(crate) type Report = fn(u64, &mut Vec<u8>);

/// The queue of a stream. Clones share it.
#[derive(Clone)]
pub(crate) struct Sink {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<Queue>,
    has_records: Condvar,
    is_idle: Condvar,
}

#[derive(Default)]
struct Queue {
    /// Whole lines, or the data for them.
    records: Vec<u8>,
    /// The number of records dropped since the last report.
    dropped: u64,
    /// The thread is writing lines that it has taken.
    is_writing: bool,
}

impl Sink {
    /// Creates the queue, and the thread that writes to `out`.
    pub(crate) fn new(
        out: impl Write + Send + 'static,
        render: Render,
        report: Report,
    ) -> io::Result<Sink> {
        let queue = Mutex::new(Queue::default());
        let (has_records, is_idle) = (Condvar::new(), Condvar::new());
        let shared = Arc::new(Shared { queue, has_records, is_idle });
        let sink = Sink { shared: Arc::clone(&shared) };
        thread::Builder::new()
            .name("lines".into())
            .spawn(move || shared.write(out, render, report))
            .map_err(|error| {
                io::Error::new(error.kind(), format!("no thread to write lines: {error}"))
            })?;
        Ok(sink)
    }

    /// Queues the record that `append` appends. Returns at once.
    pub(crate) fn push(&self, append: impl FnOnce(&mut Vec<u8>)) {
        let mut queue = self.shared.queue();
        let before = queue.records.len();
        append(&mut queue.records);
        if queue.records.len() > QUEUE_MAX {
            queue.dropped += 1;
            queue.records.truncate(before);
        }
        let is_first = before == 0 && !queue.is_writing;
        drop(queue);
        if is_first {
            self.shared.has_records.notify_one();
        }
    }

    /// Waits until the lines are written, for the end of the program. A stream that takes nothing
    /// delays it by one second.
    pub(crate) fn finish(&self) {
        let queue = self.shared.queue();
        let is_busy = |queue: &mut Queue| queue.is_writing || !queue.records.is_empty();
        drop(self.shared.is_idle.wait_timeout_while(queue, PATIENCE, is_busy));
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs in the thread.
    fn write(&self, mut out: impl Write, render: Render, report: Report) {
        let (mut records, mut lines) = (Vec::new(), Vec::new());
        let mut is_cut = false;
        loop {
            let dropped = self.take(&mut records);
            lines.clear();
            render(&mut records, &mut lines);
            let mut rest = &lines[..];
            while let Some(part) = first_part(rest) {
                let start: &[u8] = if is_cut { b"\n" } else { b"" };
                let written = out.write_all(start).and_then(|()| out.write_all(part));
                is_cut = written.and_then(|()| out.flush()).is_err();
                if is_cut {
                    // A full disk: the lines are lost, and the next ones may have room.
                    self.queue().dropped += count(part);
                }
                rest = &rest[part.len()..];
            }
            if dropped > 0 && !is_cut {
                lines.clear();
                report(dropped, &mut lines);
                is_cut = out.write_all(&lines).and_then(|()| out.flush()).is_err();
            } else {
                self.queue().dropped += dropped;
            }
        }
    }

    /// Waits for records and takes them, and the number of those that were dropped.
    fn take(&self, records: &mut Vec<u8>) -> u64 {
        records.clear();
        let mut queue = self.queue();
        queue.is_writing = false;
        if queue.records.is_empty() {
            self.is_idle.notify_all();
        }
        let is_idle = |queue: &mut Queue| queue.records.is_empty();
        let waited = self.has_records.wait_while(queue, is_idle);
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner);
        queue.is_writing = true;
        mem::swap(records, &mut queue.records);
        mem::take(&mut queue.dropped)
    }
}

/// Returns the whole lines for the next write.
fn first_part(lines: &[u8]) -> Option<&[u8]> {
    let is_end = |byte: &u8| *byte == b'\n';
    let most = lines.len().min(WRITE_MAX);
    let end = lines[..most].iter().rposition(is_end).or_else(|| lines.iter().position(is_end));
    end.map(|end| &lines[..=end])
}

fn count(lines: &[u8]) -> u64 {
    lines.iter().filter(|byte| **byte == b'\n').count() as u64
}
