//! Standard input for a handler. Reading it blocks, so a thread of its own does that, a little
//! ahead of the handler and no further.

use std::io::{self, StdinLock};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

use socketserver::{Context, Id, ServerHandle};

/// Pieces read ahead: with them the thread works while the loop does, and what nobody takes yet
/// stays in the pipe.
const AHEAD: usize = 8;

/// Reads the next piece, as large as it likes. An empty one is the end.
pub(crate) type Read = fn(&mut StdinLock<'static>) -> io::Result<Vec<u8>>;

/// The note that tells a handler to look at its input: a piece has come, or the end.
pub(crate) struct Came;

/// What there is of the input.
pub(crate) enum Piece {
    Bytes(Vec<u8>),
    /// A note will tell of the next one.
    NotYet,
    End,
}

/// Standard input, piece by piece.
pub(crate) struct Input {
    handle: ServerHandle,
    read: Read,
    /// The thread's, once it runs.
    sender: Option<SyncSender<io::Result<Vec<u8>>>>,
    receiver: Receiver<io::Result<Vec<u8>>>,
}

impl Input {
    pub(crate) fn new(handle: ServerHandle, read: Read) -> Input {
        let (sender, receiver) = sync_channel(AHEAD);
        Input { handle, read, sender: Some(sender), receiver }
    }

    /// Begins to read, and to tell the handler of this connection.
    pub(crate) fn start(&mut self, cx: &Context<'_>) -> io::Result<()> {
        let Some(sender) = self.sender.take() else { return Ok(()) };
        let (handle, id, read) = (self.handle.clone(), cx.id(), self.read);
        thread::Builder::new()
            .name("input".into())
            .spawn(move || pass_on(read, sender, &handle, id))
            .map(drop)
    }

    /// Takes the next piece, if it is there. After the end there is the end again.
    ///
    /// # Errors
    ///
    /// What the system said when it was read.
    pub(crate) fn next(&mut self) -> io::Result<Piece> {
        match self.receiver.try_recv() {
            Ok(piece) => piece.map(Piece::Bytes),
            Err(TryRecvError::Empty) => Ok(Piece::NotYet),
            Err(TryRecvError::Disconnected) => Ok(Piece::End),
        }
    }
}

/// Runs in the thread. If nobody listens any more, the connection has ended, and the program is
/// about to.
fn pass_on(read: Read, sender: SyncSender<io::Result<Vec<u8>>>, handle: &ServerHandle, id: Id) {
    let mut stdin = io::stdin().lock();
    let mut is_open = true;
    while is_open {
        let piece = match read(&mut stdin) {
            Ok(bytes) if bytes.is_empty() => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            piece => piece,
        };
        is_open = piece.is_ok();
        if sender.send(piece).is_err() || handle.notify(id, Came).is_err() {
            return;
        }
    }
    // First the end, then the word of it.
    drop(sender);
    let _ = handle.notify(id, Came);
}
