//! The chat: the names of members, their rooms, and the lines that they receive.

use std::time::Duration;

use socketserver::services::chat::{AutoReply, Chat, NameError};
use socketserver::testkit::Network;
use socketserver::{Peer, Service, Topic};

use crate::support::chat::Party;
use crate::support::handlers::{Log, Probe, patient};

const GREETING: &str = "* welcome: you are guest-1 in lobby; /help lists the commands\n";

#[test]
fn a_new_member_is_welcomed_and_the_room_is_told() {
    let mut party = Party::new();
    let one = party.connect();
    assert_eq!(party.hear(one), GREETING);
    let two = party.connect();
    assert_eq!(party.hear(two), GREETING.replace("guest-1", "guest-2"));
    assert_eq!(party.hear(one), "* guest-2 joined\n");
}

#[test]
fn a_line_goes_to_each_other_member_once() {
    let (mut party, [one, two, three]) = Party::guests();
    assert_eq!(party.say(one, "hello, you"), "");
    assert_eq!(party.hear(two), "guest-1: hello, you\n");
    assert_eq!(party.hear(three), "guest-1: hello, you\n");
    assert_eq!(party.say(three, "yes?"), "");
    assert_eq!(party.hear(one), "guest-3: yes?\n");
    assert_eq!(party.hear(two), "guest-3: yes?\n");
}

#[test]
fn lines_of_one_packet_arrive_in_their_order() {
    let (mut party, [one, two]) = Party::guests();
    party.send(one, "1\n2\r\n/nick bob\n3\n/nick rob\n4\n");
    let heard = "guest-1: 1\nguest-1: 2\n* guest-1 is now bob\nbob: 3\n* bob is now rob\nrob: 4\n";
    assert_eq!(party.hear(two), heard);
    assert_eq!(party.hear(one), "* you are now bob\n* you are now rob\n");
}

#[test]
fn lines_without_anything_to_see_are_ignored() {
    let (mut party, [one, two]) = Party::guests();
    party.send(one, "\n\r\n \n\t \r\n");
    assert_eq!((party.hear(one), party.hear(two)), (String::new(), String::new()));
    party.send(one, " /who is this? \n");
    assert_eq!(party.hear(two), "guest-1:  /who is this? \n");
}

#[test]
fn a_name_can_be_changed_and_the_room_is_told() {
    let (mut party, [one, two]) = Party::guests();
    assert_eq!(party.say(one, "/nick 小明"), "* you are now 小明\n");
    assert_eq!(party.hear(two), "* guest-1 is now 小明\n");
    party.say(one, "你好🙂");
    assert_eq!(party.hear(two), "小明: 你好🙂\n");
    assert_eq!(party.say(one, "/nick 小明"), "* you are 小明 already\n");
    assert_eq!(party.hear(two), "");
    assert_eq!(party.say(one, "/nick \t bob  "), "* you are now bob\n");
}

#[test]
fn a_name_has_one_owner_whatever_its_case() {
    let (mut party, [one, two]) = Party::guests();
    party.say(one, "/nick Straße");
    party.hear(two);
    for taken in ["Straße", "straße", "STRASSE", "ſtrasse", "STRAẞE"] {
        let answer = party.say(two, &format!("/nick {taken}"));
        // Names are shown normalized.
        let shown = taken.replace('ſ', "s");
        assert_eq!(answer, format!("* {shown} is taken: choose another name\n"));
    }
    assert_eq!(party.hear(one), "");
    // A member may respell the own name.
    assert_eq!(party.say(one, "/nick STRASSE"), "* you are now STRASSE\n");
    assert_eq!(party.hear(two), "* Straße is now STRASSE\n");
    assert_eq!(party.say(two, "/nick guest-1"), "* you are now guest-1\n");
}

#[test]
fn a_name_is_free_as_soon_as_its_owner_has_gone() {
    for way in 0..4 {
        let (mut party, [one, two]) = Party::guests();
        party.say(one, "/nick bob");
        party.hear(two);
        match way {
            0 => drop(party.say(one, "/quit")),
            1 => party.network.shut(one),
            2 => party.network.reset(one),
            _ => drop(party.say(one, "/nick rob")),
        }
        party.network.settle();
        assert_eq!(party.hear(two), ["* bob left\n", "* bob is now rob\n"][way / 3]);
        assert_eq!(party.say(two, "/nick BOB"), "* you are now BOB\n");
    }
}

