//! The queue that workers wait for: work is done once, and no worker sleeps while there is work.
//!
//! These changes of `src/exec/queue.rs` were tried, and each made a test fail:
//!
//! | change | failed test |
//! |---|---|
//! | `close` wakes no thread, or one | `work_is_done_once…` |
//! | `extend` wakes one thread however much work comes | `every_piece_of_work…` |
//! | a thread counts as idle only when it wakes | `work_that_comes_one_by_one…` |
//! | `extend` reads `idle` before it queues, under another lock | `work_that_comes_one_by_one…` |
//! | `next` does not look again after it wakes | `work_that_comes_one_by_one…` |

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::model;
use crate::queue::{Rank, WorkQueue};

fn worker(queue: &Arc<WorkQueue<usize>>, done: &Arc<AtomicUsize>) -> thread::JoinHandle<()> {
    let (queue, done) = (Arc::clone(queue), Arc::clone(done));
    thread::spawn(move || {
        let mut last = 0;
        while let Some(work) = queue.next(&mut Rank::Last) {
            assert!(work > last, "{work} after {last}");
            last = work;
            done.fetch_add(1 << (4 * work), Ordering::AcqRel);
        }
    })
}

/// The state after 0, 1, 2 and 3 pieces of work, each done once.
const DONE: [usize; 4] = [0, 0x10, 0x110, 0x1110];

#[test]
fn work_is_done_once_and_workers_end() {
    model(|| {
        let (queue, done) = (Arc::new(WorkQueue::new()), Arc::new(AtomicUsize::new(0)));
        let workers = [worker(&queue, &done), worker(&queue, &done)];
        queue.extend([1]);
        queue.extend([2]);
        let left = queue.close();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        let left: usize = left.into_iter().map(|work| 1 << (4 * work)).sum();
        assert_eq!(done.load(Ordering::Acquire) + left, DONE[2]);
    });
}

#[test]
fn every_piece_of_work_finds_a_worker() {
    model(|| {
        let (queue, done) = (Arc::new(WorkQueue::new()), Arc::new(AtomicUsize::new(0)));
        // Two pieces of work that wait for each other: both workers must be awake.
        let meeting = Arc::new((loom::sync::Mutex::new(0), loom::sync::Condvar::new()));
        let workers = [(), ()].map(|()| {
            let (queue, done, meeting) =
                (Arc::clone(&queue), Arc::clone(&done), Arc::clone(&meeting));
            thread::spawn(move || {
                let Some(work) = queue.next(&mut Rank::Last) else { return };
                let (count, changed) = &*meeting;
                let mut count = count.lock().unwrap();
                *count += 1;
                changed.notify_one();
                while *count < 2 {
                    count = changed.wait(count).unwrap();
                }
                done.fetch_add(1_usize << (4 * work), Ordering::AcqRel);
            })
        });
        queue.extend([1, 2]);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        assert_eq!(done.load(Ordering::Acquire), DONE[2]);
    });
}

#[test]
fn work_that_comes_one_by_one_finds_a_worker_each() {
    model(|| {
        let queue = Arc::new(WorkQueue::new());
        let workers = [(), ()].map(|()| {
            let queue = Arc::clone(&queue);
            // Each thread takes a single piece.
            thread::spawn(move || queue.next(&mut Rank::Last))
        });
        queue.extend([1]);
        queue.extend([2]);
        let mut done = workers.map(|worker| worker.join().unwrap());
        done.sort_unstable();
        assert_eq!(done, [Some(1), Some(2)]);
    });
}

#[test]
fn work_that_is_taken_back_is_not_done() {
    model(|| {
        let (queue, done) = (Arc::new(WorkQueue::new()), Arc::new(AtomicUsize::new(0)));
        let worker = worker(&queue, &done);
        queue.extend([1, 2]);
        let back: usize = queue.take_back().into_iter().map(|work| 1 << (4 * work)).sum();
        queue.extend([3]);
        let left: usize = queue.close().into_iter().map(|work| 1 << (4 * work)).sum();
        worker.join().unwrap();
        assert_eq!(done.load(Ordering::Acquire) + back + left, DONE[3]);
    });
}
