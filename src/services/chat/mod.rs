//! The chat service: rooms whose members exchange lines of text.
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
#[cfg(feature = "chat-web")]
mod browser;
mod clean;
mod command;
mod directory;
mod event;
mod hold;
mod line_member;
mod member;
mod name;
mod name_rules;
#[cfg(feature = "chat-names")]
mod nickname;
#[cfg(feature = "backplane")]
mod nodes;
mod rate;
mod room;

use std::fmt;
use std::time::Duration;

pub use self::auto_reply::AutoReply;
pub use self::name_rules::NameError;

use self::directory::Directory;
use self::line_member::LineMember;
use self::name::Name;
#[cfg(feature = "backplane")]
use self::nodes::{feed::Events, roster::Roster};
use self::rate::Rate;
#[cfg(feature = "backplane")]
use self::room::TOPICS;
#[cfg(feature = "backplane")]
use crate::backplane::config::Backplane;
use crate::handler::framed::Framed;
use crate::handler::{Handler, Service};
use crate::net::incoming::Incoming;
use crate::protocol::line::Lines;
use crate::protocol::telnet::TelnetLines;
#[cfg(feature = "chat-web")]
use crate::services::web::Web;

/// A chat. It is a [`Service`]; all connections that one `Chat` accepts share its rooms and names.
///
/// A new member is called `guest-1`, `guest-2` and so on, and enters the lobby. A line goes to all
/// other members of the room as `NICK: text`. A line that begins with a slash is a command, and
/// `/help` lists the commands. Notices of the server begin with `* `, which no member can fake: the
/// lines of members begin with a name.
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
/// **Names**, of members and of rooms alike, have 1 to 32 characters, none of them `:`, `*`, `/`,
/// white space or a control. Names that differ only in case are the same. A name is free again as
/// soon as its owner has left.
///
/// Without the feature `chat-names` the characters are the letters, digits and punctuation of
/// ASCII. With it they are those of the Nickname profile of PRECIS (RFC 8266), letters, marks,
/// digits and symbols of all scripts, and emoji of one character. A name is shown in the normal
/// form NFKC, and all texts with this form are one name. No name begins with a combining mark, or
/// has more than four of them in a row. A name that looks like another one in use is refused: both
/// have the same skeleton (UTS #39), as `paypal` and the same word with a Cyrillic letter have.
///
/// **Text** is passed on as UTF-8 and unchanged, except for characters that a terminal would act
/// on. U+FFFD replaces each control character except tab, other line ends (U+2028, U+2029),
/// characters that change the direction of text (U+202A to U+202E, U+2066 to U+206F), and bytes
/// that are not UTF-8. A line of white space is ignored, and with the feature `chat-names` a line
/// of invisible characters as well. A line that is too long, and a last line without an end, is
/// not passed on.
///
/// A line ends in LF, CRLF, or CR NUL, as telnet sends it. Telnet's commands are not part of the
/// text, and all its options are refused: see [`TelnetLines`]. Each member has a
/// [rate of lines](Chat::line_rate), and the lines of a flood wait.
///
/// With the feature `chat-web`, [`web`](Chat::web) lets browsers take part, with a name of the same
/// kind, in up to eight of the rooms.
///
/// Members may listen for hours without sending anything. A chat server needs long values of
/// [`Limits::idle`](crate::Limits::idle) and [`Limits::first_byte`](crate::Limits::first_byte), or
/// `None`.
///
/// Lines are published to the [`Topic`](crate::Topic) `chat:ROOM`, with the name of the room in
/// lower case. Two chats in one server therefore have separate names but share the lines of equally
/// named rooms.
pub struct Chat {
    directory: Directory,
    line_limit: usize,
    rate: Rate,
    #[cfg(feature = "chat-web")]
    origins: Option<Vec<String>>,
}

/// A paste of ten lines goes through at once. Ten lines a second are more than a person reads.
const RATE: Rate = Rate::new(10, Duration::from_millis(100));

