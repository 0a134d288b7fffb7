//! `chat_client` at a terminal, as a person sees it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use socket2::SockRef;

use crate::support::output::{Program, end_of};
use crate::support::process::{signal, state};
use crate::support::real::{accept, accept_unix, command, example_path, read_to_end};
use crate::support::terminal::Terminal;
use crate::support::waiting::{Rounds, until};

#[path = "../../../examples/chat_client/editor.rs"]
mod editor;
#[path = "../../../examples/chat_client/keys.rs"]
mod keys;

use editor::{Editor, Event, View};
use keys::{Key, Keys};

const COLUMNS: u16 = 40;
const WELCOME: &str = "* welcome: you are ann in lobby; /help lists the commands\n";

/// A client at a terminal, and its server.
struct Chat {
    terminal: Terminal,
    modes: String,
    client: Program,
    server: TcpStream,
}

impl Chat {
    fn start(columns: u16, adapt: impl FnOnce(&mut Command)) -> Chat {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let terminal = Terminal::open(columns, 24);
        let modes = terminal.modes();
        let mut command = command(&example_path("chat_client"));
        command.arg(&address).env("TZ", "UTC").env("NO_COLOR", "1");
        adapt(&mut command);
        let client = terminal.start(&mut command);
        let mut server = accept(&listener);
        server.write_all(WELCOME.as_bytes()).unwrap();
        let chat = Chat { terminal, modes, client, server };
        chat.last_row("ann> ", 5);
        assert_ne!(chat.terminal.modes(), chat.modes);
        chat
    }

    fn last_row(&self, row: &str, column: usize) -> Vec<String> {
        self.terminal.until_last_row(usize::from(COLUMNS), row, column).rows
    }

    fn heard(&mut self, expected: &str) {
        let mut heard = vec![0; expected.len()];
        self.server.read_exact(&mut heard).unwrap();
        assert_eq!(String::from_utf8(heard).unwrap(), expected);
    }

    /// Closes, waits for the end, and checks the exit code, the errors and the modes.
    fn end(mut self, expected: (Option<i32>, &str)) -> Terminal {
        // With a linger time of zero this resets the connection.
        drop(self.server);
        let code = end_of(&mut self.client).code();
        let mut errors = String::new();
        self.client.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!((code, errors.as_str()), expected);
        assert_eq!(self.terminal.modes(), self.modes);
        self.terminal
    }
}

/// Removes the time from a row.
fn without_time(row: &str) -> &str {
    let (time, rest) = row.split_once(' ').unwrap();
    let is_time = |c: char| c.is_ascii_digit() || c == ':';
    assert!(time.len() == 8 && time.chars().all(is_time), "{row}");
    rest
}

#[test]
fn a_line_that_is_being_typed_survives_incoming_text() {
    let mut chat = Chat::start(COLUMNS, |_| {});
    chat.terminal.typed("half a ");
    chat.last_row("ann> half a ", 12);
    chat.server.write_all(b"bob: hello\r\nbob: are you there?\n").unwrap();
    let rows = until("bob is shown above the line", || {
        let screen = chat.terminal.screen(usize::from(COLUMNS));
        let [.., before, last] = &screen.rows[..] else { return Err(screen) };
        match before.ends_with("there?") && last == "ann> half a " && screen.column == 12 {
            true => Ok(screen.rows),
            false => Err(screen),
        }
    });
    let shown = rows[rows.len() - 3..rows.len() - 1].iter().map(|row| without_time(row));
    assert_eq!(shown.collect::<Vec<_>>(), ["bob: hello", "bob: are you there?"]);
    // The line is as it was for the user and for the server, and stays visible when it was sent.
    chat.terminal.typed("lime\x7f\x7fne\r");
    chat.heard("half a line\n");
    let rows = chat.last_row("ann> ", 5);
    assert_eq!(without_time(&rows[rows.len() - 2]), "ann> half a line");
    // The history, and the name in the prompt.
    chat.server.write_all(b"* you are now eve\n").unwrap();
    chat.last_row("eve> ", 5);
    chat.terminal.typed("\x1b[A\x1b[D\x1b[D\x1b[D\x1b[D\x0b");
    chat.last_row("eve> half a ", 12);
    chat.terminal.typed("\x01\x1b[3~H\r");
    chat.heard("Half a \n");
}

