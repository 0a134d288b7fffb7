//! The requests of a node about names, and their answers. Knows no engine, no socket and no clock.
//!
//! A node has a lease, which each probe renews, and its names belong to the lease. When a
//! connection works, the node signs in: the engine tells whether the lease still holds and whether
//! it has all that this node wrote. Else the engine was emptied, lost its latest writes, or did not
//! hear of this node for 15 s: then the node gets a new lease, and takes and enters its names
//! again, from its [`Roster`], a piece a turn. Another node may have taken one meanwhile; the
//! roster is told.
//!
//! A release of another reactor may arrive after another member of this node has taken the name,
//! or asked for it. So only the names that no member has at the time of the request are given
//! back. A member that asks for a name and does not get it gives it back as well.
//!
//! A request may fail because another program spoilt the key of a room. Then its question is
//! answered [`Answer::Away`], and the names are entered again soon: the key may be removed.
//!
//! Questions about the members of one room wait as one, and get one answer: a full room may ask at
//! once. One that comes later than a question in line must be asked later, too, because its member
//! may have entered meanwhile.
//!
//! A question that a cut leaves open is answered [`Answer::Away`]. A claim among them may have been
//! carried out, so it is undone over the next connection. Requests that ask nothing are repeated:
//! they may be carried out twice.
//!
//! The owner calls, in each turn: [`on_news`](Presence::on_news) and [`cut`](Presence::cut) as
//! things happen, then [`flush`](Presence::flush) and
//! [`take_answers`](Presence::take_answers).

use std::collections::{HashMap, VecDeque};

use super::engine::{Ask, Engine, Lease, News};
use crate::handler::presence::{Answer, Request, Roster};

/// The most requests that wait and ask nothing, and the most questions that wait. Those about one
/// room are one.
const WAITING_MAX: usize = 8_192;
/// The most askers without an answer that share questions: some for each of the connections that a
/// process usually has.
const SHARING_MAX: usize = 16 * WAITING_MAX;
/// The most requests without an answer, and the most of one turn.
const SENT_MAX: usize = 500;
/// Names are entered again after this time: the engine forgets those of dead nodes after
/// [`NAMES_MS`].
const RENEW_MS: u64 = NAMES_MS / 3;
/// The same if a request has failed.
const RETRY_MS: u64 = 15_000;
/// The time for which an engine keeps a name that is not entered again, in milliseconds.
pub(crate) const NAMES_MS: u64 = 24 * 3_600 * 1_000;
/// The time for which the names of a node are kept that the engine does not hear of.
pub(crate) const LEASE_MS: u64 = 15_000;

/// The requests of one node. `T` identifies a question to its owner.
#[derive(Debug)]
pub(crate) struct Presence<T> {
    state: State,
    keep: Keep,
    /// The number of the lease; 0 before the first one.
    lease: u64,
    /// The last number of a request.
    number: u64,
    /// The last number of a write that was answered.
    known: u64,
    /// The questions of `waiting`.
    questions: usize,
    /// Those that ask the same as a question of `waiting`, later. They are in line after it.
    later: HashMap<Request, Vec<T>>,
    /// The askers without an answer.
    askers: usize,
    /// The requests of handlers in `waiting` that ask nothing.
    silent: usize,
    /// The names of the roster in `waiting`.
    names: usize,
    /// The roster has noted names that were not asked for.
    has_names: bool,
    waiting: VecDeque<Item<T>>,
    /// Those without an answer, in order.
    sent: VecDeque<(u64, Item<T>)>,
    answers: Vec<(T, Answer)>,
    /// When all names are entered again, in milliseconds.
    renew: u64,
    /// The time of the last turn, in milliseconds.
    turned: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is no connection. The lease may still hold.
    Away,
    /// There is one, and the node must sign in.
    Ready,
    SigningIn,
    In,
    /// The engine has no such service.
    Unsupported,
}

/// The state of the engine, compared with that of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    Lease,
    /// Requests were dropped: only the roster tells which names this node has.
    Nothing,
}

#[derive(Debug)]
enum Item<T> {
    /// The answer is for all of these.
    Question(Vec<T>, Request),
    /// One that asks nothing.
    Silent(Request),
    /// A name of the roster.
    Name(Request),
    /// Gives back the keys that the claim of this number has taken.
    Undo(u64, Vec<Box<str>>),
}

impl<T> Presence<T> {
    pub(crate) fn new() -> Presence<T> {
        Presence {
            state: State::Away,
            keep: Keep::Lease,
            lease: 0,
            number: 0,
            known: 0,
            questions: 0,
            later: HashMap::new(),
            askers: 0,
            silent: 0,
            names: 0,
            has_names: false,
            waiting: VecDeque::new(),
            sent: VecDeque::new(),
            answers: Vec::new(),
            renew: u64::MAX,
            turned: 0,
        }
    }

