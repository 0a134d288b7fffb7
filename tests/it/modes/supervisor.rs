//! The supervisor of worker processes: which workers it restarts and when, and its orders when it
//! stops.

use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use crate::support::process::{halt, signal, supervise, uploading, workers};
use crate::support::queue::last_heard;
use crate::support::real::{Example, example_path, finish_upload, tcp, until_refused};
use crate::support::waiting::{lapse, until};

const WEB: &str = "reactor_web";

fn web(workers: usize, arguments: &[&str]) -> Example {
    supervise(&example_path(WEB), workers, None, arguments)
}

/// One request in progress for each worker, in the order of their ids.
fn busy_each(example: &Example) -> Vec<TcpStream> {
    let ids = workers(example);
    let of_one = |only: &u32| {
        let others: Vec<u32> = ids.iter().copied().filter(|id| id != only).collect();
        others.iter().for_each(|id| halt(*id));
        let client = uploading(example);
        others.iter().for_each(|id| signal(*id, "CONT"));
        client
    };
    ids.iter().map(of_one).collect()
}

/// Kills a worker, and waits for the announcement of the next one and for its start.
fn kill(example: &mut Example, id: u32, starts_in: &str) {
    signal(id, "KILL");
    let line = example.until_logged("another one starts");
    assert!(line.contains(&format!("{id} ended (signal: 9 (SIGKILL))")), "{line}, not {id}");
    assert!(line.contains(&format!(" in {starts_in}")), "{line}, not in {starts_in}");
    example.until_logged("started");
}

/// The worker that is not among `others`.
fn newest(example: &Example, others: &[u32]) -> u32 {
    let all = workers(example);
    let mut new = all.iter().filter(|id| !others.contains(id));
    *new.next().unwrap_or_else(|| panic!("{all:?} besides {others:?}"))
}

#[test]
fn a_worker_that_lived_long_is_replaced_at_once() {
    let mut example = web(1, &["--log", "info"]);
    let first = workers(&example)[0];
    kill(&mut example, first, "0 ms");
    let second = workers(&example)[0];
    kill(&mut example, second, "125 ms");
    // Longer than an early failure.
    lapse(Duration::from_millis(5_300));
    let third = workers(&example)[0];
    kill(&mut example, third, "0 ms");
    let fourth = workers(&example)[0];
    kill(&mut example, fourth, "125 ms");
}

#[test]
fn the_delay_of_one_worker_does_not_depend_on_the_others() {
    let mut example = web(2, &[]);
    let [mut dying, other] = workers(&example)[..] else { panic!("two workers") };
    for starts_in in ["0 ms", "125 ms", "250 ms"] {
        kill(&mut example, dying, starts_in);
        dying = newest(&example, &[other]);
    }
    kill(&mut example, other, "0 ms");
    let other = newest(&example, &[dying]);
    kill(&mut example, other, "125 ms");
    kill(&mut example, dying, "500 ms");
}

#[test]
fn all_workers_that_are_killed_at_once_are_replaced() {
    let mut example = web(3, &[]);
    let ids = workers(&example);
    ids.iter().for_each(|id| signal(*id, "KILL"));
    (0..3).for_each(|_| drop(example.until_logged("another one starts in 0 ms")));
    let now = until("three others run", || {
        let now = workers(&example);
        if now.len() == 3 && now.iter().all(|id| !ids.contains(id)) { Ok(now) } else { Err(now) }
    });
    // Each of them serves.
    busy_each(&example).into_iter().for_each(finish_kept);
    assert_eq!(workers(&example), now);
}

fn finish_kept(client: TcpStream) {
    use std::io::Write;
    (&client).write_all(b"hello").unwrap();
    let answer = crate::support::real::read_answer(&mut &client, "POST");
    assert_eq!(answer.text(), "hello");
}

/// A supervisor whose first worker has died so often that it is not restarted for some time.
fn in_back_off(workers_count: usize) -> Example {
    let mut example = web(workers_count, &["--drain-timeout", "3600"]);
    let all = workers(&example);
    let (mut dying, others) = (all[0], &all[1..]);
    for starts_in in ["0 ms", "125 ms", "250 ms", "500 ms"] {
        kill(&mut example, dying, starts_in);
        dying = newest(&example, others);
    }
    signal(dying, "KILL");
    example.until_logged("another one starts in 1000 ms");
    example
}

#[test]
fn a_stop_does_not_wait_for_a_worker_that_is_to_be_started() {
    for signals in 1..=2 {
        let example = in_back_off(1);
        (0..signals).for_each(|_| example.signal("TERM"));
        let (code, log) = example.join();
        // The second signal has its default effect if the server has ended before it.
        assert!(code == Some(0) || (signals == 2 && code.is_none()), "{code:?}: {log}");
        assert!(log.contains("stopping: 0 worker processes to end"), "{log}");
        assert!(!log.contains("started") && !log.contains("starts"), "{log}");
    }
}

#[test]
fn a_stop_while_one_is_to_be_started_lets_the_others_finish() {
    let mut example = in_back_off(2);
    let busy = uploading(&example);
    example.signal("TERM");
    example.until_logged("stopping: 1 worker processes to end");
    until_refused(tcp(&example.addresses[0]));
    finish_upload(busy);
    let (code, log) = example.join();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("started") && !log.contains("starts"), "{log}");
}

#[test]
fn a_worker_that_dies_while_the_server_stops_is_not_replaced_and_the_others_finish() {
    let mut example = web(3, &["--drain-timeout", "3600"]);
    let ids = workers(&example);
    let mut busy = busy_each(&example);
    example.signal("TERM");
    example.until_logged("stopping: 3 worker processes to end");
    until_refused(tcp(&example.addresses[0]));
    signal(ids[1], "KILL");
    assert_eq!(last_heard(&mut busy.remove(1)), b"");
    busy.into_iter().for_each(finish_upload);
    let (code, log) = example.join();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("started") && !log.contains("starts"), "{log}");
}

#[test]
fn every_worker_is_told_to_stop_and_finishes_its_requests() {
    let mut example = web(3, &["--drain-timeout", "3600"]);
    let busy = busy_each(&example);
    example.signal("TERM");
    example.until_logged("stopping: 3 worker processes to end");
    // No worker has a copy of the listener left.
    until_refused(tcp(&example.addresses[0]));
    busy.into_iter().for_each(finish_upload);
    assert_eq!(example.join().0, Some(0));
}

#[test]
fn every_worker_is_told_to_end_at_once() {
    let example = web(3, &["--drain-timeout", "3600"]);
    let ids = workers(&example);
    let busy = busy_each(&example);
    example.signal("TERM");
    until_refused(tcp(&example.addresses[0]));
    example.signal("INT");
    for mut client in busy {
        assert_eq!(last_heard(&mut client), b"");
    }
    let (code, log) = example.join();
    assert_eq!(code, Some(0));
    // By themselves, before they are killed.
    assert!(!log.contains("killed"), "{log}");
    assert!(ids.iter().all(|id| !Path::new(&format!("/proc/{id}")).exists()), "{ids:?}");
}