#[test]
fn text_of_a_peer_does_not_control_the_terminal() {
    let mut chat = Chat::start(COLUMNS, |_| {});
    let hostile = "bob: \x1b]0;x\x07\x1b[2J\u{9b}31m\r\x08\x0e\u{202e}\n* you are now \x1b[2J\n";
    chat.server.write_all(hostile.as_bytes()).unwrap();
    // The emulation of the terminal refuses other sequences than those of the program itself.
    chat.last_row("\\u{1b}[2J> ", 11);
    assert!(chat.terminal.written().contains("\\u{1b}]0;x\\u{7}\\u{1b}[2J\\u{9b}31m\\r"));
    // A text without an end is shown, too.
    chat.server.write_all(b"who are you?").unwrap();
    chat.terminal.until_written("who are you?\r\n");
}

#[test]
fn a_window_may_be_narrower_than_the_line() {
    let mut chat = Chat::start(COLUMNS, |_| {});
    let line = "0123456789".repeat(6);
    chat.terminal.typed(&line);
    let rows = chat.last_row(&format!("ann> {}", &line[26..]), 39);
    chat.terminal.resize(20, 24);
    signal(chat.client.id(), "WINCH");
    let narrow = chat.last_row(&format!("ann> {}", &line[46..]), 19);
    assert_eq!(rows.len(), narrow.len());
    chat.terminal.typed("\x01");
    chat.last_row(&format!("ann> {}", &line[..14]), 5);
    chat.terminal.typed("\r");
    chat.heard(&format!("{line}\n"));
}

#[test]
fn the_terminal_is_restored_at_every_end() {
    for key in ["\x03", "\x04"] {
        let mut chat = Chat::start(COLUMNS, |_| {});
        chat.terminal.typed(&format!("last\r{key}"));
        assert_eq!(read_to_end(&mut chat.server), b"last\n");
        chat.server.write_all(b"* bye\n").unwrap();
        chat.server.shutdown(std::net::Shutdown::Write).unwrap();
        chat.end((Some(0), "")).until_written("* bye\r\n");
    }
    // A server that does not end: the user does not wait for it.
    let chat = Chat::start(COLUMNS, |_| {});
    let _open = chat.server.try_clone().unwrap();
    chat.terminal.typed("\x03");
    chat.end((Some(0), ""));
    // The server ends.
    let chat = Chat::start(COLUMNS, |_| {});
    chat.server.shutdown(std::net::Shutdown::Write).unwrap();
    chat.end((Some(0), "")).until_written("-- the server has closed the connection\r\n");
    // It is lost, while a line is typed.
    let chat = Chat::start(COLUMNS, |_| {});
    chat.terminal.typed("half");
    chat.last_row("ann> half", 9);
    SockRef::from(&chat.server).set_linger(Some(Duration::ZERO)).unwrap();
    let error = format!("{}: socket: connection reset\n", chat.server.local_addr().unwrap());
    chat.end((Some(1), &error)).until_written("half\r\x1b[9C\r\n");
    // A signal.
    for name in ["TERM", "INT", "HUP"] {
        let chat = Chat::start(COLUMNS, |_| {});
        let _open = chat.server.try_clone().unwrap();
        signal(chat.client.id(), name);
        chat.end((Some(0), ""));
    }
}

#[test]
fn ctrl_c_ends_a_client_whose_server_does_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let terminal = Terminal::open(COLUMNS, 24);
    let mut command = command(&example_path("chat_client"));
    let mut client = terminal.start(command.arg(format!("unix:{}", path.display())));
    let _server = accept_unix(&listener);
    terminal.until_written("> ");
    let line = format!("{}\r", "x".repeat(32 * 1024));
    let mut lines = Rounds::at_most(1000, "a line is refused");
    while !terminal.written().contains("-- not sent: ") {
        lines.count(());
        terminal.typed(&line);
    }
    terminal.typed("\x03");
    assert_eq!(end_of(&mut client).code(), Some(0));
}

