//! A member of a chat that sends an input. The other members receive the same text however the
//! input is cut; it is safe to show, and no state remains after all members have left.

use std::str;
use std::time::Duration;

use socketserver::services::chat::Chat;
use socketserver::testkit::{Client, Network};
use socketserver::{Limits, Peer, Service};

use super::input::Input;
use super::script::{Heard, Sender, limits};

/// Short, so that some lines of the input are too long.
const LINE_MAX: usize = 40;

/// The output for the sender, for the lobby, and for another room.
#[derive(PartialEq, Eq)]
struct Said {
    sender: Heard,
    lobby: Vec<u8>,
    side: Vec<u8>,
}

/// Sends the input at once, and as the script divides it.
pub fn check(bytes: &[u8]) {
    let input = Input::new(bytes);
    let (whole, _) = talk(
        &mut Network::new(patient()),
        |sender, network| (sender.send_whole(network), true),
        input.sent,
    );
    whole.check();
    let mut network = match input.flavour % 2 {
        0 => Network::new(patient()),
        _ => Network::with_workers(patient()),
    };
    let (cut, must_be_same) =
        talk(&mut network, |sender, network| sender.send_by(network, &input), input.sent);
    cut.check();
    if must_be_same {
        assert!(cut == whole, "{}", String::from_utf8_lossy(&cut.lobby));
    }
}

/// Limits for members that are silent for hours.
fn patient() -> Limits {
    limits().first_byte(None).idle(None)
}

/// Runs a chat of three members, one of which sends `sent` by the function `send`.
fn talk<'a>(
    network: &mut Network,
    send: impl FnOnce(Sender<'a>, &mut Network) -> (Heard, bool),
    sent: &'a [u8],
) -> (Said, bool) {
    let mut chat = Chat::new().line_limit(LINE_MAX).line_rate(1, Duration::ZERO);
    let mut enter = |network: &mut Network| {
        let handler = chat.accept(Peer::unix().into()).unwrap();
        network.connect(handler)
    };
    let [lobby, side, third] = [(); 3].map(|()| enter(network));
    network.settle();
    network.send(side, b"/join side\n");
    network.settle();
    let (sender, must_be_same) = send(Sender::new(third, sent), network);
    let said = Said { sender, lobby: network.received(lobby), side: network.received(side) };

    // Only these two are still there, and later no member.
    for (member, room) in [(lobby, "1 in lobby: guest-1"), (side, "1 in side: guest-2")] {
        let who = ask(network, member, b"/who\n");
        assert!(network.is_closed(member) || who == format!("* {room}\n"), "{who}");
        network.reset(member);
    }
    network.settle();
    assert_eq!(network.connections(), 0);
    let newcomer = enter(network);
    // The name of the sender is free again.
    let who = ask(network, newcomer, b"/nick guest-3\n/who\n");
    assert!(network.is_closed(newcomer) || who.ends_with("* 1 in lobby: guest-3\n"), "{who}");
    (said, must_be_same)
}

fn ask(network: &mut Network, member: Client, lines: &[u8]) -> String {
    network.send(member, lines);
    network.settle();
    String::from_utf8(network.received(member)).unwrap()
}

impl Said {
    /// Lines of the server begin with a star, lines of members with their names.
    fn check(&self) {
        for heard in [&self.lobby, &self.side, &without_refusals(&self.sender.bytes)] {
            let text = match str::from_utf8(heard) {
                Ok(text) => text,
                // Cut off by the end of the connection.
                Err(error) => {
                    assert!(error.error_len().is_none(), "a chat speaks UTF-8: {error}");
                    str::from_utf8(&heard[..error.valid_up_to()]).unwrap()
                }
            };
            for line in text.split_inclusive('\n') {
                let is_last = !line.ends_with('\n');
                let line = line.trim_end_matches('\n');
                let is_unfit = |c: char| c.is_control() && c != '\t' || is_turning(c);
                assert!(!line.contains(is_unfit), "{line:?}");
                // At worst each byte becomes U+FFFD.
                assert!(line.len() < 200 + 3 * LINE_MAX, "{line:?}");
                assert!(is_last || line.starts_with("* ") || line.contains(": "), "{line:?}");
            }
        }
    }
}

/// Removes the refusals of telnet's options.
fn without_refusals(heard: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut rest = heard;
    while let Some(at) = rest.iter().position(|byte| *byte == 255) {
        text.extend_from_slice(&rest[..at]);
        rest = rest.get(at + 3..).unwrap_or_default();
    }
    [&text, rest].concat()
}

/// Returns true if the character changes the direction of text.
fn is_turning(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
