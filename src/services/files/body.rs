//! The body of an answer as it is read from a file, part by part. Must not know requests.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::reader::Reader;
use super::root::{Place, Refusal};
use crate::services::web::source::{Portion, Source};

/// The bytes read at once: memory of a connection that is sent a file of any length.
const PORTION: u64 = 64 * 1024;

/// The bytes given to the system to send at once. They are the unsent output of the connection, and
/// so less than `Limits::output_hard`.
const REGION: u64 = 256 * 1024;

/// The length up to which bytes are copied, to be sent with those around them.
const COPIED: u64 = 16 * 1024;

/// Parts of a file, with text between them.
pub(super) struct FileBody {
    file: Arc<File>,
    reader: Reader,
    /// None is empty.
    parts: VecDeque<BodyPart>,
    left: u64,
}

enum BodyPart {
    Text(Vec<u8>),
    Bytes(Range<u64>),
}

impl FileBody {
    /// Creates an empty body.
    pub(super) fn new(file: File, reader: Reader) -> FileBody {
        FileBody { file: Arc::new(file), reader, parts: VecDeque::new(), left: 0 }
    }

    /// Adds a range of the file.
    pub(super) fn bytes(mut self, range: Range<u64>) -> FileBody {
        self.left += range.end - range.start;
        if !range.is_empty() {
            self.parts.push_back(BodyPart::Bytes(range));
        }
        self
    }

    /// Adds text.
    pub(super) fn text(mut self, text: String) -> FileBody {
        self.left += text.len() as u64;
        if !text.is_empty() {
            self.parts.push_back(BodyPart::Text(text.into_bytes()));
        }
        self
    }
}

impl Source for FileBody {
    fn left(&self) -> u64 {
        self.left
    }

    fn append(&mut self, out: &mut Vec<u8>) -> io::Result<Portion> {
        let range = match self.parts.front_mut() {
            None => return Ok(Portion::Appended(0)),
            Some(BodyPart::Text(text)) => {
                let len = text.len();
                out.append(text);
                self.parts.pop_front();
                self.left -= len as u64;
                return Ok(Portion::Appended(len));
            }
            Some(BodyPart::Bytes(range)) => range,
        };
        let start = range.start;
        let region = start..range.end.min(start + REGION);
        if range.end - start > COPIED && self.reader.is_warm(&self.file, &region) {
            range.start = region.end;
            if range.is_empty() {
                self.parts.pop_front();
            }
            self.left -= region.end - region.start;
            return Ok(Portion::File(Arc::clone(&self.file), region));
        }
        let wanted = (range.end - start).min(PORTION) as usize;
        let mark = out.len();
        out.resize(mark + wanted, 0);
        let read = match out.get_mut(mark..) {
            Some(space) => self.reader.read(&self.file, space, start, Place::Loop),
            None => Ok(0),
        };
        out.truncate(mark + *read.as_ref().unwrap_or(&0));
        let (len, portion) = match read {
            // The file is shorter than it was: the length of the answer was sent already.
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => (n, Portion::Appended(n)),
            Err(Refusal::Failed(kind)) => return Err(kind.into()),
            Err(_) => {
                let (file, reader) = (Arc::clone(&self.file), self.reader.clone());
                let work = move || read_all(&file, &reader, start, wanted);
                (wanted, Portion::Read(Box::new(work)))
            }
        };
        range.start += len as u64;
        if range.is_empty() {
            self.parts.pop_front();
        }
        self.left -= len as u64;
        Ok(portion)
    }
}

/// Reads `len` bytes, on a worker.
fn read_all(file: &File, reader: &Reader, start: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    match reader.fill(file, &mut bytes, start, Place::Worker) {
        Ok(()) => Ok(bytes),
        Err(Refusal::Failed(kind)) => Err(kind.into()),
        Err(_) => Err(io::ErrorKind::Other.into()),
    }
}
