//! Lines for a stream that may be slow or stuck: a thread writes them, so that the caller never
//! waits. Knows neither the log nor requests.

use std::io::{self, IsTerminal, Write};
use std::mem;
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The most bytes that wait for the thread. Further lines are dropped and counted.
const QUEUE_MAX: usize = 256 * 1024;

/// The most bytes of one write, unless a line is longer. The system writes this many to a pipe
/// without a break, so that lines of several processes do not mix, and without waiting if the pipe
/// is writable (pipe(7)).
const WRITE_MAX: usize = 4096;

/// How long the end of the program waits for a stream that takes nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// Standard output or standard error.
pub(crate) trait Stream: Send + Sync {
    fn put(&self, bytes: &[u8]) -> io::Result<()>;

    /// Returns true if a write of at most [`WRITE_MAX`] bytes does not wait. A terminal may be
    /// writable for fewer.
    fn has_room(&self) -> bool;
}

impl<T: AsFd + IsTerminal + Send + Sync> Stream for T
where
    for<'a> &'a T: Write,
{
    fn put(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = self;
        out.write_all(bytes).and_then(|()| out.flush())
    }

    fn has_room(&self) -> bool {
        let mut fds = [PollFd::new(self, PollFlags::OUT)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        !self.is_terminal() && poll(&mut fds, Some(&at_once)).is_ok_and(|ready| ready > 0)
    }
}

/// Makes lines of the queued records. `lines` is empty.
pub(crate) type Render = fn(queued: &mut Vec<u8>, lines: &mut Vec<u8>);

/// Appends the report about this number of dropped lines, or has it written elsewhere.
pub(crate) type Report = fn(u64, &mut Vec<u8>);

/// The queue of a stream. Clones share it.
#[derive(Clone)]
pub(crate) struct Sink {
    shared: Arc<Shared>,
}

struct Shared {
    pen: Pen,
    queue: Mutex<Queue>,
    has_records: Condvar,
    is_idle: Condvar,
}

/// How lines are written.
struct Pen {
    stream: Box<dyn Stream>,
    render: Render,
    report: Report,
}

struct Queue {
    /// Whole lines, or the data for them.
    records: Vec<u8>,
    /// The number of records dropped since the last report.
    dropped: u64,
    writer: Writer,
    /// The program waits for the end of writing. A notification is a system call, during which the
    /// queue is locked.
    is_awaited: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// The caller writes its lines while the stream has room for them. In a process without a
    /// second thread, calls through the C library, such as `epoll_wait`, are cheaper: they need not
    /// look for a cancellation.
    Caller,
    /// A caller is writing.
    BusyCaller,
    /// The thread waits for lines.
    Thread,
    BusyThread,
}

impl Sink {
    /// Creates the queue, and the thread that writes to the stream, if the system has one.
    pub(crate) fn new(stream: impl Stream + 'static, render: Render, report: Report) -> Sink {
        let sink = Sink::without_thread(stream, render, report);
        if sink.shared.start().is_ok() {
            sink.shared.queue().writer = Writer::Thread;
        }
        sink
    }

    /// Creates the queue. The thread starts when the stream has no room for a line. No other
    /// process may write to the stream at the same time: it could take the room.
    pub(crate) fn without_thread(
        stream: impl Stream + 'static,
        render: Render,
        report: Report,
    ) -> Sink {
        let queue =
            Queue { records: Vec::new(), dropped: 0, writer: Writer::Caller, is_awaited: false };
        let (has_records, is_idle) = (Condvar::new(), Condvar::new());
        let (pen, queue) = (Pen { stream: Box::new(stream), render, report }, Mutex::new(queue));
        Sink { shared: Arc::new(Shared { pen, queue, has_records, is_idle }) }
    }

    /// Queues the record that `append` appends, or writes it. Returns at once.
    pub(crate) fn push(&self, append: impl FnOnce(&mut Vec<u8>)) {
        let mut queue = self.shared.queue();
        let before = queue.records.len();
        append(&mut queue.records);
        if queue.records.len() > QUEUE_MAX {
            queue.dropped += 1;
            queue.records.truncate(before);
        }
        if queue.writer == Writer::Caller {
            self.shared.write_or_start(queue);
        } else if before == 0 && queue.writer == Writer::Thread {
            drop(queue);
            self.shared.has_records.notify_one();
        }
    }

    /// Waits until the lines are written, for the end of the program. A stream that takes nothing
    /// delays it by one second.
    pub(crate) fn finish(&self) {
        let mut queue = self.shared.queue();
        queue.is_awaited = true;
        let is_busy = |queue: &mut Queue| {
            let is_writing = matches!(queue.writer, Writer::BusyCaller | Writer::BusyThread);
            is_writing || !queue.records.is_empty()
        };
        drop(self.shared.is_idle.wait_timeout_while(queue, PATIENCE, is_busy));
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the records, or starts the thread if that could wait. Dropped lines are reported by
    /// the thread, because the report may come back here.
    fn write_or_start<'a>(self: &'a Arc<Self>, mut queue: MutexGuard<'a, Queue>) {
        let (mut records, mut lines) = (Vec::new(), Vec::new());
        queue.writer = Writer::BusyCaller;
        while !queue.records.is_empty() {
            let is_short = queue.records.len() <= WRITE_MAX && queue.dropped == 0;
            if !is_short || !self.pen.stream.has_room() {
                // Without a thread, the next line tries again.
                queue.writer = self.start().map_or(Writer::Caller, |()| Writer::BusyThread);
                return;
            }
            mem::swap(&mut records, &mut queue.records);
            drop(queue);
            (self.pen.render)(&mut records, &mut lines);
            let lost = self.pen.write(&lines, false).1;
            records.clear();
            lines.clear();
            queue = self.queue();
            queue.dropped += lost;
        }
        queue.writer = Writer::Caller;
        if queue.is_awaited {
            self.is_idle.notify_all();
        }
    }

    fn start(self: &Arc<Self>) -> io::Result<()> {
        let shared = Arc::clone(self);
        thread::Builder::new().name("lines".into()).spawn(move || shared.run()).map(drop)
    }

    /// Runs in the thread.
    fn run(&self) {
        let (mut records, mut lines) = (Vec::new(), Vec::new());
        let mut is_cut = self.queue().dropped > 0;
        loop {
            let dropped = self.take(&mut records);
            lines.clear();
            (self.pen.render)(&mut records, &mut lines);
            let lost;
            (is_cut, lost) = self.pen.write(&lines, is_cut);
            if dropped > 0 && !is_cut {
                lines.clear();
                (self.pen.report)(dropped, &mut lines);
                is_cut = self.pen.stream.put(&lines).is_err();
                self.queue().dropped += lost;
            } else {
                self.queue().dropped += lost + dropped;
            }
        }
    }

    /// Waits for records and takes them, and the number of those that were dropped.
    fn take(&self, records: &mut Vec<u8>) -> u64 {
        records.clear();
        let mut queue = self.queue();
        queue.writer = Writer::Thread;
        if queue.is_awaited && queue.records.is_empty() {
            self.is_idle.notify_all();
        }
        let is_idle = |queue: &mut Queue| queue.records.is_empty();
        let waited = self.has_records.wait_while(queue, is_idle);
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner);
        queue.writer = Writer::BusyThread;
        mem::swap(records, &mut queue.records);
        mem::take(&mut queue.dropped)
    }
}

impl Pen {
    /// Writes whole lines, after a line end if the last write was cut. Returns whether the last
    /// write was cut, and the number of lost lines: on a full disk the next ones may have room.
    fn write(&self, lines: &[u8], mut is_cut: bool) -> (bool, u64) {
        let (mut rest, mut lost) = (lines, 0);
        while let Some(part) = first_part(rest) {
            let start: &[u8] = if is_cut { b"\n" } else { b"" };
            is_cut = self.stream.put(start).and_then(|()| self.stream.put(part)).is_err();
            if is_cut {
                lost += count(part);
            }
            rest = &rest[part.len()..];
        }
        (is_cut, lost)
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
