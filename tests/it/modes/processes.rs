//! Worker processes as users run them: the supervisor and its workers are identified by process id,
//! stopped at any point, and killed.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use socketserver::{Destination, HandleError, Mode, Server, Topic};

use crate::support::output::{Lines, Program, end_of};
use crate::support::process::{Folder, halt, signal, supervise, uploading, workers};
use crate::support::real::{
    Echo, Example, example_path, finish_upload, get, read_answer, read_to_end, run_example, tcp,
    until_refused,
};

const WEB: &str = "reactor_web";

fn web(workers: usize) -> Example {
    supervise(&example_path(WEB), workers, None, &[])
}

#[test]
fn every_worker_gives_the_same_answers() {
    let example = web(3);
    let ids = workers(&example);
    assert_eq!(ids.len(), 3);
    let welcome = get(&mut example.client(), "/").body;
    for only in &ids {
        for id in ids.iter().filter(|id| *id != only) {
            halt(*id);
        }
        assert_eq!(get(&mut example.client(), "/").body, welcome);
        ids.iter().for_each(|id| signal(*id, "CONT"));
    }
    example.signal("TERM");
    assert_eq!(example.join().0, Some(0));
}

#[test]
fn its_address_is_printed_once() {
    let mut command = Command::new(example_path(WEB));
    command.args(["--mode", "processes", "--workers", "2", "--bind", "127.0.0.1:0"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Program::spawn(&mut command);
    let mut log = Lines::of(child.stderr.take().unwrap());
    for _ in 0..2 {
        log.until("started");
    }
    signal(child.id(), "TERM");
    let said = Lines::of(child.stdout.take().unwrap()).rest();
    assert_eq!(said.matches("listening on 127.0.0.1:").count(), 1, "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(end_of(&mut child).code(), Some(0));
}

#[test]
fn a_killed_worker_is_replaced_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.sock");
    let mut example = supervise(&example_path(WEB), 2, Some(&path), &[]);
    let ids = workers(&example);
    let [killed, other] = ids[..] else { panic!("{ids:?}") };
    // While it is stopped, the other one serves all new connections.
    halt(killed);
    let busy = uploading(&example);
    signal(killed, "KILL");
    example.until_logged("another one starts in 0 ms");
    example.until_logged("started");
    let ids = workers(&example);
    assert_eq!(ids.len(), 2);
    assert!(ids.contains(&other) && !ids.contains(&killed), "{ids:?}");
    assert_eq!(get(&mut UnixStream::connect(&path).unwrap(), "/plaintext").status, 200);
    assert!(path.exists(), "the file is the supervisor's");
    // The new one serves as well.
    halt(other);
    assert_eq!(get(&mut example.client(), "/plaintext").status, 200);
    signal(other, "CONT");
    example.signal("TERM");
    until_refused(tcp(&example.addresses[0]));
    finish_upload(busy);
    assert_eq!(example.join().0, Some(0));
    assert!(!path.exists());
}

#[test]
fn workers_whose_supervisor_was_killed_finish_and_end() {
    let example = web(2);
    let busy = uploading(&example);
    example.signal("KILL");
    until_refused(tcp(&example.addresses[0]));
    finish_upload(busy);
    // The log ends when all processes have closed it.
    assert_eq!(example.join().0, None);
}

#[test]
fn stopping_loses_no_established_connection() {
    let mut example = web(2);
    let mut kept: Vec<TcpStream> = (0..20).map(|_| uploading(&example)).collect();
    let ids = workers(&example);
    ids.iter().for_each(|id| halt(*id));
    // These wait in the queue that all workers share.
    let mut queued: Vec<TcpStream> = (0..20).map(|_| example.client()).collect();
    for client in &mut queued {
        client.write_all(b"GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    }
    example.signal("TERM");
    example.until_logged("stopping: 2 worker processes");
    ids.iter().for_each(|id| signal(*id, "CONT"));
    for client in &mut queued {
        assert_eq!(read_answer(client, "GET").status, 200);
        assert_eq!(read_to_end(client), b"");
    }
    until_refused(tcp(&example.addresses[0]));
    kept.drain(..).for_each(finish_upload);
    assert_eq!(example.join().0, Some(0));
}

#[test]
fn a_signal_to_all_processes_is_one_signal() {
    let mut example = supervise(&example_path(WEB), 2, None, &["--drain-timeout", "3600"]);
    let busy: Vec<TcpStream> = (0..10).map(|_| uploading(&example)).collect();
    let ids = workers(&example);
    // As Ctrl-C does. The workers learn of it from their supervisor before their own signal comes.
    example.signal("TERM");
    example.until_logged("stopping: 2 worker processes");
    until_refused(tcp(&example.addresses[0]));
    for id in ids {
        // A worker without connections may have ended.
        let _ = Command::new("kill").arg(id.to_string()).stderr(Stdio::null()).status().unwrap();
    }
    busy.into_iter().for_each(finish_upload);
    assert_eq!(example.join().0, Some(0));
}

#[test]
fn a_second_signal_ends_all_processes_at_once() {
    let mut example = supervise(&example_path(WEB), 2, None, &["--drain-timeout", "3600"]);
    let _busy = uploading(&example);
    example.signal("TERM");
    until_refused(tcp(&example.addresses[0]));
    assert_eq!(example.child.try_wait().unwrap(), None);
    example.signal("INT");
    assert_eq!(example.join().0, Some(0));
}

#[test]
fn a_worker_that_does_not_end_in_time_is_killed() {
    let example = supervise(&example_path(WEB), 2, None, &["--drain-timeout", "0"]);
    let stuck = workers(&example)[0];
    halt(stuck);
    example.signal("TERM");
    let (code, log) = example.join();
    assert_eq!(code, Some(0));
    assert!(log.contains(&format!("{stuck} did not end in time: killed")), "{log}");
}

#[cfg(target_os = "linux")]
#[test]
fn workers_run_the_program_of_their_supervisor_even_if_its_file_is_removed_or_replaced() {
    let folder = Folder::with_copy_of(WEB);
    let program = folder.program();
    let mut example = supervise(&program, 1, None, &[]);
    for replacement in [None, Some("/bin/false")] {
        let _ = fs::remove_file(&program);
        if let Some(other) = replacement {
            std::os::unix::fs::symlink(other, &program).unwrap();
        }
        signal(workers(&example)[0], "KILL");
        let line = example.until_logged("worker process");
        assert!(line.contains("another one starts"), "{line}");
        let line = example.until_logged("worker process");
        assert!(line.contains("started"), "{replacement:?}: {line}");
        assert_eq!(get(&mut example.client(), "/plaintext").status, 200, "{replacement:?}");
        // As before in `ps` and `pkill`.
        let name = |id| fs::read_to_string(format!("/proc/{id}/comm")).unwrap();
        assert_eq!(name(workers(&example)[0]), name(example.child.id()));
    }
    example.signal("TERM");
    let (code, log) = example.join();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn a_program_that_cannot_be_started_is_tried_again() {
    let folder = Folder::with_copy_of(WEB);
    let program = folder.program();
    let allow = |mode| fs::set_permissions(&program, PermissionsExt::from_mode(mode)).unwrap();
    let mut example = supervise(&program, 1, None, &[]);
    allow(0o600);
    signal(workers(&example)[0], "KILL");
    let line = example.until_logged("cannot start a worker process");
    assert!(line.contains(program.to_str().unwrap()), "{line}");
    allow(0o700);
    example.until_logged("started");
    assert_eq!(get(&mut example.client(), "/plaintext").status, 200);
}

#[test]
fn options_that_processes_cannot_share_are_refused() {
    let output = run_example("reactor_chat", &["--mode", "processes"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(2), Vec::new()));
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("would not hear each other"), "{said}");

    let mode = Mode::Processes(2);
    let error = Server::new().mode(mode).run().unwrap_err();
    assert!(error.to_string().contains("bind an address"), "{error}");
    let to: Destination = "127.0.0.1:1".parse().unwrap();
    let server = Server::bind("127.0.0.1:0").unwrap().mode(mode).connect(to, Echo);
    let error = server.serve(|_| Echo).unwrap_err();
    assert!(error.to_string().contains("Server::connect"), "{error}");
}

#[test]
fn no_processes_are_multiplexing() {
    let mut example = supervise(&example_path(WEB), 0, None, &[]);
    assert_eq!(get(&mut example.client(), "/plaintext").status, 200);
    assert!(workers(&example).is_empty());
    example.signal("TERM");
    example.until_logged("stopping");
}

const CHILD: &str = "SOCKETSERVER_TEST_PROCESSES";

/// The test runs itself again, as a supervisor whose worker binds other addresses.
#[test]
fn a_worker_must_bind_the_addresses_of_its_supervisor() {
    if std::env::var_os(CHILD).is_some() {
        return other_addresses();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "modes::processes::a_worker_must_bind_the_addresses_of_its_supervisor"])
        .args(["--nocapture"])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = Program::spawn(&mut command);
    let mut lines = Lines::of(child.stdout.take().unwrap());
    lines.until("127.0.0.2:0: the supervisor has bound another address");
    lines.until("127.0.0.1:0: the supervisor did not bind it");
    drop(child.stdin.take());
    lines.until("over");
    assert!(end_of(&mut child).success());
}

fn other_addresses() {
    if Server::is_worker() {
        for address in ["127.0.0.2:0", "127.0.0.1:0"] {
            println!("{}", Server::bind(address).unwrap_err());
        }
        return;
    }
    let server = Server::bind("127.0.0.1:0").unwrap().mode(Mode::Processes(1));
    let handle = server.handle();
    let stopper = std::thread::spawn(move || {
        // Until the parent closes it.
        let _ = std::io::stdin().read(&mut [0]);
        // A supervisor has no connections.
        let published = handle.publish(&Topic::new("news"), *b"rain");
        assert_eq!(published, Err(HandleError::Gone));
        handle.stop();
    });
    server.serve(|_| Echo).unwrap();
    stopper.join().unwrap();
    println!("over");
}
