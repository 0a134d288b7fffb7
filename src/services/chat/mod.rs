//! The chat service: rooms, and members who talk in them by lines of text.
//!
//! ```
//! use socketserver::Server;
//! use socketserver::services::chat::Chat;
//!
//! let server = Server::bind("127.0.0.1:0")?;
//! # server.handle().stop();
//! server.serve(Chat::new())?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod auto_reply;
mod clean;
mod command;
mod directory;
mod line_member;
mod member;
mod name;

use std::fmt;

pub use self::auto_reply::AutoReply;
pub use self::name::NameError;

use self::directory::Directory;
use self::line_member::LineMember;
use self::name::Name;
use crate::handler::framed::Framed;
use crate::handler::{Handler, Service};
use crate::net::incoming::Incoming;
use crate::protocol::line::Lines;

/// A chat. It is a [`Service`]; all whom one of it accepts share its rooms and names.
///
/// Who connects is `guest-1`, `guest-2` and so on, and in the lobby. A line goes to everybody
/// else in the room as `NICK: text`; a line that begins with a slash is a command, and `/help`
/// tells which there are. What the server itself has to say begins with `* `, which no member
/// can fake: every line of theirs begins with their name.
///
/// ```
/// use socketserver::services::chat::Chat;
/// use socketserver::testkit::Network;
/// use socketserver::{Limits, Peer, Service};
///
/// let mut chat = Chat::new();
/// let mut network = Network::new(Limits::default());
/// let one = network.connect(chat.accept(Peer::unix().into()).unwrap());
/// network.settle();
/// let two = network.connect(chat.accept(Peer::unix().into()).unwrap());
/// network.settle();
/// network.received(one);
/// network.send(two, b"/nick bob\nhello\n");
/// network.settle();
/// assert_eq!(network.received(one), b"* guest-2 is now bob\nbob: hello\n");
/// ```
///
/// **Names**, of members and of rooms alike, have 1 to 32 characters: letters, digits, emoji and
/// most else that can be seen. Not fit are white space, `:`, `*`, `/`, controls, what cannot be
/// seen, and marks that combine with the letter before them. Names that differ in case only are
/// the same; letters of different alphabets that look alike are not. A name is free again as
/// soon as its owner has gone.
///
/// **Text** is passed on as UTF-8 and otherwise as it is, but for what could do more in a
/// terminal than be shown: U+FFFD stands for each control character but tab, for other ends of
/// lines (U+2028, U+2029), for what turns the direction of text round (U+202A to U+202E, U+2066
/// to U+206F), and for bytes that are not UTF-8. A line without anything to see is ignored; one
/// that is too long, and a last one without an end, nobody gets.
///
/// Members listen for hours and say nothing: a server for them wants
/// [`Limits::idle`](crate::Limits::idle) and [`Limits::first_byte`](crate::Limits::first_byte)
/// to be long, or `None`.
///
/// What is said in a room is published to the [`Topic`](crate::Topic) `chat:ROOM`, in lower
/// case. So two chats in one server have names of their own and yet hear each other.
pub struct Chat {
    directory: Directory,
    line_limit: usize,
}

impl Chat {
    /// A chat whose newcomers enter the room `lobby`.
    #[must_use]
    pub fn new() -> Chat {
        Chat { directory: Directory::new(Name::of_fit("lobby")), line_limit: Lines::LIMIT }
    }

    /// The room that newcomers enter, instead of `lobby`.
    ///
    /// # Errors
    ///
    /// If the name is not fit for a room.
    ///
    /// ```
    /// use socketserver::services::chat::Chat;
    ///
    /// assert!(Chat::new().room("大厅").is_ok());
    /// let error = Chat::new().room("a:b").unwrap_err();
    /// assert_eq!(error.to_string(), "a name cannot contain ':'");
    /// ```
    pub fn room(self, name: &str) -> Result<Chat, NameError> {
        Ok(Chat { directory: Directory::new(Name::new(name)?), ..self })
    }

    /// How long a line may be, in bytes without its end, instead of 4,096. It should be less
    /// than [`Limits::pending_input`](crate::Limits::pending_input).
    #[must_use]
    pub fn line_limit(self, bytes: usize) -> Chat {
        Chat { line_limit: bytes, ..self }
    }
}

impl Default for Chat {
    fn default() -> Chat {
        Chat::new()
    }
}

impl Service for Chat {
    fn accept(&mut self, _: Incoming) -> Option<Box<dyn Handler>> {
        let lines = Lines::with_limit(self.line_limit);
        let member = LineMember::Outside(self.directory.clone());
        Some(Box::new(Framed::new(lines, member)))
    }
}

impl fmt::Debug for Chat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chat").field("line_limit", &self.line_limit).finish_non_exhaustive()
    }
}