#[test]
fn new_members_get_unused_names() {
    let (mut party, [one]) = Party::guests();
    assert_eq!(party.say(one, "/nick GUEST-2"), "* you are now GUEST-2\n");
    party.guest(&[one]);
    assert_eq!(party.say(one, "/who"), "* 2 in lobby: GUEST-2, guest-3\n");
}

#[test]
fn names_that_could_deceive_are_refused() {
    let (mut party, [one, two]) = Party::guests();
    for (name, why) in [
        ("", "needs at least one character"),
        ("two words", "cannot contain spaces"),
        ("a:b", "cannot contain ':'"),
        ("*", "cannot contain '*'"),
        ("/who", "cannot contain '/'"),
        ("a\tb", "cannot contain U+0009"),
        ("a\u{7}b", "cannot contain U+0007"),
        ("a\rb", "cannot contain U+000D"),
        ("\u{7f}", "cannot contain U+007F"),
        ("\u{9b}", "cannot contain U+009B"),
        ("a\u{a0}b", "cannot contain U+00A0"),
        ("a\u{3000}b", "cannot contain U+3000"),
        ("a\u{2028}b", "cannot contain U+2028"),
        ("\u{200b}", "cannot contain U+200B"),
        ("bob\u{200d}", "cannot contain U+200D"),
        ("bob\u{feff}", "cannot contain U+FEFF"),
        ("bob\u{fe0f}", "cannot contain U+FE0F"),
        ("bob\u{e0041}", "cannot contain U+E0041"),
        ("\u{3164}", "cannot contain U+3164"),
        ("\u{202e}bob", "cannot contain U+202E"),
        ("\u{2066}bob", "cannot contain U+2066"),
        ("\u{301}e", "cannot begin with the mark U+0301: begin with a letter"),
        ("e\u{301}\u{301}\u{301}\u{301}\u{301}", "has at most 4 marks in a row: use fewer"),
        ("a\u{2100}", "cannot contain U+2100"),
        ("a\u{2800}", "cannot contain U+2800"),
        ("l\u{b7}m", "cannot contain U+00B7"),
        ("a\u{ff1a}", "cannot contain U+FF1A"),
        ("\u{ff0a}", "cannot contain U+FF0A"),
        ("a\u{fffd}", "cannot contain U+FFFD"),
        ("123456789012345678901234567890123", "has at most 32 characters"),
        (
            "一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十一二三",
            "has at most 32 characters",
        ),
    ] {
        for command in ["/nick", "/join"] {
            let answer = party.say(one, &format!("{command} {name}"));
            assert_eq!(answer, format!("* a name {why}\n"), "{command} {name:?}");
        }
    }
    party.send(one, b"/nick \xf8\xfe\n");
    assert_eq!(party.hear(one), "* a name cannot contain U+FFFD\n");
    assert_eq!(party.hear(two), "");
    for name in ["é", "İ", "🙂", "o'neil_(2)", "12345678901234567890123456789012", "-", "ابن"]
    {
        assert_eq!(party.say(one, &format!("/nick {name}")), format!("* you are now {name}\n"));
    }
}

#[test]
fn rooms_do_not_hear_each_other() {
    let (mut party, [one, two, three]) = Party::guests();
    assert_eq!(party.say(one, "/join 茶馆"), "* you are now in 茶馆\n");
    assert_eq!(party.hear(two), "* guest-1 left\n");
    assert_eq!(party.hear(three), "* guest-1 left\n");
    assert_eq!(party.say(two, "/join 茶馆"), "* you are now in 茶馆\n");
    assert_eq!(party.hear(one), "* guest-2 joined\n");
    assert_eq!(party.hear(three), "* guest-2 left\n");
    party.say(one, "tea");
    party.say(three, "lobby");
    assert_eq!(party.hear(one), "");
    assert_eq!(party.hear(two), "guest-1: tea\n");
    assert_eq!(party.hear(three), "");
    // Changes in one room are not reported in another.
    party.say(one, "/nick tea");
    party.say(one, "/quit");
    assert_eq!(party.hear(two), "* guest-1 is now tea\n* tea left\n");
    assert_eq!(party.hear(three), "");
}

