//! Signals after the end of the last server that handles them.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use socketserver::Server;

use crate::support::handlers::Echo;
use crate::support::output::{Lines, Program, end_of};

const CHILD: &str = "SOCKETSERVER_TEST_CHILD";
const SIGTERM: i32 = 15;

/// The test runs itself again as a child, because the default action of a signal ends the process.
#[test]
fn signals_have_their_default_action_again() {
    if std::env::var_os(CHILD).is_some() {
        return child();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "modes::signals::signals_have_their_default_action_again", "--nocapture"])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = Program::spawn(&mut command);
    Lines::of(child.stdout.take().unwrap()).until("over");
    let kill = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(kill.success());
    let status = end_of(&mut child);
    assert_eq!(status.signal(), Some(SIGTERM), "{status}");
}

fn child() {
    let server = Server::bind("127.0.0.1:0").unwrap().stop_on_signals().unwrap();
    server.handle().stop();
    server.serve(|_| Echo).unwrap();
    println!("over");
    // Until the signal comes, or the parent has ended.
    let _ = std::io::stdin().read(&mut [0]);
}
