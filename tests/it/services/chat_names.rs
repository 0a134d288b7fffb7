//! Names beyond ASCII: each is one name in all its spellings, and no two in use look alike.

use socketserver::testkit::{Client, Random, seeds};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::support::chat::Party;

/// Two members, one of which takes the name that the other asks for.
struct Pair {
    party: Party,
    owner: Client,
    other: Client,
}

/// The answers to two spellings of a name.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Same,
    Alike,
    Different,
    Refused,
}

impl Pair {
    fn new() -> Pair {
        let (party, [owner, other]) = Party::guests();
        Pair { party, owner, other }
    }

    /// Gives the name `taken` to the owner, and asks for `wanted` as the other member.
    fn ask(&mut self, taken: &str, wanted: &str) -> Verdict {
        let answer = self.party.say(self.owner, &format!("/nick {taken}"));
        if answer.starts_with("* a name ") {
            let again = self.party.say(self.other, &format!("/nick {wanted}"));
            assert_eq!(again, answer, "{taken:?}, then {wanted:?}");
            return Verdict::Refused;
        }
        let answer = self.party.say(self.other, &format!("/nick {wanted}"));
        let last = answer.lines().last().expect("an answer");
        let verdict = match last {
            text if text.ends_with(" is taken: choose another name") => Verdict::Same,
            text if text.ends_with(": choose another name") => Verdict::Alike,
            text if text.starts_with("* you are now ") => Verdict::Different,
            text => panic!("{taken:?}, then {wanted:?}: {text}"),
        };
        if verdict == Verdict::Different {
            self.party.say(self.other, "/nick guest-2");
        }
        self.party.hear(self.owner);
        verdict
    }
}

fn all_characters() -> impl Iterator<Item = char> {
    '\0'..=char::MAX
}

/// The canonical equivalents of `c`: composed, decomposed, and each that is in between.
fn equivalents(c: char) -> Vec<String> {
    let text = c.to_string();
    let mut all = vec![text.nfc().collect(), text.nfd().collect()];
    // One step of the decomposition, which leaves a composed front.
    let parts: Vec<char> = text.nfd().collect();
    for cut in 1..parts.len() {
        let front: String = parts[..cut].iter().collect();
        all.push(front.nfc().chain(parts[cut..].iter().copied()).collect());
    }
    all.retain(|other: &String| *other != text);
    all.dedup();
    all
}

#[test]
fn canonical_equivalents_are_one_name() {
    let mut pair = Pair::new();
    let (mut same, mut refused) = (0, Vec::new());
    for c in all_characters() {
        for other in equivalents(c) {
            // A letter before it, because some are marks.
            match pair.ask(&format!("a{c}"), &format!("a{other}")) {
                Verdict::Same => same += 1,
                Verdict::Refused => refused.push(c),
                verdict => panic!("U+{:04X}, {other:?}: {verdict:?}", u32::from(c)),
            }
        }
    }
    assert!(same > 20_000, "{same}");
    // Spaces, accents on a space, and the middle dot, which is for Catalan only.
    let accents =
        "\u{385}\u{387}\u{1fc1}\u{1fcd}\u{1fce}\u{1fcf}\u{1fdd}\u{1fde}\u{1fdf}\u{1fed}\u{1fee}";
    let spaces = "\u{1ffd}\u{2000}\u{2001}";
    refused.dedup();
    assert_eq!(refused.iter().collect::<String>(), [accents, spaces].concat());
}

#[test]
fn the_order_of_marks_makes_no_other_name() {
    let marks: Vec<char> = all_characters().filter(|c| is_combining_mark(*c)).collect();
    seeds(0..200, |seed| {
        let mut pair = Pair::new();
        let mut random = Random::new(seed + 1);
        let mut any = || marks[random.below(marks.len())];
        let name: String = ['a', any(), any(), any()].iter().collect();
        for other in [name.nfc().collect::<String>(), name.nfd().collect()] {
            let verdict = pair.ask(&name, &other);
            assert!(matches!(verdict, Verdict::Same | Verdict::Refused), "{name:?}: {verdict:?}");
        }
    });
}