    /// Takes a request of a handler. A question is answered once; `asker` is of no use for another
    /// request.
    pub(crate) fn ask(&mut self, asker: T, request: Request, roster: &dyn Roster) {
        match request {
            Request::Claim { .. } | Request::Members { .. } => self.ask_question(asker, request),
            Request::Release { mut keys } => {
                keys.retain(|key| !roster.has_key(key));
                if !keys.is_empty() {
                    self.tell(Request::Release { keys });
                }
            }
            Request::Leave { room, name } if roster.has_member(&room, &name) => {}
            Request::Leave { .. } | Request::Enter { .. } => self.tell(request),
        }
    }

    fn ask_question(&mut self, asker: T, request: Request) {
        match self.state {
            State::Unsupported => self.answers.push((asker, Answer::Unsupported)),
            State::Away => self.answers.push((asker, Answer::Away)),
            State::Ready | State::SigningIn | State::In => match self.later.get_mut(&request) {
                Some(askers) if self.askers < SHARING_MAX => {
                    self.askers += 1;
                    askers.push(asker);
                }
                Some(_) => self.answers.push((asker, Answer::Away)),
                None if self.questions >= WAITING_MAX => self.answers.push((asker, Answer::Away)),
                None => {
                    self.askers += 1;
                    self.line_up(vec![asker], request);
                }
            },
        }
    }

    /// Puts a question at the end of the line.
    fn line_up(&mut self, askers: Vec<T>, request: Request) {
        self.questions += 1;
        if let Request::Members { .. } = request {
            self.later.insert(request.clone(), Vec::new());
        }
        self.waiting.push_back(Item::Question(askers, request));
    }

    /// Takes those that ask the same as a question that leaves the line.
    fn take_later(&mut self, request: &Request) -> Vec<T> {
        self.later.remove(request).unwrap_or_default()
    }

    /// Takes a request that asks nothing.
    fn tell(&mut self, request: Request) {
        match self.state {
            State::Unsupported => {}
            _ if self.silent >= WAITING_MAX => self.give_up(),
            _ => {
                self.silent += 1;
                self.waiting.push_back(Item::Silent(request));
            }
        }
    }

    /// Drops all that waits, except questions: the next lease begins with the names of the roster.
    fn give_up(&mut self) {
        self.retain_questions();
        self.keep = Keep::Nothing;
        if self.state == State::In {
            self.state = State::Ready;
        }
    }

    fn retain_questions(&mut self) {
        self.waiting.retain(|item| matches!(item, Item::Question(..)));
        (self.silent, self.names) = (0, 0);
    }

    /// Takes the news that concern names, and ignores others.
    pub(crate) fn on_news(&mut self, news: &News<'_>, roster: &mut dyn Roster) {
        match news {
            News::Ready => self.state = State::Ready,
            News::SignedIn(lease) => self.signed_in(*lease, roster),
            News::Presence(number, answer) => self.on_answer(*number, answer, roster),
            _ => {}
        }
    }

    fn signed_in(&mut self, lease: Lease, roster: &mut dyn Roster) {
        if self.state != State::SigningIn {
            return;
        }
        // Requests may have been dropped meanwhile: then it signs in once more.
        self.state = if self.keep == Keep::Lease { State::In } else { State::Ready };
        match lease {
            Lease::Kept => {}
            Lease::New => {
                self.lease = self.number;
                // The names of the roster have the effects of these.
                self.retain_questions();
                self.note_names(roster);
            }
            Lease::Unsupported => {
                self.state = State::Unsupported;
                self.answer_waiting(&Answer::Unsupported);
            }
        }
    }

    fn note_names(&mut self, roster: &mut dyn Roster) {
        roster.note_names();
        self.has_names = true;
    }

    /// The next names of the roster go to the engine, before the requests that wait: until then
    /// another node may take them. A name that was given back meanwhile is not among them, and the
    /// request of a later change is taken later.
    fn enter_names(&mut self, roster: &mut dyn Roster) {
        if !self.has_names || self.names > 0 {
            return;
        }
        let names = roster.next_names();
        self.names = names.len();
        self.has_names = !names.is_empty();
        for request in names.into_iter().rev() {
            self.waiting.push_front(Item::Name(request));
        }
    }

    fn on_answer(&mut self, number: u64, answer: &Answer, roster: &mut dyn Roster) {
        if self.sent.front().is_none_or(|(first, _)| *first != number) {
            return;
        }
        let Some((_, item)) = self.sent.pop_front() else { return };
        if *answer == Answer::Away {
            self.renew = self.renew.min(self.turned + RETRY_MS);
        } else if !matches!(item, Item::Question(_, Request::Members { .. })) {
            self.known = number;
        }
        match (item, answer) {
            (Item::Question(askers, _), answer) => self.answer_all(askers, answer),
            (Item::Name(claim), Answer::Taken(_)) => roster.lost(&claim),
            (Item::Name(_) | Item::Silent(_) | Item::Undo(..), _) => {}
        }
    }

