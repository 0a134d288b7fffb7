//! The states of a connection, each of one machine: see `state.rs`. Must not know the transitions.

/// The life of a connection. It only moves down this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(in crate::hub) enum Life {
    Open,
    /// The handler is done with the connection; queued output is still being sent.
    Closing,
    /// All output is sent and the write side is shut. Input is discarded until the peer closes,
    /// too: closing a socket with unread input resets it and can destroy the last reply.
    Lingering,
    /// To be closed gracefully.
    Closed,
    /// To be closed by a reset: output or input was lost.
    Cut,
    /// The socket is dropped at the end of the turn.
    Ended,
}

/// The receiving half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::hub) enum Input {
    Open,
    /// The connection was ended while input was unused, or before all output was sent.
    Unread,
    /// The end of the peer's input was read.
    Ended,
}

/// The sending half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::hub) enum Output {
    Open,
    /// The handler has finished; the write side is shut once the queue is empty.
    Finishing,
    Shut,
    /// A write failed. Nothing can be sent any more.
    Failed,
}

/// The progress of the handler's callbacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Callbacks {
    /// `on_open` is due.
    New,
    Opened,
    /// `on_close` was called, though the handler may not be back from its worker.
    Notified,
    /// The connection was served elsewhere: it has no handler here.
    Adopted,
}

/// The call of `on_stop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::hub) enum Stop {
    No,
    /// Due after the incomplete message.
    Asked,
    /// Due at once.
    Overdue,
}

/// The pause of the handler, by its end. The connection is not read, and nothing is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Pause {
    No,
    Resumed,
    /// The end of the peer's input ends the connection.
    PeerEnds,
}