#[test]
fn colours_are_for_terminals_without_no_color() {
    let chat = Chat::start(COLUMNS, |_| {});
    assert!(!chat.terminal.written().contains("\x1b[1m"));
    let chat = Chat::start(COLUMNS, |command| {
        command.env_remove("NO_COLOR");
    });
    assert!(chat.terminal.written().contains("\x1b[1mann> \x1b[m"));
}

#[test]
fn ctrl_z_restores_the_terminal_until_the_client_continues() {
    // The client stops its process group, so it needs its own.
    let mut chat = Chat::start(COLUMNS, |command| {
        command.process_group(0);
    });
    chat.terminal.typed("half\x1a");
    let id = chat.client.id();
    until("it has stopped", || if state(id) == 'T' { Ok(()) } else { Err(state(id)) });
    assert_eq!(chat.terminal.modes(), chat.modes);
    signal(id, "CONT");
    chat.last_row("ann> half", 9);
    chat.terminal.typed(" a line\r");
    chat.heard("half a line\n");
}

fn pressed(editor: &mut Editor, keys: &str) -> Vec<Event> {
    let keys = Keys::default().push(keys.as_bytes());
    keys.into_iter().filter_map(|key| editor.press(key)).collect()
}

#[test]
fn a_key_may_arrive_in_parts() {
    let input = "ä\x1b[1;5D\x1bOH\x1b[3~\r\n\u{9b}\x1b\x7f\x1b[200~e\u{301}👩\u{200d}👩";
    let whole = Keys::default().push(input.as_bytes());
    let mut keys = Keys::default();
    let parts: Vec<Key> = input.bytes().flat_map(|byte| keys.push(&[byte])).collect();
    let line_ends = |keys: &[Key]| keys.iter().filter(|key| **key != Key::Enter).copied().collect();
    let (whole, parts): (Vec<Key>, Vec<Key>) = (line_ends(&whole), line_ends(&parts));
    assert_eq!(whole, parts);
    assert_eq!(whole[..4], [Key::Char('ä'), Key::WordLeft, Key::Home, Key::Delete]);
}

#[test]
fn no_input_breaks_the_line() {
    let (mut keys, mut editor) = (Keys::default(), Editor::default());
    let mut state = 1_u64;
    for _ in 0..20_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let some = "é\u{301}👩\u{200d}🇩🇪語 \u{202e}\x1b[ACD3~H\x7f\x01\x15\x17\x19\x0b\r";
        let at = usize::try_from(state >> 33).unwrap() % some.len();
        let bytes = [some.as_bytes()[at], (state >> 60) as u8 * 16];
        for key in keys.push(&bytes[..1 + usize::from(state >> 59 & 7 == 0)]) {
            match editor.press(key) {
                Some(Event::Line(line)) => assert!(!line.contains(char::is_control)),
                _ => assert!(editor.view(10).cursor < 10),
            }
        }
    }
}

#[test]
fn characters_are_edited_whole() {
    let mut editor = Editor::default();
    pressed(&mut editor, "語e\u{301}👩\u{200d}👩x");
    assert_eq!(editor.view(80).cursor, 6);
    pressed(&mut editor, "\x1b[D\x7f");
    assert_eq!(editor.view(80), View { text: "語e\u{301}x".into(), cursor: 3 });
    pressed(&mut editor, "\x7f\x7f\x7f");
    assert_eq!(pressed(&mut editor, "\r"), [Event::Line("x".into())]);
    assert_eq!(pressed(&mut editor, "\x04"), [Event::End]);
    // The new line stays while others are shown.
    pressed(&mut editor, "new\x1b[A\x1b[A");
    assert_eq!(editor.view(80).text, "x");
    pressed(&mut editor, "\x1b[B\x1b[B");
    assert_eq!(editor.view(80).text, "new");
    // Cut words come back.
    pressed(&mut editor, " words here\x17\x17\x01\x19");
    assert_eq!(editor.view(80).text, "words new ");
}
