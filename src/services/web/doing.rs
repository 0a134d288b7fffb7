//! The activity of a conversation between two calls. Knows no connection.

use super::late::{Delayed, Late, Stream};
use super::upload::Upload;

/// The current activity. Boxed, so that an idle client takes 16 bytes here.
pub(super) enum Doing {
    Nothing,
    /// A body is arriving.
    Collecting(Box<Upload>),
    /// The answer is delayed; the client is not read.
    Waiting(Box<Delayed>),
    /// The answer is produced elsewhere; the client is not read.
    Awaiting(Box<Late>),
    /// The answer is sent as fast as the client reads; the client is not read.
    Streaming(Box<Stream>),
}