#[test]
fn names_of_many_languages_work_in_both_normal_forms() {
    let mut pair = Pair::new();
    for name in [
        "प्रिया",
        "हिन्दी",
        "क़ासिम",
        "श्री",
        "สมชาย",
        "กิ่งแก้ว",
        "น้ำฝน",
        "דוד",
        "שָׁלוֹם",
        "יִצְחָק",
        "김철수",
        "한국어",
        "뷁",
        "José",
        "Nguyễn",
        "Ǻsa",
        "が",
        "علی‌رضا",
        "محمد",
        "አበበ",
        "တင်မောင်",
        "🙂",
        "🤖",
        "𞤀𞤣𞤢𞤥",
    ] {
        for (one, two) in [(true, false), (false, true), (true, true), (false, false)] {
            let form = |composed: bool| -> String {
                if composed { name.nfc().collect() } else { name.nfd().collect() }
            };
            assert_eq!(pair.ask(&form(one), &form(two)), Verdict::Same, "{name}");
        }
    }
    // The longest name is as long decomposed.
    let longest = "뷁".repeat(32);
    assert_eq!(pair.ask(&longest, &longest.nfd().collect::<String>()), Verdict::Same);
    assert_eq!(
        pair.ask(&"뷁".repeat(33), &"뷁".repeat(33).nfd().collect::<String>()),
        Verdict::Refused
    );
}

#[test]
fn case_and_width_make_no_other_name() {
    let mut pair = Pair::new();
    for c in all_characters().filter(|c| c.is_uppercase() || c.is_lowercase()) {
        for other in [c.to_uppercase().to_string(), c.to_lowercase().to_string()] {
            // A letter before it, because one is a mark.
            let verdict = pair.ask(&format!("a{c}"), &format!("a{other}"));
            let is_well = matches!(verdict, Verdict::Same | Verdict::Refused);
            assert!(is_well, "U+{:04X}, {other:?}: {verdict:?}", u32::from(c));
        }
    }
    for (one, two) in [("bob", "ｂｏｂ"), ("ガギ", "ｶﾞｷﾞ"), ("ὈΔΥΣΣΕΎΣ", "ὀδυσσεύς"), ("ﬁn", "FIN")]
    {
        assert_eq!(pair.ask(one, two), Verdict::Same, "{one}, {two}");
    }
}

#[test]
fn look_alikes_of_names_in_use_are_refused() {
    let mut pair = Pair::new();
    for (one, two) in [
        ("paypal", "pаypаl"),
        ("paypal", "PАYPАL"),
        ("Paypal", "PaypaI"),
        ("admin", "аdmin"),
        ("guest-10", "guest-l0"),
        ("scope", "ѕсоре"),
        ("modern", "modem"),
        ("क\u{94d}ष", "क\u{94d}\u{200d}ष"),
    ] {
        assert_eq!(pair.ask(one, two), Verdict::Alike, "{one}, {two}");
        assert_eq!(pair.ask(two, one), Verdict::Alike, "{two}, {one}");
    }
    for (one, two) in [("bob", "rob"), ("anna", "hanna"), ("тест", "тесто"), ("김", "길")]
    {
        assert_eq!(pair.ask(one, two), Verdict::Different, "{one}, {two}");
    }
    let (mut party, [one, two]) = Party::guests();
    let answer = party.say(one, "/nick guest-Ⅱ");
    assert_eq!(answer, "* you are now guest-II\n", "the name is shown normalized");
    party.hear(two);
    assert_eq!(
        party.say(two, "/nick guest-l1"),
        "* guest-l1 looks like guest-II: choose another name\n"
    );
    party.say(one, "/quit");
    party.hear(two);
    assert_eq!(party.say(two, "/nick guest-l1"), "* you are now guest-l1\n");
    // A member may change between look-alikes of the own name.
    assert_eq!(party.say(two, "/nick guest-Il"), "* you are now guest-Il\n");
}

