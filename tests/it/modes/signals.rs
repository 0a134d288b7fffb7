//! Signals of servers that handle them: each has its default effect or stops the server, and a stop
//! that comes as two signals is one.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use socketserver::Server;

use crate::support::handlers::Echo;
use crate::support::output::{Lines, Program, end_of};
use crate::support::process::uploading;
use crate::support::queue::last_heard;
use crate::support::real::{
    Example, command, example_path, finish_upload, get, read_to_end, tcp, until_refused,
};
use crate::support::terminal::Terminal;
use crate::support::waiting::{Stopwatch, lapse, until};

const CHILD: &str = "SOCKETSERVER_TEST_CHILD";
const SIGTERM: i32 = 15;

// These tests run themselves again as a child, because the default action of a signal ends the
// process.

#[test]
fn signals_have_their_default_action_again() {
    if std::env::var_os(CHILD).is_some() {
        let server = Server::bind("127.0.0.1:0").unwrap().stop_on_signals().unwrap();
        server.handle().stop();
        server.serve(|_| Echo).unwrap();
        return await_the_signal();
    }
    is_ended_by_a_signal("modes::signals::signals_have_their_default_action_again");
}

#[test]
fn signals_have_their_default_action_if_they_cannot_be_handled() {
    if std::env::var_os(CHILD).is_some() {
        let server = Server::bind("127.0.0.1:0").unwrap();
        let all: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        let error = server.stop_on_signals().err();
        drop(all);
        assert!(error.is_some(), "there were descriptors for the pipes");
        return await_the_signal();
    }
    is_ended_by_a_signal(
        "modes::signals::signals_have_their_default_action_if_they_cannot_be_handled",
    );
}

#[test]
fn a_second_termination_that_meets_the_end_of_the_server_has_no_effect() {
    const NAME: &str =
        "modes::signals::a_second_termination_that_meets_the_end_of_the_server_has_no_effect";
    if std::env::var_os(CHILD).is_some() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let server = Server::bind(path.as_path()).unwrap().stop_on_signals().unwrap();
        println!("starts");
        server.serve(|_| Echo).unwrap();
        drop(folder);
        println!("ended");
        // For each line of the parent, one more.
        for line in std::io::stdin().lines() {
            println!("still there after {}", line.unwrap());
        }
        return;
    }
    let mut child = again(NAME);
    let mut said = Lines::of(child.stdout.take().unwrap());
    said.until("starts");
    let watch = Stopwatch::start();
    terminate(&child);
    said.until("ended");
    terminate(&child);
    let is_soon = watch.elapsed() < Duration::from_secs(1);
    let mut input = child.stdin.take().unwrap();
    if is_soon {
        input.write_all(b"the second\n").unwrap();
        said.until("still there after the second");
    }
    lapse(Duration::from_millis(1_100));
    terminate(&child);
    let status = end_of(&mut child);
    assert_eq!(status.signal(), Some(SIGTERM), "{status}");
}

fn is_ended_by_a_signal(test: &str) {
    let mut child = again(test);
    Lines::of(child.stdout.take().unwrap()).until("over");
    terminate(&child);
    let status = end_of(&mut child);
    assert_eq!(status.signal(), Some(SIGTERM), "{status}");
}

fn terminate(child: &Program) {
    let kill = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(kill.success());
}

/// Runs a test of this file again as a child.
fn again(test: &str) -> Program {
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 64; exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    Program::spawn(&mut command)
}

/// Until the signal comes, or the parent has ended.
fn await_the_signal() {
    println!("over");
    let _ = std::io::stdin().read(&mut [0]);
}

const MODES: [&str; 4] = ["multiplex", "threads", "reactors", "processes"];
const DRAINS_LONG: [&str; 2] = ["--drain-timeout", "3600"];

fn web(mode: &str) -> Command {
    let mut command = command(&example_path("reactor_web"));
    command.args(["--bind", "127.0.0.1:0", "--mode", mode, "--workers", "2"]).args(DRAINS_LONG);
    command
}

#[test]
fn a_signal_at_any_moment_of_the_start_ends_the_program() {
    for mode in MODES {
        for n in 0..25 {
            let mut program = web(mode);
            program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut program = Program::spawn(&mut program);
            terminate(&program);
            let status = end_of(&mut program);
            let is_expected = status.success() || status.signal() == Some(SIGTERM);
            assert!(is_expected, "{mode}, start {n}: {status}");
        }
    }
}

