//! A whole connection of the session service: one answer for each command, and none after `exit`.
//! Commands that all end with a newline may be cut anywhere.

use socketserver::services::session::Session;
use socketserver::testkit::Network;

use super::input::Input;
use super::script::{STALL, Sender, limits};

const GREETING: &str = "我是多线程";
const ANSWERS: [&str; 2] = ["您输入的是0", "请重新输入."];

/// Compares a session in cut lines with one in a single piece, and one in chunks with the rules.
pub fn check(bytes: &[u8]) {
    let input = Input::new(bytes);
    let mut in_lines = [b"\n", input.sent, b"\n"].concat();
    // Without commands of telnet and its CR NUL, the expected number of commands is easy to tell.
    for byte in &mut in_lines {
        *byte = (*byte).clamp(1, 254);
    }
    let sent = if input.flavour < 4 { &in_lines } else { input.sent };

    let mut network = Network::new(limits());
    let client = network.connect(Session::new());
    let whole = Sender::new(client, sent).send_whole(&mut network);
    assert_eq!(network.connections(), 0);
    if input.flavour < 4 {
        let answers = count_answers(&whole.bytes).expect("nothing is cut off");
        let commands = in_lines
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let mut commands = commands.take_while(|command| command != b"exit");
        // Bytes after the last newline form no command.
        let expected = commands.by_ref().count();
        assert_eq!(answers, expected - usize::from(!whole.was_closed));
    }

    let mut network = match input.flavour % 2 {
        0 => Network::new(limits()),
        _ => Network::with_workers(limits()),
    };
    let client = network.connect(Session::new());
    let (cut, must_be_same) = Sender::new(client, sent).send_by(&mut network, &input);
    if must_be_same && input.flavour < 4 {
        assert!(cut == whole, "{}", String::from_utf8_lossy(&cut.bytes));
    } else {
        let answers = count_answers(&cut.bytes).unwrap_or(0);
        assert!(answers <= sent.len(), "{answers} answers to {} bytes", sent.len());
        network.advance(STALL);
    }
    assert_eq!(network.connections(), 0);
}

/// Counts the answers; `None` if the last one is incomplete.
fn count_answers(heard: &[u8]) -> Option<usize> {
    let mut rest = heard.strip_prefix(GREETING.as_bytes())?;
    let mut count = 0;
    while !rest.is_empty() {
        // The refusal of an option of telnet.
        if rest[0] == 255 {
            rest = rest.get(3..)?;
            continue;
        }
        let after = ANSWERS.iter().find_map(|answer| rest.strip_prefix(answer.as_bytes()));
        match after {
            Some(after) => rest = after,
            None if ANSWERS.iter().any(|answer| answer.as_bytes().starts_with(rest)) => {
                return None;
            }
            None => panic!("no answer: {}", rest.escape_ascii()),
        }
        count += 1;
    }
    Some(count)
}
