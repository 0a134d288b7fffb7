//! The commands of members: lines that begin with a slash. Parses them; carries nothing out.

/// A line for the server rather than for the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    /// Takes a new name.
    Nick(&'a str),
    /// Leaves the current room for this one.
    Join(&'a str),
    Who,
    Quit,
    Help,
    Unknown,
}

/// The output of `/help`, line by line.
pub(super) const HELP: &[&str] = &[
    "/nick NAME   change your name",
    "/join ROOM   go to another room",
    "/who         list the members of this room",
    "/quit        leave",
    "/help        this text",
    "all other lines go to the room",
];

impl Command<'_> {
    /// Parses `command`, a line without its slash.
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
