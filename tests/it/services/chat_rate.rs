//! The pace of a member: a flood waits in the socket of the flooder, and the others stay.

use std::time::Duration;

use socketserver::Limits;
use socketserver::services::chat::Chat;

use crate::support::chat::Party;
use crate::support::handlers::patient;

fn party(limits: Limits) -> Party {
    Party::with(limits, Chat::new())
}

#[test]
fn a_flood_is_heard_at_its_rate_and_completely() {
    let mut party = party(patient());
    let flooder = party.guest(&[]);
    let other = party.guest(&[flooder]);
    let lines: String = (0..40).map(|n| format!("{n}\n")).collect();
    let expected: Vec<String> = (0..40).map(|n| format!("guest-1: {n}")).collect();
    party.send(flooder, &lines);
    let mut heard = party.hear(other);
    assert_eq!(heard.lines().count(), 10);
    for n in 1..=30 {
        party.network.advance(Duration::from_millis(100));
        heard += &party.hear(other);
        assert_eq!(heard.lines().count(), 10 + n);
    }
    assert!(heard.lines().eq(&expected), "{heard}");
    // The other one is answered at once meanwhile.
    assert_eq!(party.say(other, "/who"), "* 2 in lobby: guest-1, guest-2\n");
}

#[test]
fn a_slow_reader_is_not_closed_for_a_flood() {
    let limits = patient().output_high(4096).output_low(1024).output_hard(8192);
    let mut party = party(limits);
    let flooder = party.guest(&[]);
    let slow = party.guest(&[flooder]);
    party.network.window(slow, 2048);
    let line = [&[b'x'; 400][..], b"\n"].concat();
    for _ in 0..1000 {
        party.network.send(flooder, &line);
    }
    // The member reads 16 KB/s.
    for _ in 0..100 {
        party.network.advance(Duration::from_millis(100));
        party.network.settle();
        party.hear(slow);
        assert!(!party.network.is_closed(slow));
    }
}

#[test]
fn a_flooder_that_waits_does_not_hold_up_a_stop() {
    let mut party = party(patient().drain(Duration::from_secs(60)));
    let flooder = party.guest(&[]);
    party.send(flooder, "spam\n".repeat(5000));
    party.network.stop();
    party.network.advance(Duration::from_secs(2));
    assert!(party.hear(flooder).ends_with("* the server is stopping\n"));
    party.network.close(flooder);
    party.network.settle();
    assert_eq!(party.network.connections(), 0);
}

#[test]
fn a_line_without_visible_characters_is_ignored() {
    let mut party = Party::new();
    let one = party.guest(&[]);
    let two = party.guest(&[one]);
    for blank in ["", " \t", "\u{a0}", "\u{3000}\u{3000}", "\u{2003}\u{200b}", "\u{feff}", "\u{85}"]
    {
        party.send(one, format!("{blank}\n"));
        assert_eq!(party.hear(two), "", "{blank:?}");
    }
    party.send(one, "\u{3000}.\n");
    assert_eq!(party.hear(two), "guest-1: \u{3000}.\n");
}