impl Chat {
    /// A chat whose newcomers enter the room `lobby`.
    #[must_use]
    pub fn new() -> Chat {
        let directory = Directory::new(Name::of_fit("lobby"));
        Chat {
            directory,
            line_limit: Lines::LIMIT,
            rate: RATE,
            #[cfg(feature = "chat-web")]
            origins: None,
        }
    }

    /// Sets the room that new members enter, instead of `lobby`.
    ///
    /// # Errors
    ///
    /// Returns an error if `name` is not valid for a room.
    ///
    /// ```
    /// use socketserver::services::chat::Chat;
    ///
    /// assert!(Chat::new().room("Tea-House").is_ok());
    /// let error = Chat::new().room("a:b").unwrap_err();
    /// assert_eq!(error.to_string(), "a name cannot contain ':'");
    /// ```
    pub fn room(self, name: &str) -> Result<Chat, NameError> {
        self.directory.set_lobby(Name::new(name)?);
        Ok(self)
    }

    /// Sets the maximum length of a line, in bytes without its end, which is 4,096 by default. It
    /// should be less than [`Limits::pending_input`](crate::Limits::pending_input).
    ///
    /// ```
    /// use socketserver::Server;
    /// use socketserver::services::chat::Chat;
    ///
    /// let server = Server::bind("127.0.0.1:0")?;
    /// # server.handle().stop();
    /// server.serve(Chat::new().line_limit(512))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn line_limit(self, bytes: usize) -> Chat {
        Chat { line_limit: bytes, ..self }
    }

    /// Sets the pace of each member: `burst` lines at once, and then a line in each `interval`,
    /// which is 10 lines and 100 ms by default. A line counts once for each 512 bytes of it. The
    /// lines of a faster member are not read before their time, so none is dropped. An
    /// interval of 0 sets no limit.
    ///
    /// ```
    /// use socketserver::services::chat::Chat;
    /// use socketserver::testkit::Network;
    /// use socketserver::{Limits, Peer, Service};
    /// use std::time::Duration;
    ///
    /// let mut chat = Chat::new().line_rate(1, Duration::from_secs(1));
    /// let mut network = Network::new(Limits::default());
    /// let mut enter = || network.connect(chat.accept(Peer::unix().into()).unwrap());
    /// let (one, two) = (enter(), enter());
    /// network.settle();
    /// network.received(two);
    /// network.send(one, b"first\nsecond\n");
    /// network.settle();
    /// assert_eq!(network.received(two), b"guest-1: first\n");
    /// network.advance(Duration::from_secs(1));
    /// assert_eq!(network.received(two), b"guest-1: second\n");
    /// ```
    #[must_use]
    pub fn line_rate(self, burst: u32, interval: Duration) -> Chat {
        Chat { rate: Rate::new(burst, interval), ..self }
    }
}

/// Rooms that span several nodes.
#[cfg(feature = "backplane")]
impl Chat {
    /// Makes this chat one of several nodes, whose members share rooms and names through the engine
    /// of `backplane`. Returns the backplane with the topics of the chat, for the server. One
    /// backplane serves one chat.
    ///
    /// Lines and notices have one order at all nodes. A member is told if some may be missing
    /// (`* some messages may be missing`), and if the engine is away: then nothing is sent, and
    /// names cannot be changed. Guests are called `guest-XX-N`, where `XX` are two characters of
    /// the node. `docs/chat.md` of this crate has the details.
    ///
    /// ```
    /// use socketserver::Backplane;
    /// use socketserver::services::chat::Chat;
    ///
    /// fn share(backplane: Backplane) -> (Chat, Backplane) {
    ///     let chat = Chat::new();
    ///     let backplane = chat.share(backplane);
    ///     (chat, backplane)
    /// }
    /// ```
    #[must_use]
    pub fn share(&self, backplane: Backplane) -> Backplane {
        self.directory.share();
        let roster = Box::new(Roster::new(self.directory.clone()));
        Backplane { roster: Some(roster), ..backplane }
            .share(TOPICS, Events(self.directory.clone()))
    }
}