#[test]
fn guests_get_no_name_that_looks_like_one_in_use() {
    let (mut party, [one]) = Party::guests();
    party.say(one, "/nick guеst-2");
    party.guest(&[one]);
    assert_eq!(party.say(one, "/who"), "* 2 in lobby: guest-3, guеst-2\n");
}

#[test]
fn rooms_that_look_alike_are_not_two() {
    let (mut party, [one, two]) = Party::guests();
    party.say(one, "/join Café");
    party.hear(two);
    // The lobby has a member, and later none.
    for _ in 0..2 {
        let answer = party.say(two, "/join lоbby");
        let hint = "choose another name, or /join lobby";
        assert_eq!(answer, format!("* lоbby looks like lobby: {hint}\n"));
        party.say(two, "/join CAFE\u{301}");
    }
    assert_eq!(party.say(two, "/join Café"), "* you are in Café already\n");
    let hint = "choose another name, or /join Café";
    assert_eq!(party.say(two, "/join Cаfé"), format!("* Cаfé looks like Café: {hint}\n"));
    party.say(two, "/join LOBBY");
    party.say(one, "/join tea");
    assert_eq!(party.say(one, "/join Cаfé"), "* you are now in Cаfé\n");
    party.say(two, "/join tea");
    assert!(party.say(two, "/join lоbby").contains(" looks like lobby: "));
}

#[test]
fn no_name_begins_with_a_mark_or_has_five_in_a_row() {
    let mut party = Party::new();
    let one = party.guest(&[]);
    let mut fit = 0;
    for mark in all_characters().filter(|c| is_combining_mark(*c)) {
        let first = party.say(one, &format!("/nick {mark}a"));
        let number = |c: char| format!("U+{:04X}", u32::from(c));
        let begins = "* a name cannot begin with the mark U+";
        let refused = format!("* a name cannot contain {}\n", number(mark));
        assert!(first.starts_with(begins) || first == refused, "{first}");
        let mut take = |n: usize| {
            let name = format!("a{}", mark.to_string().repeat(n));
            party.say(one, &format!("/nick {name}"))
        };
        // One may decompose into several.
        let most = 4 / mark.nfkd().count();
        let longest = take(most);
        if longest == refused {
            continue;
        }
        fit += 1;
        assert!(longest.starts_with("* you are "), "{longest}");
        assert_eq!(take(most + 1), "* a name has at most 4 marks in a row: use fewer\n");
    }
    assert!(fit > 1_950, "{fit}");
}

#[test]
fn a_name_is_stable_as_shown() {
    let picks: Vec<char> =
        all_characters().filter(|c| c.is_alphanumeric() || is_combining_mark(*c)).collect();
    seeds(0..2_000, |seed| {
        let mut party = Party::new();
        let one = party.guest(&[]);
        let mut random = Random::new(seed + 1);
        let len = 1 + random.below(6);
        let name: String = (0..len).map(|_| picks[random.below(picks.len())]).collect();
        let answer = party.say(one, &format!("/nick {name}"));
        let Some(shown) = answer.strip_prefix("* you are now ") else { return };
        let again = party.say(one, &format!("/nick {}", shown.trim_end()));
        assert_eq!(again, format!("* you are {} already\n", shown.trim_end()), "{name:?}");
    });
}

#[test]
fn lines_of_invisible_characters_are_ignored() {
    let (mut party, [one, two]) = Party::guests();
    party.send(one, "\u{200b}\n\u{3164}\u{feff} \u{a0}\n\u{2800}\n\u{e0041}\n\u{ad}\n");
    assert_eq!(party.hear(two), "");
    party.send(one, "\u{200b}.\n");
    assert_eq!(party.hear(two), "guest-1: \u{200b}.\n");
}
