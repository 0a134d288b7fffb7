//! The `rooms` example: its rooms on a network in memory, and the program on sockets.

use std::io::Write;

use socketserver::protocol::line::Lines;
use socketserver::testkit::{Client, Network};
use socketserver::{Framed, Limits};

use crate::hub::network::take_all;
use crate::support::output;
use crate::support::real::{Example, run_example};

#[path = "../../../examples/rooms.rs"]
#[allow(dead_code, reason = "the program is run as a process")]
mod example;

use example::{Member, NAME_MAX};

fn members<const N: usize>() -> (Network, [Client; N]) {
    let mut network = Network::new(Limits::default());
    let members = [(); N].map(|()| network.connect(Framed::new(Lines::new(), Member::default())));
    network.settle();
    (network, members)
}

/// Sends a line. Returns all that the members have received since the last call.
fn say<const N: usize>(network: &mut Network, members: [Client; N], line: &str) -> [String; N] {
    network.send(members[0], format!("{line}\n").as_bytes());
    members.map(|member| String::from_utf8(take_all(network, member)).unwrap())
}

#[test]
fn the_others_in_the_room_get_a_line() {
    let (mut network, [ann, bob, eve]) = members();
    assert_eq!(say(&mut network, [ann, bob, eve], "hello"), ["", "hello\n", "hello\n"]);
    assert_eq!(say(&mut network, [eve, bob, ann], "room attic"), ["* in attic\n", "", ""]);
    assert_eq!(say(&mut network, [eve, bob, ann], "anyone?"), ["", "", ""]);
    assert_eq!(say(&mut network, [ann, bob, eve], "bye\r"), ["", "bye\n", ""]);
    assert_eq!(say(&mut network, [ann, eve], "room attic"), ["* in attic\n", ""]);
    assert_eq!(say(&mut network, [ann, bob, eve], "room"), ["", "", "room\n"]);
}

/// A line that was published in the same turn comes with the leave.
#[test]
fn the_last_lines_of_a_room_come_before_the_answer_of_the_next() {
    let (mut network, [ann, bob]) = members();
    network.send(ann, b"hello\n");
    network.send(bob, b"room attic\n");
    assert_eq!(take_all(&mut network, bob), b"hello\n* in attic\n");
}

#[test]
fn a_room_has_a_short_visible_name() {
    let (mut network, [ann, bob]) = members();
    let longest = "x".repeat(NAME_MAX);
    for name in ["", " ", "two words", "t\u{e9}", &format!("{longest}x")] {
        let [answer, _] = say(&mut network, [ann, bob], &format!("room {name}"));
        assert_eq!(answer, "* the name of a room has 1 to 32 visible characters\n", "{name}");
        assert_eq!(say(&mut network, [bob, ann], "here?"), ["", "here?\n"]);
    }
    let answers = say(&mut network, [ann, bob], &format!("room {longest}"));
    assert_eq!(answers, [format!("* in {longest}\n"), String::new()]);
    let answers = say(&mut network, [ann, bob], &"x".repeat(Lines::LIMIT + 1));
    assert_eq!(answers, ["* the line is too long\n", ""]);
}

#[test]
fn the_program_serves_members_and_stops_on_a_signal() {
    let example = Example::start("rooms", &["--bind", "127.0.0.1:0"]);
    let [mut ann, mut bob] = [example.client(), example.client()];
    let mut heard = output::Lines::of(bob.try_clone().unwrap());
    bob.write_all(b"room attic\n").unwrap();
    assert_eq!(heard.next("answer").unwrap(), "* in attic\n");
    ann.write_all(b"room attic\nhello\n").unwrap();
    assert_eq!(heard.next("line").unwrap(), "hello\n");
    example.signal("TERM");
    assert_eq!(heard.next("end"), None);
    assert_eq!(example.join(), (Some(0), String::new()));
}

#[test]
fn wrong_arguments_are_reported_in_one_line() {
    let url = ["--backplane", "http://localhost"];
    for arguments in [&["--bind", "nowhere"][..], &["--bind"], &url, &["--colour"], &["attic"]] {
        let output = run_example("rooms", arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
        assert!(said.starts_with("rooms: "), "{said}");
    }
}
