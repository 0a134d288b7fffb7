//! Reading of open files: at once from the page cache, or by a worker. Must not know HTTP.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
#[cfg(feature = "testkit")]
use std::sync::Arc;
use std::time::Duration;

use super::root::{Place, Refusal};
use super::warmth::{FilePart, Warmth};

/// A function that reads in place of the system, for tests of slow disks.
#[cfg(feature = "testkit")]
pub(super) type ReadAt = Arc<dyn Fn(&File, &mut [u8], u64) -> io::Result<usize> + Send + Sync>;

/// Reads files.
#[derive(Clone, Default)]
pub(super) struct Reader {
    warmth: Warmth,
    /// Reads in place of the system. All reads are then those of a worker.
    #[cfg(feature = "testkit")]
    pub(super) double: Option<ReadAt>,
}

impl Reader {
    /// Reads up to the length of `buffer`. Returns 0 at the end of the file.
    ///
    /// # Errors
    ///
    /// [`Refusal::Cold`] if `place` is the loop and the page cache lacks the first byte.
    pub(super) fn read(
        &self,
        file: &File,
        buffer: &mut [u8],
        offset: u64,
        place: Place,
    ) -> Result<usize, Refusal> {
        #[cfg(feature = "testkit")]
        if let Some(double) = &self.double {
            return match place {
                Place::Loop => Err(Refusal::Cold),
                Place::Worker => double(file, buffer, offset).map_err(failed),
            };
        }
        match place {
            Place::Loop => read_warm(file, buffer, offset),
            Place::Worker => loop {
                match file.read_at(buffer, offset) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => return other.map_err(failed),
                }
            },
        }
    }

    /// Returns true if the page cache has the part, or had it a moment before `now`, as far as a
    /// byte in every 128 KiB, the window of the system's read-ahead, and the last one show. A page
    /// between them that was evicted alone makes the loop wait for one read.
    pub(super) fn is_warm(&self, file: &File, part: FilePart, now: Duration) -> bool {
        if self.warmth.has(&part, now) {
            return true;
        }
        let last = part.range.end.saturating_sub(1);
        let probes = (part.range.start..last).step_by(128 * 1024).chain([last]);
        let is_there = |at| self.read(file, &mut [0], at, Place::Loop) == Ok(1);
        let is_warm = probes.into_iter().all(is_there);
        if is_warm {
            self.warmth.note(part, now);
        }
        is_warm
    }

    /// Fills `buffer`.
    ///
    /// # Errors
    ///
    /// As for [`read`](Reader::read); `UnexpectedEof` if the file is too short.
    pub(super) fn fill(
        &self,
        file: &File,
        buffer: &mut [u8],
        offset: u64,
        place: Place,
    ) -> Result<(), Refusal> {
        let mut done = 0;
        while let Some(rest @ [_, ..]) = buffer.get_mut(done..) {
            match self.read(file, rest, offset + done as u64, place)? {
                0 => return Err(Refusal::Failed(io::ErrorKind::UnexpectedEof)),
                n => done += n,
            }
        }
        Ok(())
    }
}

fn failed(error: io::Error) -> Refusal {
    Refusal::Failed(error.kind())
}

/// Reads from the page cache, by `preadv2` with `RWF_NOWAIT` (Linux 4.14).
#[cfg(target_os = "linux")]
fn read_warm(file: &File, buffer: &mut [u8], offset: u64) -> Result<usize, Refusal> {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    let mut buffers = [io::IoSliceMut::new(buffer)];
    match preadv2(file, &mut buffers, offset, ReadWriteFlags::NOWAIT) {
        Ok(n) => Ok(n),
        // The last three: a file system or a kernel without it.
        Err(Errno::AGAIN | Errno::INTR | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => {
            Err(Refusal::Cold)
        }
        Err(error) => Err(failed(error.into())),
    }
}

/// Without such a call only a worker reads.
#[cfg(not(target_os = "linux"))]
fn read_warm(_: &File, _: &mut [u8], _: u64) -> Result<usize, Refusal> {
    Err(Refusal::Cold)
}
