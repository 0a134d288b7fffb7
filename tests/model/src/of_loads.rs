//! The numbers of connections of a group of reactors: the first reactor, which waits for room, is
//! woken by every end.
//!
//! These changes of `src/reactor/load.rs` were tried, and each made a test fail:
//!
//! | change | failed test |
//! |---|---|
//! | `await_room` stores instead of swapping, or does nothing | `a_reactor_that_waits_for_room…` |
//! | `subtract` reads the flag first, or relaxed | the same |
//! | `subtract` wakes for one reactor only | the same |

use loom::sync::Arc;
use loom::thread;

use crate::load::Loads;
use crate::model;
use crate::poller::Poller;

#[test]
fn a_reactor_that_waits_for_room_learns_of_the_last_end() {
    model(|| {
        let poller = Poller::new();
        let bell = poller.bell();
        let loads = Arc::new(Loads::new(3));
        loads.add(1, 1);
        loads.add(2, 1);
        let reactors = [1, 2].map(|index| {
            let (loads, bell) = (Arc::clone(&loads), bell.clone());
            thread::spawn(move || {
                if loads.subtract(index, 1) {
                    bell.ring();
                }
            })
        });
        while loads.of_others(0) > 0 {
            loads.await_room();
            if loads.of_others(0) > 0 {
                poller.wait();
                bell.answer();
                assert!(loads.may_have_room());
            }
        }
        reactors.into_iter().for_each(|reactor| reactor.join().unwrap());
    });
}
