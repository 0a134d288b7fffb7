//! Mailboxes and their doorbell: no message is lost, no order changes, no wake-up is missed.
//!
//! These changes of `src/mailbox.rs` were tried, and each made a test fail:
//!
//! | change | failed test |
//! |---|---|
//! | rings before the message is queued | `every_message_is_taken…` and six others |
//! | the loop takes first and answers then | `every_message_is_taken…` |
//! | `ring` loads and stores instead of swapping | `a_reactor_that_waits_for_room…` |
//! | `ring` wakes before it sets the flag | `every_message_is_taken…` and six others |
//! | `ring`, or `answer`, is relaxed | `a_change_is_seen_by_the_turn…` |
//! | `answer` stores instead of swapping | `every_message_is_taken…` and two others |
//! | `answer` does not clear the ring | `a_look_without_a_wake_up…` |
//! | the newest message comes first | `every_message_is_taken…` and four others |
//! | `close` takes first and closes then | `a_closed_mailbox…` |
//! | `close_if_empty` locks twice | `a_mailbox_that_closes_when_it_is_empty…` |
//! | `take`, or `take_all`, leaves the weight | `a_bounded_mailbox…` |
//! | `take` skips one that must wait, or denies that more is left | `a_message_that_must_wait…` |

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::mailbox::{Doorbell, Mailbox, Refused};
use crate::model;
use crate::poller::Poller;

/// A message: its sender, and its number among those of the sender.
type Message = (usize, usize);

/// Takes from the mailbox until `count` messages have arrived.
fn take(
    poller: &Poller,
    bell: &Doorbell,
    mailbox: &Mailbox<Message>,
    count: usize,
) -> Vec<Message> {
    let mut taken = Vec::new();
    while taken.len() < count {
        poller.wait();
        if bell.answer() {
            taken.extend(mailbox.take_all());
        }
    }
    taken
}

fn sender(mailbox: &Mailbox<Message>, number: usize, count: usize) -> thread::JoinHandle<()> {
    let mailbox = mailbox.clone();
    thread::spawn(move || (0..count).for_each(|nth| assert!(mailbox.send((number, nth)).is_ok())))
}

