//! What a member can ask for: lines that begin with a slash. Parses; does nothing.

/// A line that is not said to the room but to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    /// To be called so.
    Nick(&'a str),
    /// To leave this room for that one.
    Join(&'a str),
    Who,
    Quit,
    Help,
    Unknown,
}

/// What `/help` tells, line by line.
pub(super) const HELP: &[&str] = &[
    "/nick NAME   change your name",
    "/join ROOM   go to another room",
    "/who         tell who is in this room",
    "/quit        leave",
    "/help        this text",
    "everything else is said to the room",
];

impl Command<'_> {
    /// What `command` means, a line without its slash.
    pub(super) fn parse(command: &str) -> Command<'_> {
        let (word, rest) = command.split_once([' ', '\t']).unwrap_or((command, ""));
        let rest = rest.trim_matches([' ', '\t']);
        match (word, rest) {
            ("nick", name) => Command::Nick(name),
            ("join", room) => Command::Join(room),
            ("who", _) => Command::Who,
            ("quit", _) => Command::Quit,
            ("help", _) => Command::Help,
            _ => Command::Unknown,
        }
    }
}
