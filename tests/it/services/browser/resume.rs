//! Browsers that come back: the events that they have missed, and the marks where some are lost.

use std::time::Duration;

use socketserver::testkit::Network;

use super::scene::{Browser, Scene, chat};
use crate::support::handlers::patient;

/// Connects the browser again, and resumes its rooms.
fn again(scene: &mut Scene, browser: &Browser) -> (Browser, Vec<String>) {
    let mut next = scene.browser();
    next.ids.clone_from(&browser.ids);
    let rooms = serde_json::to_string(&browser.ids).unwrap();
    let heard = next.ask(scene, &format!(r#"{{"type":"resume","rooms":{rooms}}}"#));
    (next, heard)
}

#[test]
fn nothing_is_missed_and_nothing_comes_twice_over_many_cuts() {
    for mut scene in Scene::in_each_mode() {
        let nc = scene.nc();
        let mut ann = scene.browser();
        for room in ["lobby", "tea"] {
            ann.ask(&mut scene, &format!(r#"{{"type":"join","room":"{room}"}}"#));
        }
        let mut said = 0;
        let mut heard = Vec::new();
        for cut in 0..20 {
            for _ in 0..cut {
                scene.line(nc, &format!("line {said}"));
                said += 1;
            }
            // The bytes in its socket are lost with it.
            if cut % 2 == 0 {
                heard.extend(ann.heard(&mut scene));
            }
            match cut % 3 {
                0 => scene.network.reset(ann.client()),
                _ => scene.network.shut(ann.client()),
            }
            scene.network.settle();
            scene.line(nc, &format!("line {said}"));
            said += 1;
            let (next, missed) = again(&mut scene, &ann);
            ann = next;
            assert!(!missed.iter().any(|it| it.starts_with("mark")), "{missed:?}");
            heard.extend(missed);
        }
        let lines: Vec<&String> = heard.iter().filter(|it| it.contains(": line ")).collect();
        let all: Vec<String> = (0..said).map(|n| format!("lobby guest-1: line {n}")).collect();
        assert_eq!(lines, all.iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_room_that_has_said_more_than_its_history_holds_is_marked() {
    let mut scene = Scene::of(chat().history(50, 1 << 20), Network::new(patient()));
    let nc = scene.nc();
    let mut ann = scene.browser_called("ann");
    let bob = scene.browser_called("bob");
    ann.heard(&mut scene);
    scene.network.shut(ann.client());
    // And two events: ann leaves, and joins again.
    for n in 0..58 {
        scene.line(nc, &format!("line {n}"));
    }
    let (_, heard) = again(&mut scene, &ann);
    assert_eq!(heard[..3], ["entered lobby", "mark lobby 10", "lobby guest-1: line 9"]);
    assert_eq!(
        heard[heard.len() - 2..],
        ["lobby guest-4 joined", "names lobby 3: bob guest-1 guest-4"]
    );
    assert_eq!(heard.len(), 2 + 50 + 1);
    // A newcomer has missed nothing.
    let mut cy = scene.browser();
    let heard = cy.ask(&mut scene, r#"{"type":"join","room":"lobby"}"#);
    assert_eq!(heard[..2], ["entered lobby", "lobby guest-1: line 10"]);
    drop(bob);
}

#[test]
fn positions_of_another_server_are_marked_and_never_trusted() {
    let mut old = Scene::new();
    let mut ann = old.browser_called("ann");
    ann.say(&mut old, "lobby", "hello");
    ann.heard(&mut old);
    let mut scene = Scene::new();
    let (mut next, heard) = again(&mut scene, &ann);
    assert_eq!(
        heard,
        ["entered lobby", "mark lobby null", "lobby guest-1 joined", "names lobby 1: guest-1"]
    );
    assert_ne!(next.you, ann.you);
    // The mark has a position: a cut before the next event makes no second one.
    next.say(&mut scene, "lobby", "I am back");
    next.heard(&mut scene);
    scene.network.reset(next.client());
    scene.network.settle();
    let (_, heard) = again(&mut scene, &next);
    assert_eq!(heard[..3], ["entered lobby", "lobby guest-1 left", "lobby guest-2 joined"]);
    // A position after the end is not one of this history.
    let (epoch, _) = next.ids["lobby"].split_once('-').unwrap();
    let id = format!("{epoch}-300");
    let mut cy = scene.browser();
    let heard = cy.ask(&mut scene, &format!(r#"{{"type":"join","room":"lobby","after":"{id}"}}"#));
    assert_eq!(heard[..2], ["entered lobby", "mark lobby null"]);
}

#[test]
fn a_history_is_kept_for_ten_minutes_after_the_last_browser() {
    for (minutes, is_kept) in [(9, true), (11, false)] {
        for members in 0..2 {
            let mut scene = Scene::new();
            let ncs: Vec<_> = (0..members).map(|_| scene.nc()).collect();
            let mut ann = scene.browser_called("ann");
            ann.heard(&mut scene);
            scene.network.shut(ann.client());
            scene.network.settle();
            for nc in &ncs {
                scene.line(*nc, "one");
            }
            scene.network.advance(Duration::from_secs(60 * minutes));
            for nc in &ncs {
                scene.line(*nc, "two");
            }
            let (_, heard) = again(&mut scene, &ann);
            let is_marked = heard.iter().any(|it| it.starts_with("mark"));
            assert_eq!(is_marked, !is_kept, "{minutes} {members} {heard:?}");
            let lines = heard.iter().filter(|it| it.contains(": ") && !it.starts_with("names"));
            assert_eq!(lines.count(), if is_kept { 2 * members } else { 0 }, "{heard:?}");
        }
    }
}

#[test]
fn the_number_of_kept_histories_is_limited() {
    let mut scene = Scene::new();
    let mut ids = Vec::new();
    for n in 0..66 {
        let mut ann = scene.browser();
        ann.ask(&mut scene, &format!(r#"{{"type":"join","room":"r{n}"}}"#));
        ids.push(ann.ids[&format!("r{n}")].clone());
        scene.network.shut(ann.client());
        scene.network.settle();
    }
    let mut marked = Vec::new();
    for n in [0, 1, 2, 65] {
        let mut ann = scene.browser();
        let heard = ann
            .ask(&mut scene, &format!(r#"{{"type":"join","room":"r{n}","after":"{}"}}"#, ids[n]));
        if heard.iter().any(|it| it.starts_with("mark")) {
            marked.push(n);
        }
    }
    assert_eq!(marked, [0, 1]);
}

#[test]
fn the_longest_texts_fit_into_the_shortest_history() {
    let chat = chat().line_limit(20_000).history(0, 0);
    let mut scene = Scene::of(chat, Network::new(patient().pending_input(1 << 20)));
    let nc = scene.nc();
    let mut ann = scene.browser_called("ann");
    ann.heard(&mut scene);
    for text in ["\x01", "\"", "\\", "\t", "\u{e9}"] {
        let text = format!("x{}", text.repeat(19_998 / text.len()));
        ann.say(&mut scene, "lobby", &text);
        scene.line(nc, &text);
        let heard = ann.heard(&mut scene);
        assert_eq!(heard.len(), 2, "{:?}", heard[0].get(..40));
        assert!(heard.iter().all(|it| it.len() >= 19_998 && it.starts_with("lobby ")));
    }
}

#[test]
fn a_member_that_reads_slowly_is_marked_and_not_closed() {
    let mut scene = Scene::of(chat().history(200, 1 << 20), Network::new(patient()));
    let nc = scene.nc();
    let mut ann = scene.browser_called("ann");
    scene.hear(nc);
    ann.heard(&mut scene);
    // The client reads nothing for a while.
    scene.network.window(ann.client(), 1000);
    let text = "x".repeat(1000);
    for n in 0..2000 {
        scene.network.send(nc, format!("{n} {text}\n").as_bytes());
    }
    scene.network.settle();
    assert!(scene.network.unsent(ann.client()) < 128 * 1024, "the rest is not held for it");
    let heard = ann.heard(&mut scene);
    let marks = heard.iter().filter(|it| it.starts_with("mark lobby ")).count();
    assert_eq!(marks, 1);
    let last = heard.iter().rfind(|it| it.starts_with("lobby guest-1: ")).unwrap();
    assert!(last.starts_with("lobby guest-1: 1999 "));
    assert_eq!(heard.last().unwrap(), "names lobby 2: ann guest-1");
    assert!(!scene.network.is_closed(ann.client()));
}
