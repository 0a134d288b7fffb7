//! Tests connection attempts with a system whose answers, errors and time are set by the test.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Connector, Outcome};
#[cfg(feature = "backplane")]
use crate::backplane::line;
use crate::close::Close;
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::handler::effect::{Dial, Purpose};
use crate::id::Id;
use crate::mailbox::Doorbell;
use crate::net::address::Address;
use crate::net::destination::Destination;
use crate::net::to_destination::sealed::{ConnectedSocket, ToTarget};
use crate::now::Now;
use crate::reactor::lookup::Lookup;
use crate::reactor::outbound::Outbound;
use crate::reactor::source::Source;

const EAGAIN: i32 = if cfg!(target_os = "linux") { 11 } else { 35 };
const EMFILE: i32 = 24;
const ECONNREFUSED: i32 = if cfg!(target_os = "linux") { 111 } else { 61 };

/// The timeout of an attempt.
const TIMEOUT_MS: u64 = 1_000;

#[derive(Default)]
struct System {
    /// The errors of the next calls of `connect`.
    errors: RefCell<VecDeque<i32>>,
    /// The addresses of the calls of `connect`, each with its source.
    tried: RefCell<Vec<(Address, Source)>>,
    lookups: RefCell<Vec<Lookup>>,
    has_no_thread: Cell<bool>,
    sockets: Arc<()>,
}

/// A socket: the address that it is for, and a count of all.
#[derive(Debug)]
struct Made(Address, #[allow(dead_code, reason = "counted")] Arc<()>);

impl Outbound for System {
    type Socket = Made;

    fn connect(&self, to: &Address, source: Source) -> io::Result<Made> {
        self.tried.borrow_mut().push((to.clone(), source));
        match self.errors.borrow_mut().pop_front() {
            Some(code) => Err(io::Error::from_raw_os_error(code)),
            None => Ok(Made(to.clone(), Arc::clone(&self.sockets))),
        }
    }

    fn adopt(&self, _: ConnectedSocket, _: Source) -> io::Result<Made> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The addresses of one network never answer, and those of another one refuse.
    fn is_connected(socket: &Made) -> io::Result<bool> {
        match socket.0.to_string() {
            to if to.starts_with("198.51.100.") => Ok(false),
            to if to.starts_with("203.0.113.") => Err(io::Error::from_raw_os_error(ECONNREFUSED)),
            _ => Ok(true),
        }
    }

    fn start_lookup(&self, lookup: Lookup) -> io::Result<()> {
        if self.has_no_thread.get() {
            return Err(io::Error::from_raw_os_error(EAGAIN));
        }
        self.lookups.borrow_mut().push(lookup);
        Ok(())
    }
}

impl System {
    /// Answers the `nth` unanswered lookup.
    fn answer(&self, nth: usize, addresses: &[&str]) {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        self.lookups.borrow_mut().remove(nth).answer(Ok(addresses));
    }

    /// Makes the next `times` calls of `connect` fail.
    fn fail(&self, times: usize, code: i32) {
        self.errors.borrow_mut().extend((0..times).map(|_| code));
    }

    fn tries(&self) -> usize {
        self.tried.borrow().len()
    }
}

struct Silent;

impl Handler for Silent {
    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }
}

fn at(millis: u64) -> Now {
    Now::new(Duration::from_millis(millis), 0)
}

fn connector() -> Connector<Made> {
    connector_with(Some(TIMEOUT_MS))
}

fn connector_with(timeout_ms: Option<u64>) -> Connector<Made> {
    Connector::new(&Doorbell::new(|| {}), timeout_ms.map(Duration::from_millis))
}

fn dial(to: &str) -> Dial {
    let to: Destination = match to.strip_prefix('/') {
        Some(_) => Address::Unix(to.into()).into(),
        None => to.parse().unwrap(),
    };
    Dial { from: Id::NOBODY, to: to.target(), handler: Box::new(Silent), purpose: Purpose::Service }
}

/// Runs turns whenever one is due, until an attempt has an outcome, at most until `end_ms`. Returns
/// the time, and the address that it is connected to or the error.
fn run(connector: &mut Connector<Made>, system: &System, end_ms: u64) -> (u64, io::Result<Made>) {
    let mut now_ms = 0;
    loop {
        connector.step(true, system, at(now_ms));
        if let Some(outcome) = connector.outcomes.pop() {
            return (now_ms, outcome.socket);
        }
        let due_ms = connector.next_ms().expect("a turn is due");
        assert!(due_ms > now_ms, "the loop would spin: due at {due_ms} ms, now {now_ms} ms");
        assert!(due_ms <= end_ms, "no outcome in {end_ms} ms");
        now_ms = due_ms;
    }
}

