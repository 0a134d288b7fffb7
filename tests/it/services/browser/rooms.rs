//! Rooms that members with a browser and members with lines share.

use std::time::Duration;

use socketserver::testkit::Network;

use super::scene::{Scene, chat};
use crate::support::handlers::patient;

#[test]
fn two_browsers_and_a_line_member_hear_each_other_in_order_in_every_mode() {
    for mut scene in Scene::in_each_mode() {
        let nc = scene.nc();
        let mut ann = scene.browser_called("ann");
        let mut bob = scene.browser_called("bob");
        assert_eq!(scene.hear(nc), "* ann joined\n* bob joined\n");
        ann.heard(&mut scene);
        for n in 0..50 {
            scene.network.send(nc, format!("line {n}\n").as_bytes());
            ann.say(&mut scene, "lobby", &format!("a{n}"));
            bob.say(&mut scene, "Lobby", &format!("b{n}"));
        }
        let said: Vec<String> = (0..50)
            .flat_map(|n| {
                [format!("guest-1: line {n}"), format!("ann: a{n}"), format!("bob: b{n}")]
            })
            .collect();
        let lines: String = said
            .iter()
            .filter(|line| !line.starts_with("guest-1"))
            .map(|l| format!("{l}\n"))
            .collect();
        let events: Vec<String> = said.iter().map(|line| format!("lobby {line}")).collect();
        assert_eq!(scene.hear(nc), lines);
        // Both have the order of the positions, which the scene checks.
        assert_eq!(ann.heard(&mut scene), events);
        assert_eq!(bob.heard(&mut scene), events);
        assert_eq!(ann.ids, bob.ids);
    }
}

