//! A topic whose members cannot all be served in one turn: members join, leave, end and publish in
//! the middle of a pass, and every member gets the right messages.

use std::collections::BTreeMap;

use socketserver::testkit::{Client, Network, Random, seeds};
use socketserver::{Close, Context, Handler, Topic};

use crate::support::handlers::patient;
use crate::support::waiting::Rounds;

/// The size of each message: a turn serves only some members.
const SIZE: usize = 600_000;
/// The number of members that a turn serves, and one more.
const SERVED: usize = 4;

/// Does as its peer tells: two bytes for each action, the kind and the object.
struct Member;

fn topic(number: u8) -> Topic {
    Topic::new(if number.is_multiple_of(2) { "even" } else { "odd" })
}

impl Handler for Member {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        for word in input.chunks_exact(2) {
            match word[0] {
                b'j' => cx.join(&topic(word[1])),
                b'l' => cx.leave(&topic(word[1])),
                b'p' => cx.publish(&topic(word[1]), vec![word[1]; SIZE]),
                _ => cx.close(Close::Done),
            }
        }
        Ok(input.len() / 2 * 2)
    }
}

/// Members of "even", and a client that is not a member.
fn crowd(network: &mut Network, count: usize) -> (Vec<Client>, Client) {
    let crowd: Vec<Client> = (0..count).map(|_| network.connect(Member)).collect();
    crowd.iter().for_each(|client| network.send(*client, b"j\0"));
    let speaker = network.connect(Member);
    network.settle();
    (crowd, speaker)
}

/// The numbers of the messages that a client has received since the last call; each must be
/// complete.
fn heard(network: &mut Network, client: Client) -> Vec<u8> {
    let bytes = network.received(client);
    assert_eq!(bytes.len() % SIZE, 0, "only whole messages");
    let of_one = |message: &[u8]| {
        assert!(message.iter().all(|byte| *byte == message[0]), "messages are mixed up");
        message[0]
    };
    bytes.chunks(SIZE).map(of_one).collect()
}

/// Publishes a message, and serves the first members.
fn begin(network: &mut Network, speaker: Client, number: u8) {
    network.send(speaker, &[b'p', number]);
    network.turn();
}

#[test]
fn a_turn_serves_some_members_and_no_more() {
    let mut network = Network::new(patient());
    let (crowd, speaker) = crowd(&mut network, 9);
    begin(&mut network, speaker, 2);
    let first = crowd.iter().filter(|client| !heard(&mut network, **client).is_empty()).count();
    assert!((1..=SERVED).contains(&first), "{first}: the other tests here need a pass to go on");
}

#[test]
fn a_member_that_joins_during_a_pass_gets_messages_from_then_on() {
    let mut network = Network::new(patient());
    let (crowd, speaker) = crowd(&mut network, 9);
    begin(&mut network, speaker, 2);
    let late = network.connect(Member);
    network.send(late, b"j\0");
    network.turn();
    network.send(speaker, b"p\x04");
    network.settle();
    assert_eq!(heard(&mut network, late), [4]);
    for client in crowd {
        assert_eq!(heard(&mut network, client), [2, 4]);
    }
}

#[test]
fn a_member_that_joins_during_a_pass_gets_no_earlier_message_of_the_next_one() {
    let mut network = Network::new(patient());
    let (crowd, speaker) = crowd(&mut network, 16);
    begin(&mut network, speaker, 2);
    begin(&mut network, speaker, 4);
    let late = network.connect(Member);
    network.send(late, b"j\0");
    network.turn();
    let served = crowd.iter().filter(|client| network.calls(**client).1 > 0).count();
    assert!(served < crowd.len(), "this test needs a pass that goes on");
    network.settle();
    assert_eq!(heard(&mut network, late), [] as [u8; 0]);
    network.send(speaker, b"p\x06");
    network.settle();
    assert_eq!(heard(&mut network, late), [6]);
    for client in crowd {
        assert_eq!(heard(&mut network, client), [2, 4, 6]);
    }
}

#[test]
fn a_member_that_leaves_during_a_pass_has_got_everything_once() {
    for leaving in [0, 1, 3, 4, 8] {
        let mut network = Network::new(patient());
        let (crowd, speaker) = crowd(&mut network, 9);
        begin(&mut network, speaker, 2);
        network.send(crowd[leaving], b"l\0");
        network.turn();
        network.send(speaker, b"p\x04");
        network.settle();
        for (at, client) in crowd.into_iter().enumerate() {
            let want: &[u8] = if at == leaving { &[2] } else { &[2, 4] };
            assert_eq!(heard(&mut network, client), want, "{leaving} leaves, {at} hears");
        }
    }
}

#[test]
fn a_member_that_ends_during_a_pass_costs_the_others_nothing() {
    for ending in [0, 1, 3, 4, 8] {
        for by_reset in [true, false] {
            let mut network = Network::new(patient());
            let (crowd, speaker) = crowd(&mut network, 9);
            begin(&mut network, speaker, 2);
            match by_reset {
                true => network.reset(crowd[ending]),
                false => network.send(crowd[ending], b"q\0"),
            }
            network.turn();
            network.send(speaker, b"p\x04");
            network.settle();
            for (at, client) in crowd.iter().enumerate().filter(|(at, _)| *at != ending) {
                assert_eq!(heard(&mut network, *client), [2, 4], "{ending} ends, {at} hears");
            }
        }
    }
}

