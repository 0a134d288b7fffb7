//! The log of the server examples: its lines, and streams that take none of them.

use std::process::{ChildStderr, Command, Stdio};

use socketserver::Address;

use crate::support::output::{Lines, Program, end_of};
use crate::support::real::{Example, connect, example_path, get, read_to_end, tcp};

const NAME: &str = "reactor_web";

/// Starts the example with a standard error that nothing reads.
fn start_unread(arguments: &[&str]) -> (Program, Address, ChildStderr) {
    let mut command = Command::new(example_path(NAME));
    command.args(["--bind", "127.0.0.1:0"]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Program::spawn(&mut command);
    let mut out = Lines::of(child.stdout.take().unwrap());
    let line = out.next("address that it listens on").unwrap();
    let address = line.trim_end().strip_prefix("listening on ").unwrap().parse().unwrap();
    let errors = child.stderr.take().unwrap();
    (child, address, errors)
}

fn signal(child: &Program, name: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
}

/// Sends requests that are logged: more than a pipe and the queue hold.
#[track_caller]
fn fill_the_log(address: &Address) {
    let mut client = connect(tcp(address));
    for _ in 0..5_000 {
        assert_eq!(get(&mut client, "/slow").status, 400);
    }
}

#[test]
fn a_log_that_nothing_reads_holds_up_neither_requests_nor_the_end() {
    for mode in [&[][..], &["--mode", "threads", "--workers", "2"]] {
        let arguments = [&["--log", "debug"], mode].concat();
        let (mut child, address, errors) = start_unread(&arguments);
        fill_the_log(&address);
        signal(&child, "TERM");
        assert_eq!(end_of(&mut child).code(), Some(0), "{mode:?}");
        drop(errors);
    }
}

#[test]
fn lines_that_the_log_did_not_take_are_counted_and_reported() {
    let (child, address, errors) = start_unread(&["--log", "debug"]);
    fill_the_log(&address);
    let mut log = Lines::of(errors);
    let line = log.until("lines of this log were dropped");
    assert!(line.contains("[WARN]"), "{line}");
    signal(&child, "TERM");
    log.until("stopping");
}

#[test]
fn a_log_file_of_the_maximum_size_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut command = Command::new("sh");
    let script = "ulimit -f 1; exec \"$0\" --bind 127.0.0.1:0 --log debug 2>\"$1\"";
    command.args(["-c", script]).arg(example_path(NAME)).arg(&log);
    let example = Example::spawn(command, 1);
    fill_the_log(&example.addresses[0]);
    assert!(std::fs::metadata(&log).unwrap().len() <= 1024);
    example.signal("TERM");
    assert_eq!(example.join().0, Some(0));
}

#[test]
fn log_lines_have_milliseconds_and_the_program_and_the_first_says_how_to_get_more() {
    let mut example = Example::start(NAME, &[]);
    let line = example.until_logged("more with --log debug or trace");
    let rest = after_time(&line);
    assert!(rest.starts_with("reactor_web [INFO] "), "{line}");
    let mut example = Example::start("echo", &["--log", "debug"]);
    assert!(example.until_logged("more with --log trace").contains(" echo [INFO] "));
}

#[test]
fn a_panic_is_one_line_whatever_its_text() {
    let mut command = Command::new(example_path(NAME));
    command.args(["--bind", "127.0.0.1:0", "--faults", "--log", "off"]);
    command.env("RUST_BACKTRACE", "0");
    let mut example = Example::spawn(command, 1);
    let mut client = example.client();
    assert_eq!(get(&mut client, "/panic?say=%0Aforged%1B%5B31m").status, 500);
    read_to_end(&mut client);
    let line = example.until_logged("requested by /panic");
    let rest = after_time(&line);
    assert!(rest.starts_with("reactor_web [PANIC] thread 'main' panicked at examples/"), "{line}");
    assert!(line.contains("\\nforged\\u{1b}[31m"), "{line}");
}

/// Returns the rest of a line of the log.
#[track_caller]
fn after_time(line: &str) -> &str {
    let (time, rest) = line.split_once(' ').unwrap();
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{line}");
    rest
}