#[test]
fn a_browser_that_joins_gets_the_history_and_then_the_names() {
    let mut scene = Scene::new();
    let ann = scene.browser_called("ann");
    ann.say(&mut scene, "lobby", "anyone?");
    let mut bob = scene.browser();
    assert_eq!(
        bob.ask(&mut scene, r#"{"type":"join","room":"LOBBY"}"#),
        [
            "entered lobby",
            "lobby ann joined",
            "lobby ann: anyone?",
            "lobby guest-2 joined",
            "names lobby 2: ann guest-2",
        ]
    );
    let mut cy = scene.browser();
    let asked = cy.ask(
        &mut scene,
        &format!(r#"{{"type":"join","room":"lobby","after":"{}"}}"#, bob.ids["lobby"]),
    );
    assert_eq!(
        asked,
        ["entered lobby", "lobby guest-3 joined", "names lobby 3: ann guest-2 guest-3"]
    );
    // The second time it asks for the names.
    let again = cy.ask(&mut scene, r#"{"type":"join","room":"lobby"}"#);
    assert_eq!(again, ["names lobby 3: ann guest-2 guest-3"]);
}

#[test]
fn a_browser_is_in_eight_rooms_and_the_ninth_is_refused() {
    let mut scene = Scene::new();
    let mut ann = scene.browser_called("ann");
    let mut bob = scene.browser_called("bob");
    ann.heard(&mut scene);
    for n in 1..8 {
        let join = format!(r#"{{"type":"join","room":"r{n}"}}"#);
        let names = ann.ask(&mut scene, &join);
        assert_eq!(names[0], format!("entered r{n}"));
        bob.ask(&mut scene, &join);
        assert_eq!(ann.heard(&mut scene), [format!("r{n} bob joined")]);
    }
    let refused = "notice rooms-full you are in 8 rooms: leave one first";
    assert_eq!(ann.ask(&mut scene, r#"{"type":"join","room":"r8"}"#).last().unwrap(), refused);
    let rooms: Vec<String> =
        ["lobby".to_owned()].into_iter().chain((1..8).map(|n| format!("r{n}"))).collect();
    for room in &rooms {
        bob.say(&mut scene, room, "hello");
    }
    let heard: Vec<String> = rooms.iter().map(|room| format!("{room} bob: hello")).collect();
    assert_eq!(ann.heard(&mut scene), heard);
    // A new name is told in each of them.
    bob.heard(&mut scene);
    bob.send(&mut scene, r#"{"type":"nick","nick":"rob"}"#);
    let heard: Vec<String> = rooms.iter().map(|room| format!("{room} bob is now rob")).collect();
    assert_eq!(ann.heard(&mut scene), heard);
    let own = [vec!["nick rob".to_owned()], heard].concat();
    assert_eq!(bob.heard(&mut scene), own);
    // Leaving makes room.
    assert_eq!(ann.ask(&mut scene, r#"{"type":"part","room":"R3"}"#), ["parted r3"]);
    bob.say(&mut scene, "r3", "are you here?");
    assert_eq!(ann.heard(&mut scene), [""; 0]);
    assert_eq!(ann.ask(&mut scene, r#"{"type":"join","room":"r8"}"#)[0], "entered r8");
    scene.network.shut(bob.client());
    let heard: Vec<String> =
        rooms.iter().filter(|room| *room != "r3").map(|room| format!("{room} rob left")).collect();
    assert_eq!(ann.heard(&mut scene), heard);
}

#[test]
fn names_are_unique_among_members_of_both_kinds() {
    let mut scene = Scene::new();
    let nc = scene.nc();
    let mut ann = scene.browser_called("ann");
    scene.hear(nc);
    assert_eq!(scene.line(nc, "/nick ANN"), "* ANN is taken: choose another name\n");
    assert_eq!(scene.line(nc, "/nick bob"), "* you are now bob\n");
    assert_eq!(ann.heard(&mut scene), ["lobby guest-1 is now bob"]);
    let taken = ann.ask(&mut scene, r#"{"type":"nick","nick":"Bob"}"#);
    assert_eq!(taken, ["notice nick-taken Bob is taken: choose another name"]);
    let alike = ann.ask(&mut scene, r#"{"type":"nick","nick":"ｂob"}"#);
    assert!(alike[0].starts_with("notice nick-taken "), "{alike:?}");
    assert_eq!(
        ann.ask(&mut scene, r#"{"type":"nick","nick":"a:b"}"#),
        ["notice bad-name a name cannot contain ':'"]
    );
    assert_eq!(ann.ask(&mut scene, r#"{"type":"nick","nick":"ann"}"#), ["nick ann"]);
    assert_eq!(scene.line(nc, "/who"), "* 2 in lobby: ann, bob\n");
    assert_eq!(ann.ask(&mut scene, r#"{"type":"who","room":"lobby"}"#), ["names lobby 2: ann bob"]);
    assert_eq!(scene.line(nc, "/join tea"), "* you are now in tea\n");
    assert_eq!(ann.heard(&mut scene), ["lobby bob left"]);
    let alike = ann.ask(&mut scene, r#"{"type":"join","room":"lo𝖻by"}"#);
    assert_eq!(alike, ["names lobby 1: ann"], "the same in normal form");
    let alike = ann.ask(&mut scene, r#"{"type":"join","room":"teа"}"#);
    assert_eq!(alike, ["notice room-taken teа looks like tea: choose another name"]);
    // A name is free as soon as its owner has gone.
    scene.network.reset(nc);
    scene.network.settle();
    assert_eq!(ann.ask(&mut scene, r#"{"type":"nick","nick":"bob"}"#)[0], "nick bob");
}

#[test]
fn own_events_are_known_by_their_author_and_their_tag() {
    let mut scene = Scene::new();
    let mut ann = scene.browser_called("ann");
    let mut bob = scene.browser_called("bob");
    ann.heard(&mut scene);
    ann.send(&mut scene, r#"{"type":"say","room":"lobby","text":"\"<b>\\\" \u00e9","tag":"t-1"}"#);
    for heard in [ann.messages(&mut scene), bob.messages(&mut scene)] {
        assert_eq!(heard.len(), 1);
        assert_eq!(heard[0]["by"], *ann.you);
        assert_eq!(heard[0]["tag"], "t-1");
        assert_eq!(heard[0]["text"], "\"<b>\\\" é");
        assert!(heard[0]["time"].is_u64());
    }
    assert_ne!(ann.you, bob.you);
}

#[test]
fn text_is_as_safe_as_lines_are() {
    let mut scene = Scene::new();
    let nc = scene.nc();
    let mut ann = scene.browser_called("ann");
    scene.hear(nc);
    ann.say(&mut scene, "lobby", "a\n* bob left\u{1b}[0m\u{202e}\tb\u{0}");
    assert_eq!(scene.hear(nc), "ann: a\u{fffd}* bob left\u{fffd}[0m\u{fffd}\tb\u{fffd}\n");
    assert_eq!(
        ann.heard(&mut scene),
        ["lobby ann: a\u{fffd}* bob left\u{fffd}[0m\u{fffd}\tb\u{fffd}"]
    );
    ann.say(&mut scene, "lobby", " \n\t");
    ann.say(&mut scene, "lobby", "");
    assert_eq!((scene.hear(nc), ann.heard(&mut scene)), (String::new(), vec![]));
    scene.network.send(nc, b"a\xfe\"\\\n");
    assert_eq!(ann.heard(&mut scene), ["lobby guest-1: a\u{fffd}\"\\"]);
    // A command is a text here: the page has its own.
    ann.say(&mut scene, "lobby", "/quit");
    assert_eq!(scene.hear(nc), "ann: /quit\n");
}

#[test]
fn a_member_with_lines_over_a_websocket_is_like_one_with_nc() {
    use crate::ws::client::{HANDSHAKE, Peer};
    use socketserver::protocol::ws::Frame;

    let mut scene = Scene::new();
    let nc = scene.nc();
    let mut ann = scene.browser_called("ann");
    scene.hear(nc);
    let client = scene.connect();
    let mut cat = Peer::shake(&mut scene.network, client, HANDSHAKE.as_bytes());
    let greeting = ["* welcome: you are guest-3 in lobby; /help lists the commands"];
    assert_eq!(cat.heard(&mut scene.network), greeting);
    assert_eq!(scene.hear(nc), "* guest-3 joined\n");
    cat.send(&mut scene.network, Frame::text("hello\n"));
    cat.send(&mut scene.network, Frame::text("two\r\n"));
    assert_eq!(cat.heard(&mut scene.network), [""; 0]);
    assert_eq!(scene.hear(nc), "guest-3: hello\nguest-3: two\n");
    assert_eq!(
        ann.heard(&mut scene),
        ["lobby guest-3 joined", "lobby guest-3: hello", "lobby guest-3: two"]
    );
    scene.line(nc, "a line");
    ann.say(&mut scene, "lobby", "a text");
    assert_eq!(cat.heard(&mut scene.network), ["guest-1: a line", "ann: a text"]);
    cat.send(&mut scene.network, Frame::text(&"x".repeat(4097)));
    assert_eq!(cat.heard(&mut scene.network), ["* that line was too long and was not sent"]);
    cat.send(&mut scene.network, Frame::text("/help"));
    assert_eq!(cat.heard(&mut scene.network).len(), 6);
    cat.send(&mut scene.network, Frame::text("/join tea"));
    assert_eq!(cat.heard(&mut scene.network), ["* you are now in tea"]);
    ann.say(&mut scene, "lobby", "gone?");
    assert_eq!(cat.heard(&mut scene.network), [""; 0]);
    cat.send(&mut scene.network, Frame::text("/quit"));
    assert_eq!(cat.heard(&mut scene.network), ["* bye", "close 1000 "]);
}

#[test]
fn members_are_told_the_end_of_the_server_and_no_member_of_the_others() {
    for (is_restart, code) in [(false, "close 1001 "), (true, "close 1012 ")] {
        let mut scene = Scene::new();
        let nc = scene.nc();
        let mut ann = scene.browser_called("ann");
        let mut bob = scene.browser_called("bob");
        scene.line(nc, "hello");
        ann.heard(&mut scene);
        bob.heard(&mut scene);
        match is_restart {
            true => scene.network.restart(),
            false => scene.network.stop(),
        }
        for browser in [&mut ann, &mut bob] {
            let heard = browser.heard(&mut scene);
            assert_eq!(heard, ["notice stopping the server is stopping", code]);
        }
        assert_eq!(scene.hear(nc), "* the server is stopping\n");
        scene.network.advance(Duration::from_secs(30));
        assert_eq!(scene.network.connections(), 0);
    }
}

/// Joins, texts and new names at once on two reactors: the list of members after `names` and the
/// events that follow is that of the server.
#[test]
fn names_and_the_events_after_them_make_the_list_of_members() {
    let mut scene = Scene::of(chat(), Network::with_reactors(patient(), 3));
    let mut watcher = scene.browser_called("watcher");
    let mut others: Vec<_> = (0..6).map(|_| scene.browser()).collect();
    for (n, other) in others.iter_mut().enumerate() {
        other.send(&mut scene, r#"{"type":"join","room":"lobby"}"#);
        other.send(&mut scene, &format!(r#"{{"type":"nick","nick":"n{n}"}}"#));
        other.say(&mut scene, "lobby", "hello");
        if n % 2 == 0 {
            other.send(&mut scene, r#"{"type":"part","room":"lobby"}"#);
        }
    }
    let mut members = std::collections::BTreeSet::from(["watcher".to_owned()]);
    for message in watcher.messages(&mut scene) {
        let nick = message["nick"].as_str().unwrap_or_default().to_owned();
        match message["type"].as_str().unwrap() {
            "joined" => assert!(members.insert(nick)),
            "left" => assert!(members.remove(&nick)),
            "renamed" => {
                assert!(members.remove(message["was"].as_str().unwrap()));
                members.insert(nick);
            }
            _ => {}
        }
    }
    let names = watcher.ask(&mut scene, r#"{"type":"who","room":"lobby"}"#);
    let members: Vec<String> = members.into_iter().collect();
    assert_eq!(names, [format!("names lobby {}: {}", members.len(), members.join(" "))]);
}
