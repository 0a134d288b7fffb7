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
    out: Mutex<Out>,
    render: Render,
    report: Report,
}

#[derive(Default)]
struct Queue {
    /// Whole lines, or the data for them.
    records: Vec<u8>,
    /// The number of records dropped since the last report.
    dropped: u64,
    writer: Writer,
}

/// The thread that writes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Writer {
    /// The system has provided no thread yet.
    #[default]
    Missing,
    Waits,
    /// It writes lines that it has taken.
    Writes,
}

/// The stream.
struct Out {
    stream: Box<dyn Write + Send>,
    /// The last write has failed, perhaps within a line.
    is_cut: bool,
}

impl Sink {
    /// Creates the queue, and the thread that writes to `stream`. If the system has none, each
    /// line tries again, and is written at once.
    pub(crate) fn new(stream: impl Write + Send + 'static, render: Render, report: Report) -> Sink {
        let queue = Mutex::new(Queue::default());
        let (has_records, is_idle) = (Condvar::new(), Condvar::new());
        let out = Mutex::new(Out { stream: Box::new(stream), is_cut: false });
        let shared = Arc::new(Shared { queue, has_records, is_idle, out, render, report });
        let sink = Sink { shared };
        sink.start_missing(&mut sink.shared.queue());
        sink
    }

    fn start_missing(&self, queue: &mut Queue) {
        if queue.writer != Writer::Missing {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let thread = thread::Builder::new().name("lines".into());
        if thread.spawn(move || shared.write()).is_ok() {
            queue.writer = Writer::Waits;
        }
    }

    /// Writes without a thread. A record of this very write, or of another thread meanwhile, waits.
    fn write_directly(&self) {
        if let Ok(mut out) = self.shared.out.try_lock() {
            let (mut records, dropped) = self.shared.queue().take();
            out.write(&mut records, dropped, &self.shared);
        }
    }

    /// Queues the record that `append` appends. Returns at once, unless the thread is missing.
    pub(crate) fn push(&self, append: impl FnOnce(&mut Vec<u8>)) {
        let mut queue = self.shared.queue();
        self.start_missing(&mut queue);
        let before = queue.records.len();
        append(&mut queue.records);
        if queue.records.len() > QUEUE_MAX {
            queue.dropped += 1;
            queue.records.truncate(before);
        }
        let writer = queue.writer;
        drop(queue);
        match writer {
            Writer::Missing => self.write_directly(),
            Writer::Waits if before == 0 => self.shared.has_records.notify_one(),
            Writer::Waits | Writer::Writes => {}
        }
    }

    /// Waits until the lines are written, for the end of the program. A stream that takes nothing
    /// delays it by one second.
    pub(crate) fn finish(&self) {
        let queue = self.shared.queue();
        if queue.writer == Writer::Missing {
            drop(queue);
            return self.write_directly();
        }
        let is_busy =
            |queue: &mut Queue| queue.writer == Writer::Writes || !queue.records.is_empty();
        drop(self.shared.is_idle.wait_timeout_while(queue, PATIENCE, is_busy));
    }
}

impl Queue {
    fn take(&mut self) -> (Vec<u8>, u64) {
        (mem::take(&mut self.records), mem::take(&mut self.dropped))
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs in the thread.
    fn write(&self) {
        let mut out = self.out();
        loop {
            let (mut records, dropped) = self.take();
            out.write(&mut records, dropped, self);
        }
    }

    /// Waits for records and takes them, and the number of those that were dropped.
    fn take(&self) -> (Vec<u8>, u64) {
        let mut queue = self.queue();
        queue.writer = Writer::Waits;
        if queue.records.is_empty() {
            self.is_idle.notify_all();
        }
        let is_idle = |queue: &mut Queue| queue.records.is_empty();
        let waited = self.has_records.wait_while(queue, is_idle);
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner);
        queue.writer = Writer::Writes;
        queue.take()
    }
}

impl Out {
    /// Writes the lines of `records`, and the report about dropped ones.
    fn write(&mut self, records: &mut Vec<u8>, dropped: u64, shared: &Shared) {
        let mut lines = Vec::new();
        (shared.render)(records, &mut lines);
        let mut rest = &lines[..];
        while let Some(part) = first_part(rest) {
            let start: &[u8] = if self.is_cut { b"\n" } else { b"" };
            self.is_cut = self.try_write(&[start, part]).is_err();
            if self.is_cut {
                // A full disk: the lines are lost, and the next ones may have room.
                shared.queue().dropped += count(part);
            }
            rest = &rest[part.len()..];
        }
        if dropped > 0 && !self.is_cut {
            lines.clear();
            (shared.report)(dropped, &mut lines);
            self.is_cut = self.try_write(&[&lines]).is_err();
        } else {
            shared.queue().dropped += dropped;
        }
    }

    fn try_write(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        for part in parts {
            self.stream.write_all(part)?;
        }
        self.stream.flush()
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
