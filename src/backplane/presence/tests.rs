//! One node, request by request.

use super::*;
use crate::close::Close;

/// Notes the requests.
#[derive(Default)]
struct Noted(Vec<String>);

impl Engine for Noted {
    fn opening(&mut self, _: &mut Vec<u8>) {}

    fn on_data(&mut self, _: &[u8], _: &mut dyn FnMut(News<'_>)) -> Result<usize, Close> {
        Ok(0)
    }

    fn ask(&mut self, ask: Ask<'_>, _: &mut Vec<u8>) {
        self.0.push(match ask {
            Ask::SignIn { before, lease, known } => format!("sign in {before} {lease} {known}"),
            Ask::SignOut => "sign out".into(),
            Ask::Undo { number, claim, keys } => format!("{number} undo {claim} {keys:?}"),
            Ask::Presence(number, Request::Claim { keys, .. }) => {
                format!("{number} claim {keys:?}")
            }
            Ask::Presence(number, Request::Release { keys }) => {
                format!("{number} release {keys:?}")
            }
            Ask::Presence(number, Request::Enter { name, .. }) => format!("{number} enter {name}"),
            Ask::Presence(number, Request::Leave { name, .. }) => format!("{number} leave {name}"),
            other => format!("{other:?}"),
        });
    }

    fn flush(&mut self, _: &mut Vec<u8>) {}
}

#[derive(Default)]
struct Held {
    names: Vec<Request>,
    lost: Vec<Request>,
}

impl Roster for Held {
    fn names(&mut self, skip: usize) -> Vec<Request> {
        self.names.iter().skip(skip).take(2).cloned().collect()
    }

    fn lost(&mut self, claim: &Request) {
        self.lost.push(claim.clone());
    }
}

#[derive(Default)]
struct Case {
    presence: Presence<u32>,
    held: Held,
    now: u64,
}

impl Default for Presence<u32> {
    fn default() -> Presence<u32> {
        Presence::new()
    }
}

fn claim(key: &str) -> Request {
    Request::Claim { keys: vec![key.into()], name: key.into() }
}

fn release(key: &str) -> Request {
    Request::Release { keys: vec![key.into()] }
}

impl Case {
    /// A node that has signed in, and has a lease.
    fn signed_in() -> Case {
        let mut case = Case::default();
        case.news(News::Ready);
        assert_eq!(case.asked(), ["sign in 0 1 0"]);
        case.news(News::SignedIn(Lease::New));
        case
    }

    fn news(&mut self, news: News<'_>) {
        self.presence.on_news(&news, &mut self.held);
    }

    /// Returns the requests of the turn.
    fn asked(&mut self) -> Vec<String> {
        let mut engine = Noted::default();
        self.presence.flush(self.now, &mut engine, &mut Vec::new(), &mut self.held);
        engine.0
    }

    fn again(&mut self, lease: Lease) -> Vec<String> {
        self.presence.cut();
        self.news(News::Ready);
        assert_eq!(self.asked().len(), 1);
        self.news(News::SignedIn(lease));
        self.asked()
    }
}

#[test]
fn a_question_is_answered_once_and_away_without_a_connection() {
    let mut case = Case::signed_in();
    case.presence.ask(7, claim("a"));
    case.presence.ask(8, claim("b"));
    assert_eq!(case.asked(), ["2 claim [\"a\"]", "3 claim [\"b\"]"]);
    case.news(News::Presence(2, Answer::Claimed));
    case.news(News::Presence(2, Answer::Claimed));
    assert_eq!(case.presence.take_answers(), [(7, Answer::Claimed)]);
    case.presence.cut();
    case.presence.ask(9, claim("c"));
    assert_eq!(case.presence.take_answers(), [(8, Answer::Away), (9, Answer::Away)]);
}

#[test]
fn a_cut_undoes_claims_and_repeats_silent_requests() {
    let mut case = Case::signed_in();
    case.presence.ask(7, release("a"));
    case.presence.ask(8, claim("b"));
    assert_eq!(case.asked().len(), 2);
    case.presence.ask(9, release("c"));
    let again = case.again(Lease::Kept);
    assert_eq!(again, ["5 release [\"a\"]", "6 undo 3 [\"b\"]", "7 release [\"c\"]"]);
    // All was answered, so the next lease of before must have all of it.
    (5..=7).for_each(|number| case.news(News::Presence(number, Answer::Claimed)));
    case.presence.cut();
    case.news(News::Ready);
    assert_eq!(case.asked(), ["sign in 1 8 7"]);
}

#[test]
fn a_new_lease_begins_with_the_names_of_the_roster() {
    let mut case = Case::signed_in();
    case.presence.ask(7, release("a"));
    assert_eq!(case.asked().len(), 1);
    case.held.names = ["x", "y", "z"].map(claim).to_vec();
    let names = case.again(Lease::New);
    assert_eq!(names, ["4 claim [\"x\"]", "5 claim [\"y\"]", "6 claim [\"z\"]"]);
    case.news(News::Presence(4, Answer::Claimed));
    case.news(News::Presence(5, Answer::Taken("other".into())));
    assert_eq!(case.held.lost, [claim("y")]);
    case.news(News::Presence(6, Answer::Claimed));
    assert!(case.presence.is_settled());
    // From time to time, or the engine forgets them.
    case.now = RENEW_MS;
    assert_eq!(case.asked().len(), 3);
}

#[test]
fn requests_are_bounded_and_none_is_lost() {
    let mut case = Case::default();
    case.held.names = vec![claim("x")];
    for _ in 0..3 * WAITING_MAX {
        case.presence.ask(0, release("a"));
        assert!(case.presence.waiting.len() <= WAITING_MAX);
    }
    case.news(News::Ready);
    // The roster has the names of dropped requests: no lease of before may be kept.
    assert_eq!(case.asked(), ["sign in 0 1 1"]);
    (0..2 * WAITING_MAX as u32).for_each(|asker| case.presence.ask(asker, claim("a")));
    assert!(case.presence.waiting.len() <= WAITING_MAX);
    assert!(case.presence.take_answers().iter().all(|(_, answer)| *answer == Answer::Away));
    case.news(News::SignedIn(Lease::New));
    // Two questions found a place between the others.
    let asked = case.asked();
    assert_eq!((asked.len(), &*asked[0]), (3, "2 claim [\"x\"]"));
}

#[test]
fn at_most_500_requests_are_on_their_way() {
    let mut case = Case::signed_in();
    (0..600).for_each(|asker| case.presence.ask(asker, claim("a")));
    assert_eq!(case.asked().len(), SENT_MAX);
    assert!(case.asked().is_empty() && !case.presence.is_due());
    case.news(News::Presence(2, Answer::Claimed));
    assert!(case.presence.is_due());
    assert_eq!(case.asked().len(), 1);
}

#[test]
fn an_engine_without_names_says_so() {
    let mut case = Case::default();
    case.news(News::Ready);
    assert_eq!(case.asked().len(), 1);
    case.presence.ask(1, claim("a"));
    case.news(News::SignedIn(Lease::Unsupported));
    case.presence.ask(2, claim("a"));
    let expected = [(1, Answer::Unsupported), (2, Answer::Unsupported)];
    assert_eq!(case.presence.take_answers(), expected);
}

#[test]
fn the_end_gives_up_the_lease() {
    let mut case = Case::signed_in();
    let mut engine = Noted::default();
    case.presence.sign_out(&mut engine, &mut Vec::new());
    assert_eq!(engine.0, ["sign out"]);
}