#[test]
fn a_room_is_the_same_whatever_its_case() {
    let (mut party, [one, two]) = Party::guests();
    assert_eq!(party.say(one, "/join LOBBY"), "* you are in lobby already\n");
    assert_eq!(party.hear(two), "");
    party.say(one, "/join Tea");
    party.hear(two);
    assert_eq!(party.say(two, "/join tEA"), "* you are now in Tea\n");
    assert_eq!(party.hear(one), "* guest-2 joined\n");
    party.say(two, "sugar?");
    assert_eq!(party.hear(one), "guest-2: sugar?\n");
    // The room is empty, so its spelling is forgotten.
    party.say(one, "/join lobby");
    party.say(two, "/join lobby");
    party.hear(one);
    assert_eq!(party.say(one, "/join TEA"), "* you are now in TEA\n");
}

#[test]
fn the_members_of_a_room_can_be_listed() {
    let (mut party, [one, two, _]) = Party::guests();
    assert_eq!(party.say(one, "/who"), "* 3 in lobby: guest-1, guest-2, guest-3\n");
    party.say(two, "/nick Bob");
    party.hear(one);
    assert_eq!(party.say(one, "/who"), "* 3 in lobby: Bob, guest-1, guest-3\n");
    party.say(two, "/join tea");
    assert_eq!(party.say(two, "/who"), "* 1 in tea: Bob\n");
}

#[test]
fn the_list_of_a_large_room_is_short() {
    let (mut party, [one]) = Party::guests();
    for _ in 1..2_000 {
        party.connect();
    }
    party.hear(one);
    let answer = party.say(one, "/who");
    assert!(answer.starts_with("* 2000 in lobby: guest-1, guest-10, "), "{answer}");
    assert!(answer.ends_with(" and 1950 more\n"), "{answer}");
    assert_eq!(answer.matches("guest-").count(), 50);
}

#[test]
fn unknown_commands_are_answered_and_not_passed_on() {
    let (mut party, [one, two]) = Party::guests();
    for line in ["/", "/dance", "/NICK bob", "/nickbob", "//who", "/ who", "/\u{1b}[31m"] {
        let answer = party.say(one, line);
        assert_eq!(answer, "* there is no such command: /help lists the commands\n", "{line}");
    }
    assert_eq!(party.hear(two), "");
}

#[test]
fn help_tells_every_command_in_notices() {
    let (mut party, [one, two]) = Party::guests();
    let answer = party.say(one, "/help");
    for command in ["/nick NAME", "/join ROOM", "/who", "/quit", "/help"] {
        assert!(answer.contains(&format!("* {command} ")), "{command}");
    }
    assert!(answer.lines().all(|line| line.starts_with("* ")));
    assert_eq!(party.hear(two), "");
}

#[test]
fn quit_closes_and_later_input_is_dropped() {
    let (mut party, [one, two]) = Party::guests();
    party.send(one, "bye, all\n/quit\none more thing\n");
    assert_eq!(party.hear(one), "* bye\n");
    assert!(party.network.is_closed(one));
    assert_eq!(party.hear(two), "guest-1: bye, all\n* guest-1 left\n");
    party.network.advance(Duration::from_secs(7));
    assert_eq!(party.network.connections(), 1);
}

#[test]
fn the_lines_of_a_pipe_arrive_though_it_ends_at_once() {
    let (mut party, [one]) = Party::guests();
    let pipe = party.connect();
    party.network.send(pipe, b"/nick pipe\nhello\n/who\nunfinished");
    party.network.shut(pipe);
    let heard = party.hear(pipe);
    assert!(heard.ends_with("* you are now pipe\n* 2 in lobby: guest-1, pipe\n"), "{heard}");
    assert_eq!(
        party.hear(one),
        "* guest-2 joined\n* guest-2 is now pipe\npipe: hello\n* pipe left\n"
    );
    assert_eq!(party.network.connections(), 1);
}

