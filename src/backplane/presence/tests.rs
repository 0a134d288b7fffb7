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
            Ask::Presence(number, Request::Members { room, max }) => {
                format!("{number} members {room} {max}")
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
    /// Those that were noted.
    left: Vec<Request>,
    lost: Vec<Request>,
    /// The keys and names that a member has.
    has: Vec<&'static str>,
}

impl Roster for Held {
    fn note_names(&mut self) {
        self.left = self.names.clone();
    }

    fn next_names(&mut self) -> Vec<Request> {
        self.left.drain(..self.left.len().min(2)).collect()
    }

    fn has_key(&self, key: &str) -> bool {
        self.has.contains(&key)
    }

    fn has_member(&self, _: &str, name: &str) -> bool {
        self.has.contains(&name)
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

fn members(room: &str) -> Request {
    Request::Members { room: room.into(), max: 100 }
}

fn enter(name: &str) -> Request {
    Request::Enter { room: "r".into(), name: name.into() }
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

    fn ask(&mut self, asker: u32, request: Request) {
        self.presence.ask(asker, request, &self.held);
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
    case.ask(7, claim("a"));
    case.ask(8, claim("b"));
    assert_eq!(case.asked(), ["2 claim [\"a\"]", "3 claim [\"b\"]"]);
    case.news(News::Presence(2, Answer::Claimed));
    case.news(News::Presence(2, Answer::Claimed));
    assert_eq!(case.presence.take_answers(), [(7, Answer::Claimed)]);
    case.presence.cut();
    case.ask(9, claim("c"));
    assert_eq!(case.presence.take_answers(), [(8, Answer::Away), (9, Answer::Away)]);
}

#[test]
fn a_cut_undoes_claims_and_repeats_silent_requests() {
    let mut case = Case::signed_in();
    case.ask(7, release("a"));
    case.ask(8, claim("b"));
    assert_eq!(case.asked().len(), 2);
    case.ask(9, release("c"));
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
    case.ask(7, release("a"));
    assert_eq!(case.asked().len(), 1);
    case.held.names = ["x", "y", "z"].map(claim).to_vec();
    assert_eq!(case.again(Lease::New), ["4 claim [\"x\"]", "5 claim [\"y\"]"]);
    assert!(case.presence.is_due());
    assert_eq!(case.asked(), ["6 claim [\"z\"]"]);
    case.news(News::Presence(4, Answer::Claimed));
    case.news(News::Presence(5, Answer::Taken("other".into())));
    assert_eq!(case.held.lost, [claim("y")]);
    case.news(News::Presence(6, Answer::Claimed));
    assert!(case.asked().is_empty() && case.presence.is_settled());
    // From time to time, or the engine forgets them.
    case.now = RENEW_MS;
    assert_eq!([case.asked().len(), case.asked().len()], [2, 1]);
}

#[test]
fn names_that_the_engine_could_not_take_are_entered_again_soon() {
    let mut case = Case::signed_in();
    case.held.names = vec![claim("x")];
    case.ask(7, claim("a"));
    assert_eq!(case.asked().len(), 1);
    case.news(News::Presence(2, Answer::Away));
    assert_eq!(case.presence.take_answers(), [(7, Answer::Away)]);
    assert!(case.asked().is_empty());
    case.now += RETRY_MS;
    assert_eq!(case.asked(), ["3 claim [\"x\"]"]);
    case.now += RETRY_MS;
    assert!(case.asked().is_empty(), "that was taken");
}

#[test]
fn requests_are_bounded_and_none_is_lost() {
    let mut case = Case::default();
    case.held.names = vec![claim("x")];
    for _ in 0..3 * WAITING_MAX {
        case.ask(0, release("a"));
        assert!(case.presence.waiting.len() <= WAITING_MAX);
    }
    case.news(News::Ready);
    // The roster has the names of dropped requests: no lease of before may be kept.
    assert_eq!(case.asked(), ["sign in 0 1 1"]);
    (0..2 * WAITING_MAX as u32).for_each(|asker| case.ask(asker, claim("a")));
    assert!(case.presence.waiting.len() <= 2 * WAITING_MAX);
    assert!(case.presence.take_answers().iter().all(|(_, answer)| *answer == Answer::Away));
    case.news(News::SignedIn(Lease::New));
    // The names of the roster go first.
    let asked = case.asked();
    assert_eq!((asked.len(), &*asked[0]), (SENT_MAX, "2 claim [\"x\"]"));
}

#[test]
fn questions_that_wait_cost_no_lease() {
    let mut case = Case::signed_in();
    (0..2 * WAITING_MAX as u32).for_each(|asker| case.ask(asker, claim("a")));
    assert_eq!(case.presence.take_answers().len(), WAITING_MAX);
    (0..WAITING_MAX).for_each(|_| case.ask(0, release("b")));
    assert_eq!(case.presence.waiting.len(), 2 * WAITING_MAX);
    // One request more than the limit, and the lease begins anew, once.
    case.ask(0, release("b"));
    (1..WAITING_MAX).for_each(|_| case.ask(0, release("b")));
    assert_eq!(case.asked(), ["sign in 1 2 2"]);
}

/// A release or leave of another reactor may arrive after a request of a next member.
#[test]
fn a_late_release_leaves_the_names_that_members_have() {
    let mut case = Case::signed_in();
    case.held.has = vec!["bob", "ann"];
    let (room, name) = ("r".into(), "ann".into());
    case.ask(7, Request::Release { keys: vec!["bob".into(), "rob".into()] });
    case.ask(7, release("bob"));
    case.ask(7, Request::Leave { room, name });
    assert_eq!(case.asked(), ["2 release [\"rob\"]"]);
    case.held.has.clear();
    let (room, name) = ("r".into(), "ann".into());
    case.ask(7, release("bob"));
    case.ask(7, Request::Leave { room, name });
    assert_eq!(case.asked(), ["3 release [\"bob\"]", "4 leave ann"]);
}

/// The roster is asked for a piece in each turn, and not again after a cut.
#[test]
fn a_cut_goes_on_with_the_names_that_are_not_entered() {
    let mut case = Case::signed_in();
    assert!(case.asked().is_empty());
    case.held.names = ["v", "w", "x", "y", "z"].map(claim).to_vec();
    assert_eq!(case.again(Lease::New), ["3 claim [\"v\"]", "4 claim [\"w\"]"]);
    case.ask(7, release("a"));
    case.news(News::Presence(3, Answer::Claimed));
    assert_eq!(case.again(Lease::Kept), ["6 claim [\"w\"]", "7 release [\"a\"]"]);
    assert_eq!(case.asked(), ["8 claim [\"x\"]", "9 claim [\"y\"]"]);
    assert!(!case.presence.is_settled());
    assert_eq!(case.asked(), ["10 claim [\"z\"]"]);
    assert!(case.asked().is_empty() && !case.presence.is_due());
}

#[test]
fn at_most_500_requests_are_on_their_way() {
    let mut case = Case::signed_in();
    (0..600).for_each(|asker| case.ask(asker, claim("a")));
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
    case.ask(1, claim("a"));
    case.news(News::SignedIn(Lease::Unsupported));
    case.ask(2, claim("a"));
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

/// A full room may ask at once.
#[test]
fn questions_about_one_room_share_an_answer() {
    let mut case = Case::signed_in();
    let all = 3 * WAITING_MAX as u32;
    (0..all).for_each(|asker| case.ask(asker, members("r")));
    assert_eq!(case.presence.take_answers(), []);
    assert_eq!(case.asked(), ["2 members r 100", "3 members r 100"]);
    let answer = |count| Answer::Members { count, names: ["ann".into()].into() };
    case.news(News::Presence(2, answer(1)));
    assert_eq!(case.presence.take_answers(), [(0, answer(1))]);
    case.news(News::Presence(3, answer(2)));
    let answers = case.presence.take_answers();
    assert!(answers.into_iter().eq((1..all).map(|asker| (asker, answer(2)))));
    assert!(case.asked().is_empty() && case.presence.is_settled());
    // Members that ask without end.
    for asker in 0..2 * SHARING_MAX as u32 {
        case.ask(asker, members("r"));
    }
    assert_eq!(case.presence.take_answers().len(), SHARING_MAX);
    assert_eq!(case.asked().len(), 2);
    // Those that were sent count until they are answered.
    (0..2).for_each(|asker| case.ask(asker, members("r")));
    assert_eq!(case.presence.take_answers(), [(1, Answer::Away)]);
    (4..6).for_each(|number| case.news(News::Presence(number, answer(1))));
    assert_eq!(case.presence.take_answers().len(), SHARING_MAX);
    assert_eq!((case.asked().len(), case.presence.askers), (1, 1));
}

/// A member that enters and asks must find itself in the answer.
#[test]
fn a_shared_question_is_asked_after_the_requests_before_it() {
    let mut case = Case::signed_in();
    for (asker, name) in [(1, "ann"), (2, "bob"), (3, "cid")] {
        case.ask(0, enter(name));
        case.ask(asker, members("r"));
    }
    case.ask(4, members("s"));
    let asked = case.asked();
    let expected = [
        "2 enter ann",
        "3 members r 100",
        "4 enter bob",
        "5 enter cid",
        "6 members s 100",
        "7 members r 100",
    ];
    assert_eq!(asked, expected);
}

#[test]
fn a_cut_answers_all_that_share_a_question() {
    let mut case = Case::signed_in();
    // Some are on their way, and the others in line.
    (0..SENT_MAX as u32 - 1).for_each(|asker| case.ask(asker, claim("a")));
    (1_000..1_003).for_each(|asker| case.ask(asker, members("r")));
    assert_eq!(case.asked().len(), SENT_MAX);
    case.ask(1_003, members("r"));
    case.presence.cut();
    let answers = case.presence.take_answers();
    assert_eq!(answers.len(), SENT_MAX + 3);
    assert!(answers.iter().all(|(_, answer)| *answer == Answer::Away));
    // The next one begins anew.
    case.news(News::Ready);
    assert_eq!(case.asked().len(), 1);
    case.news(News::SignedIn(Lease::Kept));
    case.ask(7, members("r"));
    assert_eq!(case.asked().last().map(String::as_str), Some("1002 members r 100"));
}
