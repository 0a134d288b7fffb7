//! Standard input for a handler. Reading it blocks, so a separate thread reads a bounded number of
//! pieces ahead of the handler.

use std::io::{self, StdinLock};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

use socketserver::{Context, Id, ServerHandle};

/// Pieces read ahead, so that the thread and the loop work in parallel. The rest stays in the pipe.
const AHEAD: usize = 8;

/// Reads the next piece, of any size. An empty piece is the end.
pub(crate) type Read = fn(&mut StdinLock<'static>) -> io::Result<Vec<u8>>;

/// The notification of new input: a piece, or the end.
pub(crate) struct Came;

/// The next part of the input.
pub(crate) enum Piece {
    Bytes(Vec<u8>),
    /// A notification will follow.
    NotYet,
    End,
}

/// Standard input, piece by piece.
pub(crate) struct Input {
    handle: ServerHandle,
    read: Read,
    /// The sender for the thread, until it starts.
    sender: Option<SyncSender<io::Result<Vec<u8>>>>,
    receiver: Receiver<io::Result<Vec<u8>>>,
}

impl Input {
    pub(crate) fn new(handle: ServerHandle, read: Read) -> Input {
        let (sender, receiver) = sync_channel(AHEAD);
        Input { handle, read, sender: Some(sender), receiver }
    }

    /// Starts the thread, which notifies the handler of this connection.
    pub(crate) fn start(&mut self, cx: &Context<'_>) -> io::Result<()> {
        let Some(sender) = self.sender.take() else { return Ok(()) };
        let (handle, id, read) = (self.handle.clone(), cx.id(), self.read);
        thread::Builder::new()
            .name("input".into())
            .spawn(move || pass_on(read, sender, &handle, id))
            .map(drop)
    }

    /// Returns the next piece, if it has arrived. After the end it returns the end again.
    ///
    /// # Errors
    ///
    /// The system's error when reading.
    pub(crate) fn next(&mut self) -> io::Result<Piece> {
        match self.receiver.try_recv() {
            Ok(piece) => piece.map(Piece::Bytes),
            Err(TryRecvError::Empty) => Ok(Piece::NotYet),
            Err(TryRecvError::Disconnected) => Ok(Piece::End),
        }
    }
}

/// Runs in the thread. It ends when the connection has ended, because the program is about to exit.
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
    // Close the channel before the notification of the end.
    drop(sender);
    let _ = handle.notify(id, Came);
}