#[test]
fn a_client_that_was_never_welcomed_leaves_nothing_behind() {
    let mut party = Party::new();
    let early = party.connect();
    party.network.reset(early);
    let one = party.connect();
    let heard = party.hear(one);
    assert_eq!(party.say(one, "/who"), "* 1 in lobby: guest-2\n", "{heard}");
}

#[test]
fn a_timeout_is_a_way_to_leave() {
    let limits = patient().idle(Some(Duration::from_secs(60)));
    let mut party = Party::with(limits, Chat::new());
    let one = party.guest(&[]);
    let two = party.guest(&[one]);
    party.say(one, "then silence");
    party.hear(two);
    // Silence does not count while the other client has sent nothing; incoming lines are not
    // silence.
    party.network.advance(Duration::from_secs(62));
    assert_eq!(party.hear(two), "* guest-1 left\n");
    assert!(party.network.is_closed(one));
}

#[test]
fn a_member_with_half_a_line_is_told_of_the_stop_too() {
    let (mut party, [typing]) = Party::guests();
    party.send(typing, "half a l");
    party.network.stop();
    party.network.settle();
    assert_eq!(party.hear(typing), "");
    party.network.advance(Duration::from_secs(2));
    assert_eq!(party.hear(typing), "* the server is stopping\n");
    assert!(party.network.is_closed(typing) && !party.network.is_reset(typing));
}

#[test]
fn a_stopping_server_tells_all_members() {
    let (mut party, [one, two, silent]) = Party::guests();
    party.say(one, "hello");
    party.say(two, "hello");
    for client in [one, two, silent] {
        party.hear(client);
    }
    party.network.stop();
    // Clients that have sent nothing may be about to.
    party.network.advance(Duration::from_secs(3));
    for client in [one, two, silent] {
        assert_eq!(party.hear(client), "* the server is stopping\n");
        assert!(party.network.is_closed(client));
    }
    assert_eq!(party.network.connections(), 0);
}

#[test]
fn a_chat_may_have_another_lobby() {
    let chat = Chat::new().room("大厅").unwrap();
    let mut party = Party::with(patient(), chat);
    let one = party.connect();
    assert_eq!(party.hear(one), GREETING.replace("lobby", "大厅"));
    assert_eq!(Chat::new().room("").unwrap_err(), NameError::Empty);
    assert_eq!(Chat::new().room("a b").unwrap_err(), NameError::Unfit(' '));
    assert_eq!(Chat::new().room(&"a".repeat(33)).unwrap_err(), NameError::TooLong);
}

#[test]
fn a_room_is_a_topic_that_others_can_publish_to() {
    let (mut party, [one, two]) = Party::guests();
    party.say(two, "/join Tea");
    party.hear(one);
    for (topic, text) in [("chat:lobby", "* all"), ("chat:tea", "* tea"), ("lobby", "* no")] {
        let announcer = Probe::new(&Log::default())
            .open(move |cx| cx.publish(&Topic::new(topic), format!("{text}\n").into_bytes()));
        party.network.connect(announcer);
        party.network.settle();
    }
    assert_eq!(party.hear(one), "* all\n");
    assert_eq!(party.hear(two), "* tea\n");
}

#[test]
fn an_auto_reply_answers_the_first_bytes_and_closes() {
    const TEXT: &str = "不要回答,不要回答,不要回答";
    let mut service = AutoReply::new(TEXT);
    let mut network = Network::new(patient());
    for said in [&b"yaoyao"[..], b"y", b"\n", b"\xff\0", &[b'x'; 300_000]] {
        let client = network.connect(service.accept(Peer::unix().into()).unwrap());
        network.settle();
        assert_eq!(network.received(client), b"", "it is not the server that begins");
        network.send(client, said);
        network.settle();
        assert_eq!(network.received(client), TEXT.as_bytes());
        assert!(network.is_closed(client) && !network.is_reset(client));
    }
    let mute = network.connect(service.accept(Peer::unix().into()).unwrap());
    network.shut(mute);
    network.settle();
    assert_eq!(network.received(mute), b"");
    network.advance(Duration::from_secs(7));
    assert_eq!(network.connections(), 0);
}