/// Members with a browser.
#[cfg(feature = "chat-web")]
impl Chat {
    /// Returns the routes of a page with which browsers take part in this chat, for a web service.
    /// `docs/chat.md` of this crate describes the page and its protocol.
    ///
    /// The routes are `/`, the files of the page, and `/ws`, a WebSocket. With the subprotocol
    /// `chat.v1.json` it carries JSON, for a member of up to eight rooms. Without a subprotocol it
    /// carries lines, one line a text message.
    ///
    /// The limits, the rate and the origins count as they are at this call.
    ///
    /// ```
    /// use socketserver::Server;
    /// use socketserver::services::chat::Chat;
    /// use socketserver::services::detect::{self, Detect};
    ///
    /// let chat = Chat::new();
    /// let web = chat.web();
    ///
    /// let server = Server::bind("127.0.0.1:0")?;
    /// # server.handle().stop();
    /// server.serve(Detect::new(chat).when(detect::http, web))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// Below a prefix of another service, `/chat` is redirected to the page:
    ///
    /// ```
    /// use socketserver::services::chat::Chat;
    /// use socketserver::services::web::Web;
    /// use socketserver::testkit::WebClient;
    ///
    /// let site = Web::new().nest("/chat", Chat::new().web());
    /// let mut client = WebClient::new(site);
    /// assert_eq!(client.get("/chat").header("location"), Some("chat/index.html"));
    /// assert!(client.get("/chat/index.html").text().contains("<title>"));
    /// ```
    pub fn web(&self) -> Web {
        self.directory.fit_histories(self.line_limit);
        browser::routes(self.directory.clone(), self.rate, self.line_limit, self.origins.clone())
    }

    /// Sets the origins whose pages may connect to the WebSocket, such as `https://example.com`, in
    /// place of the server's own: see [`WebSocket::origins`]. Others get status 403.
    ///
    /// ```
    /// use socketserver::services::chat::Chat;
    ///
    /// let web = Chat::new().origins(["https://example.com"]).web();
    /// # let _ = web;
    /// ```
    ///
    /// [`WebSocket::origins`]: crate::services::web::WebSocket::origins
    #[must_use]
    pub fn origins<T: Into<String>>(self, origins: impl IntoIterator<Item = T>) -> Chat {
        Chat { origins: Some(origins.into_iter().map(Into::into).collect()), ..self }
    }

    /// Sets the bounds of the history of each room: its events, 1,000 by default, and the bytes of
    /// them, 256 KiB by default. A browser that connects again gets the events that it has missed
    /// from there, or is told that some are missing. A newcomer gets all of them.
    ///
    /// A room has a history from its first member with a browser on. It is kept for 10 minutes
    /// after the last one has left, in up to 64 rooms. Of more than 256 rooms with a history,
    /// further ones keep 50 events and 16 KiB, which is also the least that can be set: members
    /// that are connected read from there as well.
    ///
    /// ```
    /// use socketserver::services::chat::Chat;
    ///
    /// let web = Chat::new().history(200, 64 * 1024).web();
    /// # let _ = web;
    /// ```
    #[must_use]
    pub fn history(self, events: usize, bytes: usize) -> Chat {
        self.directory.bound_histories(events, bytes);
        self
    }
}

impl Default for Chat {
    fn default() -> Chat {
        Chat::new()
    }
}

impl Service for Chat {
    fn accept(&mut self, _: Incoming) -> Option<Box<dyn Handler>> {
        let lines = TelnetLines::with_limit(self.line_limit);
        let member = LineMember::new(self.directory.clone(), self.rate);
        Some(Box::new(Framed::new(lines, member)))
    }
}

impl fmt::Debug for Chat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chat").field("line_limit", &self.line_limit).finish_non_exhaustive()
    }
}