#[test]
fn two_signals_at_once_are_one_stop() {
    for mode in MODES {
        // A pause as of a program that passes the signal on: the first one is read before.
        for twice in ["TERM $0; kill -TERM", "INT $0; kill -INT", "INT $0; sleep 0.01; kill -INT"] {
            let example = Example::spawn(web(mode), 1);
            let busy: Vec<_> = (0..4).map(|_| uploading(&example)).collect();
            let script = format!("kill -{twice} $0");
            let id = example.child.id().to_string();
            assert!(Command::new("sh").args(["-c", &script, &id]).status().unwrap().success());
            until_refused(tcp(&example.addresses[0]));
            busy.into_iter().for_each(finish_upload);
            assert_eq!(example.join().0, Some(0), "{mode}: {script}");
        }
    }
}

/// A server in its drain delay of some seconds.
fn leaving(mode: &str, delay: &str, signal: &str) -> (Example, TcpStream) {
    let mut command = web(mode);
    command.args(["--drain-delay", delay]);
    let example = Example::spawn(command, 1);
    let mut client = example.client();
    assert_eq!(get(&mut client, "/readyz").status, 200, "{mode}");
    let sent = Command::new("sh").args(["-c", signal, &example.child.id().to_string()]).status();
    assert!(sent.unwrap().success());
    until("it is not ready", || match get(&mut client, "/readyz").status {
        503 => Ok(()),
        status => Err(status),
    });
    (example, client)
}

#[test]
fn two_signals_at_once_are_one_stop_with_a_drain_delay() {
    for mode in MODES {
        let (example, mut client) = leaving(mode, "1", "kill -TERM $0; kill -TERM $0");
        let busy = uploading(&example);
        assert!(!get(&mut client, "/livez").says_close(), "{mode}");
        until_refused(tcp(&example.addresses[0]));
        finish_upload(busy);
        assert_eq!(example.join().0, Some(0), "{mode}");
    }
}

#[test]
fn an_interrupt_ends_the_drain_delay() {
    for mode in MODES {
        for first in ["kill -TERM $0", "kill -INT $0"] {
            let (example, mut client) = leaving(mode, "3600", first);
            // Longer than two SIGINTs are one.
            lapse(Duration::from_millis(70));
            example.signal("INT");
            assert_eq!(last_heard(&mut client), b"", "{mode}");
            assert_eq!(example.join().0, Some(0), "{mode}");
        }
    }
}

#[test]
fn a_signal_a_second_after_the_first_ends_the_drain_delay() {
    for mode in MODES {
        let (example, mut client) = leaving(mode, "3600", "kill -TERM $0");
        example.signal("TERM");
        assert!(!get(&mut client, "/livez").says_close(), "{mode}: the second came at once");
        lapse(Duration::from_millis(1_100));
        assert_eq!(get(&mut client, "/readyz").status, 503, "{mode}");
        example.signal("TERM");
        assert_eq!(last_heard(&mut client), b"", "{mode}");
        assert_eq!(example.join().0, Some(0), "{mode}");
    }
}

#[test]
fn the_drain_after_a_delay_ends_by_a_second_signal() {
    for mode in MODES {
        let (example, mut client) = leaving(mode, "1", "kill -TERM $0");
        let mut busy = uploading(&example);
        assert_eq!(read_to_end(&mut client), b"", "{mode}: the delay ends and the server drains");
        example.signal("TERM");
        assert_eq!(last_heard(&mut busy), b"", "{mode}");
        assert_eq!(example.join().0, Some(0), "{mode}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_that_is_ignored_at_the_start_stays_ignored() {
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' INT; exec \"$0\" --bind 127.0.0.1:0"])
        .arg(example_path("reactor_web"));
    let example = Example::spawn(command, 1);
    let mut client = example.client();
    example.signal("INT");
    assert!(!get(&mut client, "/plaintext").says_close());
    assert_eq!(get(&mut client, "/plaintext").status, 200);
    example.signal("TERM");
    assert_eq!(example.join().0, Some(0));
}

#[test]
fn a_hangup_has_no_effect_without_a_terminal() {
    for mode in MODES {
        let example = Example::spawn(web(mode), 1);
        let busy = uploading(&example);
        example.signal("HUP");
        let mut client = example.client();
        assert_eq!(get(&mut client, "/plaintext").status, 200, "{mode}");
        drop(client);
        example.signal("TERM");
        until_refused(tcp(&example.addresses[0]));
        finish_upload(busy);
        assert_eq!(example.join().0, Some(0), "{mode}");
    }
}

#[test]
fn a_hangup_of_a_terminal_drains() {
    for mode in MODES {
        let terminal = Terminal::open(80, 24);
        let mut command = web(mode);
        command.stdin(terminal.program.try_clone().unwrap());
        let example = Example::spawn_on(command, 1);
        let busy = uploading(&example);
        example.signal("HUP");
        until_refused(tcp(&example.addresses[0]));
        finish_upload(busy);
        assert_eq!(example.join().0, Some(0), "{mode}");
    }
}