    /// The connection to the engine has ended.
    pub(crate) fn cut(&mut self) {
        let mut again = VecDeque::new();
        for (number, item) in std::mem::take(&mut self.sent) {
            match item {
                Item::Question(askers, request) => {
                    self.answer_all(askers, &Answer::Away);
                    if let Request::Claim { keys, .. } = request {
                        again.push_back(Item::Undo(number, keys));
                    }
                }
                item => again.push_back(item),
            }
        }
        self.answer_waiting(&Answer::Away);
        again.append(&mut self.waiting);
        self.waiting = again;
        let count = |of: fn(&Item<T>) -> bool| self.waiting.iter().filter(|item| of(item)).count();
        let silent = count(|item| matches!(item, Item::Silent(_)));
        let names = count(|item| matches!(item, Item::Name(_)));
        (self.silent, self.names) = (silent, names);
        self.state = State::Away;
    }

    /// Answers the questions that wait.
    fn answer_waiting(&mut self, answer: &Answer) {
        self.questions = 0;
        for item in std::mem::take(&mut self.waiting) {
            match item {
                Item::Question(askers, request) => {
                    self.answer_all(askers, answer);
                    let later = self.take_later(&request);
                    self.answer_all(later, answer);
                }
                item => self.waiting.push_back(item),
            }
        }
    }

    fn answer_all(&mut self, askers: Vec<T>, answer: &Answer) {
        self.askers -= askers.len();
        self.answers.extend(askers.into_iter().map(|asker| (asker, answer.clone())));
    }

    /// Asks for all that is due, at the end of a turn. `now` is in milliseconds.
    pub(crate) fn flush(
        &mut self,
        now: u64,
        engine: &mut dyn Engine,
        out: &mut Vec<u8>,
        roster: &mut dyn Roster,
    ) {
        self.turned = now;
        match self.state {
            State::Ready => self.sign_in(now, engine, out),
            State::In => {
                if now >= self.renew {
                    self.renew = now + RENEW_MS;
                    self.note_names(roster);
                }
                if self.sent.len() < SENT_MAX {
                    self.enter_names(roster);
                }
                self.send(engine, out);
            }
            State::Away | State::SigningIn | State::Unsupported => {}
        }
    }

    fn sign_in(&mut self, now: u64, engine: &mut dyn Engine, out: &mut Vec<u8>) {
        self.number += 1;
        let (before, lease) = (self.lease, self.number);
        let known = match std::mem::replace(&mut self.keep, Keep::Lease) {
            Keep::Lease => self.known,
            // More than the engine has: the lease of before does not hold.
            Keep::Nothing => self.number,
        };
        engine.ask(Ask::SignIn { before, lease, known }, out);
        engine.flush(out);
        self.state = State::SigningIn;
        self.renew = now + RENEW_MS;
    }

    fn send(&mut self, engine: &mut dyn Engine, out: &mut Vec<u8>) {
        while self.sent.len() < SENT_MAX
            && let Some(item) = self.waiting.pop_front()
        {
            self.number += 1;
            let number = self.number;
            match &item {
                Item::Question(_, request) => {
                    self.questions = self.questions.saturating_sub(1);
                    engine.ask(Ask::Presence(number, request), out);
                    let later = self.take_later(request);
                    if !later.is_empty() {
                        self.line_up(later, request.clone());
                    }
                }
                Item::Silent(request) => {
                    self.silent = self.silent.saturating_sub(1);
                    engine.ask(Ask::Presence(number, request), out);
                }
                Item::Name(request) => {
                    self.names = self.names.saturating_sub(1);
                    engine.ask(Ask::Presence(number, request), out);
                }
                Item::Undo(claim, keys) => {
                    engine.ask(Ask::Undo { number, claim: *claim, keys }, out);
                }
            }
            self.sent.push_back((number, item));
        }
        engine.flush(out);
    }

    /// Gives up the lease: all names of this node are free at once. The server stops.
    pub(crate) fn sign_out(&mut self, engine: &mut dyn Engine, out: &mut Vec<u8>) {
        if matches!(self.state, State::In | State::SigningIn) {
            engine.ask(Ask::SignOut, out);
            engine.flush(out);
        }
    }

    /// Returns the answers since the last call.
    pub(crate) fn take_answers(&mut self) -> Vec<(T, Answer)> {
        std::mem::take(&mut self.answers)
    }

    /// Returns true if [`flush`](Presence::flush) has something to ask.
    pub(crate) fn is_due(&self) -> bool {
        match self.state {
            State::Ready => true,
            State::In => {
                let has_more = self.has_names || !self.waiting.is_empty();
                has_more && self.sent.len() < SENT_MAX
            }
            State::Away | State::SigningIn | State::Unsupported => false,
        }
    }

    /// Returns the number of the lease that the names of this node belong to.
    #[cfg(any(test, feature = "testkit"))]
    pub(crate) fn lease(&self) -> u64 {
        self.lease
    }

    /// Returns true if the engine has answered everything.
    #[cfg(any(test, feature = "testkit"))]
    pub(crate) fn is_settled(&self) -> bool {
        let is_in = matches!(self.state, State::In | State::Unsupported);
        is_in && !self.has_names && self.waiting.is_empty() && self.sent.is_empty()
    }
}

#[cfg(test)]
mod tests;