#[test]
fn every_message_is_taken_in_the_order_of_its_sender() {
    model(|| {
        let poller = Poller::new();
        let bell = poller.bell();
        let mailbox = Mailbox::new(&bell);
        let threads = [sender(&mailbox, 0, 2), sender(&mailbox, 1, 1)];
        let taken = take(&poller, &bell, &mailbox, 3);
        let of_first: Vec<usize> = taken.iter().filter(|m| m.0 == 0).map(|m| m.1).collect();
        assert_eq!(of_first, [0, 1]);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_look_without_a_wake_up_loses_nothing() {
    model(|| {
        let poller = Poller::new();
        let bell = poller.bell();
        let mailbox = Mailbox::new(&bell);
        let thread = sender(&mailbox, 0, 2);
        let mut taken = Vec::new();
        // A turn for a connection, not for the doorbell.
        if bell.answer() {
            taken.extend(mailbox.take_all());
        }
        let left = 2 - taken.len();
        taken.extend(take(&poller, &bell, &mailbox, left));
        assert_eq!(taken, [(0, 0), (0, 1)]);
        thread.join().unwrap();
    });
}

#[test]
fn mailboxes_share_a_bell() {
    model(|| {
        let poller = Poller::new();
        let bell = poller.bell();
        let (one, other) = (Mailbox::new(&bell), Mailbox::new(&bell));
        let threads = [sender(&one, 0, 1), sender(&other, 1, 1)];
        let mut taken = 0;
        while taken < 2 {
            poller.wait();
            if bell.answer() {
                taken += one.take_all().len() + other.take_all().len();
            }
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn messages_left_for_another_turn_are_taken_without_a_ring() {
    model(|| {
        let poller = Poller::new();
        let bell = poller.bell();
        let mailbox = Mailbox::new(&bell);
        let thread = sender(&mailbox, 0, 3);
        let (mut taken, mut has_more) = (Vec::new(), false);
        while taken.len() < 3 {
            if !has_more {
                poller.wait();
            }
            if bell.answer() || has_more {
                let some = mailbox.take(1, |_| false);
                taken.extend(some.messages);
                has_more = some.has_more;
            }
        }
        assert_eq!(taken, [(0, 0), (0, 1), (0, 2)]);
        thread.join().unwrap();
    });
}

#[test]
fn a_message_that_must_wait_keeps_later_ones_waiting() {
    model(|| {
        let poller = Poller::new();
        let bell = poller.bell();
        let mailbox = Mailbox::new(&bell);
        let thread = sender(&mailbox, 0, 2);
        poller.wait();
        assert!(bell.answer());
        let some = mailbox.take(2, |_| true);
        assert!(some.messages.is_empty() && some.has_more);
        assert!(mailbox.must_wait(|message| *message == (0, 0)));
        thread.join().unwrap();
        let none = mailbox.take(2, |message| *message == (0, 0));
        assert!(none.messages.is_empty() && none.has_more);
        let some = mailbox.take(2, |_| false);
        assert_eq!((some.messages, some.has_more), (vec![(0, 0), (0, 1)], false));
    });
}

#[test]
fn a_change_is_seen_by_the_turn_that_its_ring_begins() {
    // As for a stop: the turn also sees all that the thread sent before.
    model(|| {
        let poller = Poller::new();
        let bell = poller.bell();
        let mailbox = Mailbox::new(&bell);
        let wish = Arc::new(AtomicUsize::new(0));
        let thread = {
            let (bell, mailbox, wish) = (bell.clone(), mailbox.clone(), Arc::clone(&wish));
            thread::spawn(move || {
                assert!(mailbox.send((0, 0)).is_ok());
                wish.store(1, Ordering::Release);
                bell.ring();
            })
        };
        let mut taken = 0;
        loop {
            poller.wait();
            if bell.answer() {
                let wish = wish.load(Ordering::Acquire);
                taken += mailbox.take_all().len();
                if wish == 1 {
                    break;
                }
            }
        }
        assert_eq!(taken, 1);
        thread.join().unwrap();
    });
}

#[test]
fn a_closed_mailbox_refuses_all_it_does_not_return() {
    model(|| {
        let poller = Poller::new();
        let mailbox = Mailbox::new(&poller.bell());
        let thread = {
            let mailbox = mailbox.clone();
            thread::spawn(move || {
                let sent = [(0, 0), (0, 1)].map(|message| mailbox.send(message));
                // Once closed, always closed.
                assert!(sent[0].is_ok() || sent[1].is_err());
                sent.iter().filter(|sent| sent.is_ok()).count()
            })
        };
        let returned = mailbox.close();
        let accepted = thread.join().unwrap();
        assert_eq!(returned.len(), accepted);
        assert!(returned.iter().enumerate().all(|(nth, message)| *message == (0, nth)));
        assert!(matches!(mailbox.send((1, 0)), Err(Refused::Closed((1, 0)))));
        assert!(mailbox.take_all().is_empty());
    });
}

#[test]
fn a_mailbox_that_closes_when_it_is_empty_leaves_nothing_in_it() {
    model(|| {
        let poller = Poller::new();
        let bell = poller.bell();
        let mailbox = Mailbox::new(&bell);
        let thread = {
            let mailbox = mailbox.clone();
            thread::spawn(move || mailbox.send((0, 0)).is_ok())
        };
        let mut taken = 0;
        while !mailbox.close_if_empty() {
            poller.wait();
            if bell.answer() {
                taken += mailbox.take_all().len();
            }
        }
        assert_eq!(taken, usize::from(thread.join().unwrap()));
        assert!(mailbox.take_all().is_empty());
    });
}

#[test]
fn a_bounded_mailbox_is_full_by_weight() {
    model(|| {
        let poller = Poller::new();
        let bell = poller.bell();
        // Room for two of these, or for one that is too heavy while the mailbox is empty.
        let mailbox = Mailbox::bounded(&bell, 2, |message: &Message| 1 + message.1);
        let senders = [0, 1].map(|number| {
            let mailbox = mailbox.clone();
            thread::spawn(move || mailbox.send((number, 0)).is_ok())
        });
        let first = mailbox.send((2, 0)).is_ok();
        let taken = mailbox.take(1, |_| false).messages.len();
        let sent = senders.map(|thread| thread.join().unwrap());
        let sent = usize::from(first) + sent.iter().filter(|sent| **sent).count();
        assert!(sent >= 2 && taken == 1);
        assert_eq!(mailbox.take_all().len() + taken, sent);
        // Taken messages weigh nothing, so it is as light as at first.
        assert!([(2, 0), (2, 0)].into_iter().all(|message| mailbox.send(message).is_ok()));
        assert_eq!(mailbox.take(2, |_| false).messages.len(), 2);
        assert!([(2, 0), (2, 0)].into_iter().all(|message| mailbox.send(message).is_ok()));
        assert_eq!(mailbox.take_all().len(), 2);
        assert!(mailbox.send((2, 9)).is_ok());
        assert!(matches!(mailbox.send((2, 0)), Err(Refused::Full((2, 0)))));
    });
}
