//! The body of an answer as it is read from a file, part by part. Must not know requests.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::reader::Reader;
use super::root::{Place, Refusal};
use crate::close::Close;
use crate::services::web::source::{Extent, Source, Step};

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

    /// Removes bytes from the front of the first part.
    fn advance(&mut self, len: u64) {
        self.left -= len;
        if let Some(BodyPart::Bytes(range)) = self.parts.front_mut() {
            range.start += len;
            if range.is_empty() {
                self.parts.pop_front();
            }
        }
    }
}

impl Source for FileBody {
    fn extent(&self) -> Extent {
        Extent::Measured(self.left)
    }

    fn next(&mut self, _: Duration) -> Step {
        let range = match self.parts.front_mut() {
            None => return Step::End,
            Some(BodyPart::Text(text)) => {
                let text = std::mem::take(text);
                self.parts.pop_front();
                self.left -= text.len() as u64;
                return Step::Piece(text);
            }
            Some(BodyPart::Bytes(range)) => range,
        };
        let start = range.start;
        let region = start..range.end.min(start + REGION);
        if range.end - start > COPIED && self.reader.is_warm(&self.file, &region) {
            self.advance(region.end - start);
            return Step::File(Arc::clone(&self.file), region);
        }
        let wanted = (range.end - start).min(PORTION) as usize;
        let mut piece = vec![0; wanted];
        match self.reader.read(&self.file, &mut piece, start, Place::Loop) {
            // The file is shorter than it was: the length of the answer was sent already.
            Ok(0) => Step::Broken(Close::Io(io::ErrorKind::UnexpectedEof)),
            Ok(n) => {
                piece.truncate(n);
                self.advance(n as u64);
                Step::Piece(piece)
            }
            Err(Refusal::Failed(kind)) => Step::Broken(Close::Io(kind)),
            Err(_) => {
                let (file, reader) = (Arc::clone(&self.file), self.reader.clone());
                self.advance(wanted as u64);
                Step::Read(Box::new(move || read_all(&file, &reader, start, piece)))
            }
        }
    }
}

/// Reads a piece, on a worker.
fn read_all(file: &File, reader: &Reader, start: u64, mut piece: Vec<u8>) -> io::Result<Vec<u8>> {
    match reader.fill(file, &mut piece, start, Place::Worker) {
        Ok(()) => Ok(piece),
        Err(Refusal::Failed(kind)) => Err(kind.into()),
        Err(_) => Err(io::ErrorKind::Other.into()),
    }
}