fn tcp(address: &str) -> Address {
    Address::Tcp(address.parse::<SocketAddr>().unwrap())
}

#[test]
fn an_answer_that_comes_late_is_not_taken_for_that_of_the_next() {
    let (mut connector, system) = (connector(), System::default());
    connector.dial(dial("slow.example:1"), None, &system, at(0));
    connector.step(true, &system, at(TIMEOUT_MS));
    let given_up = connector.outcomes.pop().unwrap();
    assert_eq!(given_up.socket.unwrap_err().kind(), io::ErrorKind::TimedOut);

    // The next attempt reuses the slot.
    connector.dial(dial("next.example:2"), None, &system, at(TIMEOUT_MS));
    system.answer(0, &["192.0.2.1:1"]);
    connector.step(true, &system, at(TIMEOUT_MS + 1));
    assert_eq!(system.tries(), 0, "connected to the address of the other name");
    system.answer(0, &["192.0.2.2:2"]);
    connector.step(true, &system, at(TIMEOUT_MS + 2));
    assert_eq!(*system.tried.borrow(), [(tcp("192.0.2.2:2"), Source::Dial(0))]);
    connector.advance(0, |attempt| attempt.note(&system, at(TIMEOUT_MS + 3)));
    assert_eq!(connector.outcomes.pop().unwrap().socket.unwrap().0, tcp("192.0.2.2:2"));
}

#[test]
fn an_event_of_a_socket_that_was_given_up_is_not_that_of_the_next() {
    let (mut connector, system) = (connector(), System::default());
    connector.dial(dial("192.0.2.1:1"), None, &system, at(0));
    connector.step(true, &system, at(TIMEOUT_MS));
    assert!(connector.outcomes.pop().unwrap().socket.is_err());
    connector.dial(dial("name.example:1"), None, &system, at(TIMEOUT_MS));
    connector.advance(0, |attempt| attempt.note(&system, at(TIMEOUT_MS)));
    assert!(connector.outcomes.is_empty(), "connected before the lookup has ended");
}

#[test]
fn a_full_queue_is_tried_again() {
    for code in [EAGAIN, EMFILE] {
        let (mut connector, system) = (connector(), System::default());
        system.fail(5, code);
        connector.dial(dial("/run/full"), None, &system, at(0));
        // 10, 20, 40, 80 and 160 ms.
        for (turn, due_ms) in [10, 30, 70, 150, 310].into_iter().enumerate() {
            assert_eq!(system.tries(), turn + 1);
            assert_eq!(connector.next_ms(), Some(due_ms));
            connector.step(true, &system, at(due_ms - 1));
            connector.step(true, &system, at(due_ms));
        }
        connector.advance(0, |attempt| attempt.note(&system, at(311)));
        let outcome = connector.outcomes.pop().unwrap();
        assert_eq!(outcome.socket.unwrap().0, Address::Unix("/run/full".into()));
    }
}

#[test]
fn the_error_of_a_resource_that_stays_lacking_is_reported() {
    let (mut connector, system) = (connector(), System::default());
    system.fail(100, EAGAIN);
    connector.dial(dial("/run/full"), None, &system, at(0));
    let (ended_ms, socket) = run(&mut connector, &system, 2 * TIMEOUT_MS);
    assert_eq!(ended_ms, TIMEOUT_MS);
    assert_eq!(socket.unwrap_err().raw_os_error(), Some(EAGAIN));
    assert!(system.tries() < 15, "{} tries in a second", system.tries());
    assert_eq!(connector.next_ms(), None);
}

#[test]
fn a_verdict_is_not_tried_again() {
    let (mut connector, system) = (connector(), System::default());
    system.fail(1, ECONNREFUSED);
    connector.dial(dial("/run/nothing"), None, &system, at(0));
    let outcome = connector.outcomes.pop().expect("the attempt ends at once");
    assert_eq!(outcome.socket.unwrap_err().raw_os_error(), Some(ECONNREFUSED));
    assert_eq!(system.tries(), 1);
}

