//! Messages of browsers: malformed ones of every kind, and their limits.

use socketserver::testkit::{Random, seeds};

use super::scene::Scene;

const JSON: &str = "notice bad-message send a JSON object whose members have the right types";

#[test]
fn bad_messages_are_answered_with_a_notice_and_change_nothing() {
    let mut scene = Scene::new();
    let mut ann = scene.browser_called("ann");
    let deep = format!(r#"{{"room":{}1{}}}"#, "[".repeat(9000), "]".repeat(9000));
    let open = format!(r#"{{"x":{}"#, "[".repeat(30_000));
    for bad in [
        "",
        " ",
        "hello",
        "null",
        "1",
        "[]",
        "\"say\"",
        "{",
        "{}x",
        "{\"type\":\"who\"",
        "{'type':'who'}",
        r#"{"type":1}"#,
        r#"{"type":["say"]}"#,
        r#"{"type":"say","room":"lobby","text":1}"#,
        r#"{"type":"say","room":{},"text":"x"}"#,
        r#"{"type":"say","room":"lobby","text":"\ud800"}"#,
        r#"{"type":"say","room":"lobby","text":"x","tag":7}"#,
        r#"{"type":"resume","rooms":[]}"#,
        r#"{"type":"resume","rooms":{"lobby":1}}"#,
        "{\"type\":\"who\",\"room\":\"a\nb\"}",
        "\u{feff}{}",
        "{\"type\":\"who\",}",
        &deep,
        &open,
    ] {
        assert_eq!(ann.ask(&mut scene, bad), [JSON], "{bad}");
    }
    for (missing, bad) in [
        ("type", "{}"),
        ("type", r#"{"type":null,"room":"lobby"}"#),
        ("room", r#"{"type":"join"}"#),
        ("room", r#"{"type":"part"}"#),
        ("room", r#"{"type":"who","room":null}"#),
        ("text", r#"{"type":"say","room":"lobby"}"#),
        ("room", r#"{"type":"say","text":"x"}"#),
        ("nick", r#"{"type":"nick"}"#),
        ("rooms", r#"{"type":"resume"}"#),
    ] {
        let notice = format!("notice bad-message the member \"{missing}\" is missing");
        assert_eq!(ann.ask(&mut scene, bad), [notice], "{bad}");
    }
    for unknown in [r#"{"type":""}"#, r#"{"type":"msg"}"#, r#"{"type":"SAY","room":"lobby"}"#] {
        let notice = ann.ask(&mut scene, unknown);
        assert!(notice[0].starts_with("notice unknown-type "), "{notice:?}");
    }
    for id in [
        "",
        "1",
        "x-1",
        "00c0ffee00c0ffee",
        "00c0ffee00c0ffee--1",
        "00c0ffee00c0ffee-99999999999999999999",
    ] {
        let asked = format!(r#"{{"type":"join","room":"tea","after":"{id}"}}"#);
        let notice = ann.ask(&mut scene, &asked);
        assert_eq!(notice, ["notice bad-message send an id as the server has sent it"], "{id}");
        let asked = format!(r#"{{"type":"resume","rooms":{{"lobby":null,"tea":"{id}"}}}}"#);
        assert_eq!(ann.ask(&mut scene, &asked), notice);
    }
    for tag in ["", "a b", "é", &"x".repeat(33)] {
        let asked = format!(r#"{{"type":"say","room":"lobby","text":"x","tag":"{tag}"}}"#);
        assert!(ann.ask(&mut scene, &asked)[0].starts_with("notice bad-message a tag "));
    }
    assert_eq!(ann.ask(&mut scene, r#"{"type":"who","room":"lobby"}"#), ["names lobby 1: ann"]);
}

/// Bytes of valid messages, changed and cut at random: the connection stays, and the member can be
/// heard afterwards.
#[test]
fn no_text_ends_the_connection_or_the_member() {
    const MESSAGES: [&str; 5] = [
        r#"{"type":"join","room":"tea","after":"00c0ffee00c0ffee-18"}"#,
        r#"{"type":"say","room":"lobby","text":"h\u00e9llo \ud83d\ude00","tag":"t1"}"#,
        r#"{"type":"resume","rooms":{"lobby":null,"tea":"00c0ffee00c0ffee-18"}}"#,
        r#"{"type":"nick","nick":"zo\u00eb","x":[{"y":[1.5e300,true]}]}"#,
        r#"{"type":"part","room":"tea"}"#,
    ];
    const BYTES: &[u8] = b"{}[]\":,\\u0n1-t \x7f";
    seeds(0..100, |seed| {
        let mut random = Random::new(seed);
        let mut scene = Scene::new();
        let mut ann = scene.browser();
        for _ in 0..50 {
            let mut text = MESSAGES[random.below(MESSAGES.len())].as_bytes().to_vec();
            for _ in 0..random.below(4) {
                let at = random.below(text.len());
                text[at] = BYTES[random.below(BYTES.len())];
            }
            if random.one_in(8) {
                text.truncate(random.below(text.len()));
            }
            ann.send(&mut scene, std::str::from_utf8(&text).unwrap());
        }
        ann.heard(&mut scene);
        ann.send(&mut scene, r#"{"type":"join","room":"last"}"#);
        let heard = ann.heard(&mut scene).join(" ");
        assert!(heard.contains("names last 1: ") || heard.contains("rooms-full"), "{heard}");
    });
}

#[test]
fn unknown_members_are_ignored_and_the_last_of_equal_ones_counts() {
    let mut scene = Scene::new();
    let mut ann = scene.browser_called("ann");
    let nested = format!(r#"{}1{}"#, "[".repeat(9000), "]".repeat(9000));
    let asked = format!(
        r#" {{"x":{nested},"room":"tea","type":"who","y":{{"type":"part"}},"room":"lobby","after":null}} "#
    );
    assert_eq!(ann.ask(&mut scene, &asked), ["names lobby 1: ann"]);
}

#[test]
fn requests_that_are_refused_say_why_with_their_room_and_tag() {
    let mut scene = Scene::new();
    let mut ann = scene.browser_called("ann");
    ann.send(&mut scene, r#"{"type":"say","room":"tea","text":"x","tag":"t1"}"#);
    let notice = &ann.messages(&mut scene)[0];
    assert_eq!(notice["code"], "not-in-room");
    assert_eq!((&notice["room"], &notice["tag"]), (&"tea".into(), &"t1".into()));
    for kind in ["part", "who"] {
        let asked = format!(r#"{{"type":"{kind}","room":"a:b"}}"#);
        assert_eq!(
            ann.ask(&mut scene, &asked),
            ["notice not-in-room you are not in this room: join it first"]
        );
    }
    ann.send(&mut scene, r#"{"type":"join","room":""}"#);
    let notice = &ann.messages(&mut scene)[0];
    assert_eq!((&notice["code"], &notice["room"]), (&"bad-name".into(), &"".into()));
    // A long name is not repeated.
    let long = format!(r#"{{"type":"join","room":"{}"}}"#, "x".repeat(20_000));
    ann.send(&mut scene, &long);
    let notice = &ann.messages(&mut scene)[0];
    assert_eq!(notice["text"], "a name has at most 32 characters");
    assert!(notice["room"].is_null());
    // In a resumption each room is refused for itself.
    let heard = ann.ask(&mut scene, r#"{"type":"resume","rooms":{"a b":null,"tea":null}}"#);
    assert_eq!(heard[0], "notice bad-name a name cannot contain spaces");
    assert_eq!(heard[1], "entered tea");
}

#[test]
fn long_texts_are_refused_and_long_messages_end_the_connection() {
    let mut scene = Scene::new();
    let mut ann = scene.browser_called("ann");
    ann.say(&mut scene, "lobby", &"é".repeat(2048));
    assert!(ann.heard(&mut scene)[0].starts_with("lobby ann: éé"));
    ann.say(&mut scene, "lobby", &"é".repeat(2049));
    let refused = "notice too-long that text has more than 4096 bytes and was not sent";
    assert_eq!(ann.heard(&mut scene), [refused]);
    // Each character may be escaped.
    let escaped = "\\u00e9".repeat(2048);
    ann.send(&mut scene, &format!(r#"{{"type":"say","room":"lobby","text":"{escaped}"}}"#));
    assert!(ann.heard(&mut scene)[0].starts_with("lobby ann: éé"));
    let heard = ann.ask(&mut scene, &"x".repeat(32 * 1024 + 1));
    assert!(heard[0].starts_with("close 1009 "), "{heard:?}");
}

#[test]
fn a_binary_message_ends_the_connection() {
    use crate::ws::client::masked;
    use socketserver::protocol::ws::Frame;

    let mut scene = Scene::new();
    let mut ann = scene.browser_called("ann");
    scene.network.send(ann.client(), &masked(Frame::binary(b"{}")));
    assert!(ann.heard(&mut scene)[0].starts_with("close 1003 "));
}