#[test]
fn a_topic_that_loses_all_members_in_the_middle_of_a_pass_begins_anew() {
    for by_leaving in [true, false] {
        let mut network = Network::new(patient());
        let (crowd, speaker) = crowd(&mut network, 8);
        // More than a topic may have pending: the speaker is throttled.
        network.send(speaker, b"p\x02p\x04p\x06");
        network.turn();
        network.send(speaker, b"p\x08");
        network.turn();
        assert_eq!(network.unread(speaker), 2, "this test needs a publisher that is held");
        for client in &crowd {
            network.send(*client, if by_leaving { b"l\0" } else { b"q\0" });
        }
        network.turn();
        crowd.iter().for_each(|client| drop(network.received(*client)));
        // There are no members; the speaker is released, and new members get its messages.
        network.settle();
        assert_eq!(network.unread(speaker), 0, "held for a topic that is no more");
        let late = network.connect(Member);
        network.send(late, b"j\0");
        network.settle();
        network.send(speaker, b"p\x0a");
        network.settle();
        assert_eq!(heard(&mut network, late), [10]);
        assert!(crowd.iter().all(|client| network.received(*client).is_empty()));
    }
}

#[test]
fn a_throttled_publisher_continues_in_order() {
    let mut network = Network::new(patient());
    let (crowd, speaker) = crowd(&mut network, 6);
    for number in 1..=20 {
        network.send(speaker, &[b'p', number * 2]);
        network.turn();
    }
    network.settle();
    assert_eq!(network.unread(speaker), 0);
    let all: Vec<u8> = (1..=20).map(|number| number * 2).collect();
    for client in crowd {
        assert_eq!(heard(&mut network, client), all);
    }
}

/// A client of the model.
struct Person {
    client: Client,
    joined: [bool; 2],
    /// The messages that it must get, by topic.
    want: [Vec<u8>; 2],
    got: [Vec<u8>; 2],
    gone: bool,
}

/// Random members do all of this, one after the other, in the middle of passes. Each gets the
/// messages that others publish while it is a member, once and in order; a member that ends may get
/// fewer, but no other one.
#[test]
fn random_members_during_passes_get_the_messages_of_the_model() {
    seeds(0..12, |seed| {
        let mut random = Random::new(seed);
        let mut network = Network::new(patient());
        let mut people: Vec<Person> = Vec::new();
        for number in 0..30_u8 {
            if people.len() < 3 || random.below(6) == 0 {
                let client = network.connect(Member);
                let (want, got) = (Default::default(), Default::default());
                people.push(Person { client, joined: [true, false], want, got, gone: false });
                act(&mut network, &mut people, seed, (b'j', 0));
                continue;
            }
            let at = random.below(people.len());
            if people[at].gone {
                continue;
            }
            // The last one acts.
            let last = people.len() - 1;
            people.swap(at, last);
            let which = if random.below(4) == 0 { 1 } else { 0 };
            match random.below(10) {
                0 | 1 => {
                    people.last_mut().unwrap().joined[usize::from(which)] = true;
                    act(&mut network, &mut people, seed, (b'j', which));
                }
                2 | 3 => {
                    people.last_mut().unwrap().joined[usize::from(which)] = false;
                    act(&mut network, &mut people, seed, (b'l', which));
                }
                4 => {
                    people.last_mut().unwrap().gone = true;
                    act(&mut network, &mut people, seed, (b'q', 0));
                }
                _ => {
                    let number = number * 2 + which;
                    let author = people.len() - 1;
                    act(&mut network, &mut people, seed, (b'p', number));
                    for other in &mut people[..author] {
                        if other.joined[usize::from(which)] && !other.gone {
                            other.want[usize::from(which)].push(number);
                        }
                    }
                }
            }
        }
        network.settle();
        for (at, person) in people.iter_mut().enumerate() {
            take(&mut network, person);
            assert!(
                person.gone || network.unread(person.client) == 0,
                "seed {seed}: held for ever"
            );
            for (want, got) in person.want.iter().zip(&person.got) {
                let is_right = if person.gone { want.starts_with(got) } else { want == got };
                assert!(is_right, "seed {seed}, client {at}: {got:?}, not {want:?}");
            }
        }
    });
}

fn take(network: &mut Network, person: &mut Person) {
    for number in heard(network, person.client) {
        person.got[usize::from(number % 2)].push(number);
    }
}

/// The last of `people` acts: turns run until it is done.
fn act(network: &mut Network, people: &mut [Person], seed: u64, (what, which): (u8, u8)) {
    let client = people.last().unwrap().client;
    network.send(client, &[what, which]);
    let mut rounds = Rounds::at_most(100, "a word is read");
    loop {
        network.turn();
        people.iter_mut().for_each(|person| take(network, person));
        if network.unread(client) == 0 {
            return;
        }
        let heard: BTreeMap<usize, usize> = people
            .iter()
            .enumerate()
            .map(|(at, p)| (at, p.got[0].len() + p.got[1].len()))
            .collect();
        rounds.count((seed, char::from(what), which, heard));
    }
}