#[test]
fn an_address_that_lacks_something_does_not_hold_up_the_next() {
    let (mut connector, system) = (connector(), System::default());
    connector.dial(dial("two.example:1"), None, &system, at(0));
    system.answer(0, &["192.0.2.1:1", "192.0.2.2:1"]);
    // The first address is tried at 0, 10, 30, 70 and 150 ms.
    system.fail(5, EAGAIN);
    for now_ms in [0, 10, 30, 70, 150, 249, 250] {
        connector.step(true, &system, at(now_ms));
    }
    let tried = system.tried.borrow();
    assert_eq!(tried.len(), 6);
    assert!(tried.iter().take(5).all(|(to, _)| *to == tcp("192.0.2.1:1")));
    assert_eq!(tried[5].0, tcp("192.0.2.2:1"));
}

#[cfg(feature = "backplane")]
#[test]
fn the_attempt_to_reach_an_engine_has_its_own_time() {
    for timeout_ms in [None, Some(10)] {
        let (mut connector, system) = (connector_with(timeout_ms), System::default());
        let dial = Dial { purpose: Purpose::Backplane, ..dial("198.51.100.1:1") };
        connector.dial(dial, None, &system, at(0));
        let (ended_ms, socket) = run(&mut connector, &system, 2 * line::SILENCE_MS);
        assert_eq!(ended_ms, line::SILENCE_MS);
        assert_eq!(socket.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}

/// A connector with one attempt, whose name has these addresses.
fn race(timeout_ms: Option<u64>, addresses: &[&str]) -> (Connector<Made>, System) {
    let (mut connector, system) = (connector_with(timeout_ms), System::default());
    connector.dial(dial("name.example:1"), None, &system, at(0));
    system.answer(0, addresses);
    connector.step(true, &system, at(0));
    (connector, system)
}

fn event(connector: &mut Connector<Made>, system: &System, now_ms: u64) -> Option<Address> {
    connector.advance(0, |attempt| attempt.note(system, at(now_ms)));
    connector.outcomes.pop().map(|outcome| outcome.socket.unwrap().0)
}

#[test]
fn the_next_address_starts_a_quarter_of_a_second_after_a_silent_one() {
    for timeout_ms in [None, Some(TIMEOUT_MS)] {
        let (mut connector, system) = race(timeout_ms, &["198.51.100.1:1", "192.0.2.2:1"]);
        assert_eq!((system.tries(), connector.next_ms()), (1, Some(250)), "{timeout_ms:?}");
        connector.step(true, &system, at(249));
        assert_eq!(system.tries(), 1);
        connector.step(true, &system, at(250));
        assert_eq!((system.tries(), connector.next_ms()), (2, timeout_ms));
        assert_eq!(event(&mut connector, &system, 260), Some(tcp("192.0.2.2:1")));
        assert_eq!(Arc::strong_count(&system.sockets), 1, "the loser is closed");
    }
}

#[test]
fn the_first_to_connect_wins_whatever_its_place() {
    let (mut connector, system) = race(None, &["192.0.2.1:1", "198.51.100.2:1"]);
    connector.step(true, &system, at(250));
    assert_eq!(system.tries(), 2);
    assert_eq!(event(&mut connector, &system, 300), Some(tcp("192.0.2.1:1")));
}

#[test]
fn an_address_that_refuses_is_followed_at_once() {
    let (mut connector, system) =
        race(None, &["203.0.113.1:1", "198.51.100.2:1", "203.0.113.3:1", "192.0.2.4:1"]);
    assert_eq!(event(&mut connector, &system, 1), None);
    assert_eq!((system.tries(), connector.next_ms()), (2, Some(251)));
    connector.step(true, &system, at(251));
    assert_eq!(event(&mut connector, &system, 252), None);
    assert_eq!(system.tries(), 4);
    assert_eq!(event(&mut connector, &system, 253), Some(tcp("192.0.2.4:1")));
}

#[test]
fn the_families_take_turns() {
    let (mut connector, system) = race(
        None,
        &["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1", "192.0.2.1:1", "192.0.2.2:1"],
    );
    for now_ms in (0..60_000).step_by(250) {
        connector.step(true, &system, at(now_ms));
    }
    let tried: Vec<_> = system.tried.borrow().iter().map(|(to, _)| to.to_string()).collect();
    assert_eq!(
        tried,
        ["[2001:db8::1]:1", "192.0.2.1:1", "[2001:db8::2]:1", "192.0.2.2:1", "[2001:db8::3]:1"]
    );
}

#[test]
fn many_silent_addresses_take_few_sockets_and_all_have_their_turn() {
    let silent: Vec<String> = (1..100).map(|n| format!("198.51.100.{n}:1")).collect();
    let mut addresses: Vec<&str> = silent.iter().map(String::as_str).collect();
    addresses.push("192.0.2.1:1");
    let (mut connector, system) = race(Some(30_000), &addresses);
    let connected = loop {
        assert!(Arc::strong_count(&system.sockets) <= 1 + 4);
        let now_ms = connector.next_ms().expect("a turn is due");
        assert!(now_ms < 30_000, "none is connected after {} tries", system.tries());
        connector.step(true, &system, at(now_ms));
        if let Some(to) = event(&mut connector, &system, now_ms) {
            break to;
        }
    };
    assert_eq!(connected, tcp("192.0.2.1:1"));
}

#[test]
fn names_wait_for_a_thread() {
    let (mut connector, system) = (connector(), System::default());
    system.has_no_thread.set(true);
    connector.dial(dial("one.example:1"), None, &system, at(0));
    connector.dial(dial("two.example:1"), None, &system, at(0));
    assert_eq!(connector.next_ms(), Some(100));
    connector.step(true, &system, at(100));
    assert_eq!(connector.next_ms(), Some(200));
    system.has_no_thread.set(false);
    connector.step(true, &system, at(200));
    let names: Vec<_> =
        system.lookups.borrow().iter().map(|lookup| lookup.question().0.to_owned()).collect();
    assert_eq!(names, ["one.example", "two.example"]);
    assert_eq!(connector.next_ms(), Some(TIMEOUT_MS));
}

#[test]
fn a_name_that_found_no_thread_in_time_is_given_up() {
    let (mut connector, system) = (connector(), System::default());
    system.has_no_thread.set(true);
    connector.dial(dial("one.example:1"), None, &system, at(0));
    let (ended_ms, socket) = run(&mut connector, &system, 2 * TIMEOUT_MS);
    assert_eq!(ended_ms, TIMEOUT_MS);
    let error = socket.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(error.to_string().contains("no thread"), "{error}");
    assert_eq!(connector.next_ms(), None, "no retry is due");
}

#[test]
fn slow_names_hold_up_another_for_half_a_second() {
    let (mut connector, system) = (connector(), System::default());
    for name in ["a.example:1", "b.example:1", "c.example:1", "d.example:1", "here.example:1"] {
        connector.dial(dial(name), None, &system, at(0));
    }
    assert_eq!((system.lookups.borrow().len(), connector.next_ms()), (4, Some(500)));
    connector.step(true, &system, at(499));
    assert_eq!(system.lookups.borrow().len(), 4);
    connector.step(true, &system, at(500));
    assert_eq!(system.lookups.borrow().len(), 5);
    assert_eq!(connector.next_ms(), Some(TIMEOUT_MS));
    // A slow one is still taken when it comes.
    system.answer(0, &["192.0.2.1:1"]);
    connector.step(true, &system, at(600));
    assert_eq!(system.tries(), 1);
}

#[test]
fn a_name_that_was_given_up_gives_its_place_to_another() {
    let (mut connector, system) = (connector_with(Some(100)), System::default());
    for n in 0..6 {
        connector.dial(dial(&format!("dead{n}.example:1")), None, &system, at(0));
    }
    connector.step(true, &system, at(100));
    assert_eq!(connector.outcomes.len(), 6);
    let no_thread = |outcome: &Outcome<Made>| match &outcome.socket {
        Ok(_) => false,
        Err(error) => error.to_string().contains("no thread"),
    };
    assert!(!connector.outcomes.iter().any(no_thread), "no thread was lacking");
    connector.dial(dial("here.example:1"), None, &system, at(101));
    let last = system.lookups.borrow().last().map(|it| it.question().0.to_owned());
    assert_eq!(last.as_deref(), Some("here.example"));
}

#[test]
fn names_that_are_never_found_take_a_bounded_number_of_threads() {
    let (mut connector, system) = (connector_with(None), System::default());
    for n in 0..500 {
        connector.dial(dial(&format!("dead{n}.example:1")), None, &system, at(0));
    }
    for now_ms in (0..30_000).step_by(500) {
        connector.step(true, &system, at(now_ms));
    }
    assert_eq!((system.lookups.borrow().len(), connector.outcomes.len()), (64, 0));
    // Without a timeout of its own, each lookup has that of lookups.
    connector.step(true, &system, at(30_000));
    assert_eq!(connector.outcomes.len(), 500);
    let is_late = |outcome: &Outcome<Made>| match &outcome.socket {
        Ok(_) => false,
        Err(error) => error.kind() == io::ErrorKind::TimedOut,
    };
    assert!(connector.outcomes.iter().all(is_late));
    // Threads that are still blocked keep their place among all.
    connector.dial(dial("here.example:1"), None, &system, at(30_001));
    assert_eq!(system.lookups.borrow().len(), 64);
    system.answer(0, &[]);
    connector.step(true, &system, at(30_002));
    let last = system.lookups.borrow().last().map(|it| it.question().0.to_owned());
    assert_eq!(last.as_deref(), Some("here.example"));
}

/// Dials the name of these addresses again, at `now_ms`. Returns the address that starts first.
fn again(
    (connector, system): &mut (Connector<Made>, System),
    now_ms: u64,
    addresses: &[&str],
) -> Address {
    system.tried.borrow_mut().clear();
    connector.dial(dial("name.example:1"), None, system, at(now_ms));
    system.answer(0, addresses);
    connector.step(true, system, at(now_ms));
    system.tried.borrow()[0].0.clone()
}

const SILENT_FIRST: [&str; 3] = ["198.51.100.1:1", "192.0.2.2:1", "192.0.2.3:1"];

#[test]
fn the_address_that_answered_in_place_of_the_first_is_tried_first() {
    let mut both = race(None, &SILENT_FIRST);
    both.0.step(true, &both.1, at(250));
    assert_eq!(event(&mut both.0, &both.1, 260), Some(tcp("192.0.2.2:1")));
    // It stays so, until the order of the resolver has its turn again.
    for now_ms in [300, 5_000, 600_299] {
        assert_eq!(again(&mut both, now_ms, &SILENT_FIRST), tcp("192.0.2.2:1"));
        assert_eq!(event(&mut both.0, &both.1, now_ms), Some(tcp("192.0.2.2:1")));
    }
    assert_eq!(again(&mut both, 600_300, &SILENT_FIRST), tcp("198.51.100.1:1"));
}

#[test]
fn an_address_that_fails_is_no_longer_tried_first() {
    let mut both = race(None, &["198.51.100.1:1", "192.0.2.2:1"]);
    both.0.step(true, &both.1, at(250));
    event(&mut both.0, &both.1, 260);
    both.1.fail(2, ECONNREFUSED);
    again(&mut both, 300, &["198.51.100.1:1", "192.0.2.2:1"]);
    assert!(both.0.outcomes.pop().unwrap().socket.is_err());
    let first = again(&mut both, 400, &["198.51.100.1:1", "192.0.2.2:1"]);
    assert_eq!(first, tcp("198.51.100.1:1"));
    // So is one that the resolver no longer has.
    both.0.step(true, &both.1, at(650));
    event(&mut both.0, &both.1, 660);
    assert_eq!(again(&mut both, 700, &["192.0.2.8:1", "192.0.2.9:1"]), tcp("192.0.2.8:1"));
    assert_eq!(both.0.favourites.len(), 0);
}

#[test]
fn the_order_of_the_resolver_counts_while_the_first_address_answers() {
    let mut both = race(None, &["192.0.2.1:1", "192.0.2.2:1"]);
    assert_eq!(event(&mut both.0, &both.1, 1), Some(tcp("192.0.2.1:1")));
    assert_eq!(again(&mut both, 2, &["192.0.2.2:1", "192.0.2.1:1"]), tcp("192.0.2.2:1"));
}

#[test]
fn the_memory_of_names_is_bounded() {
    let (mut connector, system) = (connector_with(None), System::default());
    for n in 0..1_000 {
        system.fail(1, ECONNREFUSED);
        connector.dial(dial(&format!("name{n}.example:1")), None, &system, at(n));
        system.answer(0, &["192.0.2.1:1", "192.0.2.2:1"]);
        connector.step(true, &system, at(n));
        assert_eq!(event(&mut connector, &system, n), Some(tcp("192.0.2.2:1")));
    }
    assert_eq!(connector.favourites.len(), 256);
}
