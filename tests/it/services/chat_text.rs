//! The treatment of input from strangers by the chat: complete characters, no characters that a
//! terminal would act on, and lines that are too long.

use socketserver::services::chat::Chat;

use crate::support::chat::Party;
use crate::support::handlers::patient;

/// The text that other members get when a member sends `bytes`, without the name at the front.
fn relayed(bytes: &[u8]) -> String {
    let (mut party, [one, two]) = Party::guests();
    party.send(one, bytes);
    assert_eq!(party.hear(one), "", "{}", bytes.escape_ascii());
    let heard = party.hear(two);
    let text = heard.strip_prefix("guest-1: ").expect("it begins with the name");
    let text = text.strip_suffix('\n').expect("it ends like a line");
    text.to_owned()
}

#[test]
fn a_conversation_is_the_same_wherever_it_is_cut() {
    let said = "/nick 小明\r\n你好,世界🙂\r\n/join 茶馆\n🍵 好\n/join lobby\né👩‍👩‍👧 ok\r\n";
    let heard = "* guest-1 is now 小明\n小明: 你好,世界🙂\n* 小明 left\n* 小明 joined\n\
                 小明: é👩‍👩‍👧 ok\n";
    for cut in 0..said.len() {
        let (mut party, [one, two]) = Party::guests();
        let (front, back) = said.as_bytes().split_at(cut);
        party.send(one, front);
        party.send(one, back);
        assert_eq!(party.hear(two), heard, "cut at {cut}");
    }
    for size in 1..8 {
        let (mut party, [one, two]) = Party::guests();
        said.as_bytes().chunks(size).for_each(|part| party.send(one, part));
        assert_eq!(party.hear(two), heard, "in parts of {size}");
    }
    let (mut party, [one, two]) = Party::guests();
    party.network.grain(one, 1);
    party.network.grain(two, 1);
    party.send(one, said);
    assert_eq!(party.hear(two), heard, "one byte in a read, one in a write");
}

#[test]
fn control_characters_are_replaced_but_for_tabs() {
    for c in (0..=0x9f_u8).map(char::from).filter(|c| c.is_control()) {
        let expected = match c {
            '\n' => continue,
            '\t' => "a\tb",
            _ => "a\u{fffd}b",
        };
        assert_eq!(relayed(format!("a{c}b\n").as_bytes()), expected, "{c:?}");
    }
    assert_eq!(relayed(b"\x1b[2J\x1b[31mred\n"), "\u{fffd}[2J\u{fffd}[31mred");
    assert_eq!(relayed(b"\x07\n"), "\u{fffd}");
}

#[test]
fn characters_that_fake_or_reverse_a_line_are_replaced() {
    assert_eq!(relayed(b"hi\r* bob left\n"), "hi\u{fffd}* bob left");
    assert_eq!(relayed(b"hi\r\r\n"), "hi\u{fffd}");
    for c in "\u{85}\u{2028}\u{2029}\u{202a}\u{202d}\u{202e}\u{2066}\u{2069}\u{b}\u{c}".chars() {
        assert_eq!(relayed(format!("a{c}b{c}\n").as_bytes()), "a\u{fffd}b\u{fffd}", "{c:?}");
    }
    // These do not change the direction of text, and languages need them.
    for text in ["שלום \u{200f}!", "مرحبا", "👩\u{200d}🚀", "❤\u{fe0f}", "e\u{301}"]
    {
        assert_eq!(relayed(format!("{text}\n").as_bytes()), text);
    }
    assert_eq!(relayed(b"* bob left\n"), "* bob left");
    assert_eq!(relayed(b"bob: hi\n"), "bob: hi");
}

#[test]
fn bytes_that_are_not_utf_8_are_replaced() {
    for (bytes, text) in [
        (&b"\xfe\n"[..], "\u{fffd}"),
        (b"a\xf9b\xfec\n", "a\u{fffd}b\u{fffd}c"),
        (b"\xe4\xbd\n", "\u{fffd}"),
        (b"\xe4\xbd\xa0\xe5\xa5\n", "你\u{fffd}"),
        (b"\xc0\xaf\n", "\u{fffd}\u{fffd}"),
        (b"\xed\xa0\x80\n", "\u{fffd}\u{fffd}\u{fffd}"),
        (b"\xf4\x90\x80\x80\n", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
        (b"\x9b31mred\n", "\u{fffd}31mred"),
    ] {
        assert_eq!(relayed(bytes), text, "{}", bytes.escape_ascii());
    }
    // 255 begins a command of telnet.
    for byte in 0x80..=0xfe_u8 {
        assert_eq!(relayed(&[b'a', byte, b'b', b'\n']), "a\u{fffd}b");
    }
}

/// Sends a line of `len` bytes with the end `end`, in parts of `size`. Returns the output for the
/// sender, and for the others.
fn long_line(len: usize, end: &str, size: usize) -> (String, String) {
    let chat = Chat::new().line_limit(100);
    let mut party = Party::with(patient(), chat);
    let one = party.guest(&[]);
    let two = party.guest(&[one]);
    let said = ["x".repeat(len).as_str(), end, "after it\n"].concat();
    said.as_bytes().chunks(size).for_each(|part| party.send(one, part));
    (party.hear(one), party.hear(two))
}

#[test]
fn a_line_that_is_too_long_is_reported_to_its_sender_only() {
    let notice = "* that line was too long and was not sent\n";
    for end in ["\n", "\r\n"] {
        for size in 1..=210 {
            for len in [99, 100] {
                let heard = format!("guest-1: {}\nguest-1: after it\n", "x".repeat(len));
                assert_eq!(long_line(len, end, size), (String::new(), heard), "{len}, {size}");
            }
            for len in [101, 102, 200] {
                let heard = "guest-1: after it\n".to_owned();
                assert_eq!(long_line(len, end, size), (notice.to_owned(), heard), "{len}, {size}");
            }
        }
    }
}

#[test]
fn the_longest_line_may_be_all_stand_ins() {
    let (mut party, [one, two]) = Party::guests();
    party.send(one, [&[0xfe; 4096][..], b"\n"].concat());
    let heard = party.hear(two);
    assert_eq!(heard, format!("guest-1: {}\n", "\u{fffd}".repeat(4096)));
}

#[test]
fn a_flood_without_an_end_costs_no_memory_and_does_not_end_the_connection() {
    // If more than a line was buffered, the connection would end.
    let limits = patient().pending_input(4097);
    let mut party = Party::with(limits, Chat::new());
    let one = party.guest(&[]);
    let two = party.guest(&[one]);
    let megabyte = vec![b'x'; 1 << 20];
    for _ in 0..64 {
        party.send(one, &megabyte);
        assert_eq!(party.network.unread(one), 0);
    }
    party.send(one, "\nsorry\n");
    assert_eq!(party.hear(one), "* that line was too long and was not sent\n");
    assert_eq!(party.hear(two), "guest-1: sorry\n");
}

#[test]
fn a_flood_of_lines_arrives_in_order_at_a_client_that_reads() {
    let (mut party, [one, two]) = Party::guests();
    let lines = 100_000;
    let said: String = (0..lines).map(|n| format!("{n}\n")).collect();
    let mut heard = String::new();
    for part in said.as_bytes().chunks(50_000) {
        party.send(one, part);
        heard += &party.hear(two);
    }
    let expected: String = (0..lines).map(|n| format!("guest-1: {n}\n")).collect();
    assert!(heard == expected, "{} bytes of {}", heard.len(), expected.len());
}
