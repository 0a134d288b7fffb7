//! A process that was stopped for a while and continues (SIGSTOP, SIGCONT; a machine in standby):
//! clients sent in time, so they are answered, however late it is by the server's clock.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::real::{Example, PATIENCE};

/// More than the events of one turn, so that a single wait does not return all of them.
const CLIENTS: usize = 300;

#[test]
fn clients_that_sent_while_the_server_was_stopped_are_answered() {
    let idle = Duration::from_secs(1);
    let server = Example::start("echo", &["--idle-timeout", "1"]);
    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| server.client()).collect();
    for client in &mut clients {
        exchange(client, b"1");
    }
    server.signal("STOP");
    for client in &mut clients {
        client.write_all(b"2").unwrap();
    }
    // The passage of time is the subject of this test.
    clients[0].set_read_timeout(Some(idle * 3 / 2)).unwrap();
    let error = clients[0].read(&mut [0]).expect_err("a stopped server has answered");
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    clients[0].set_read_timeout(Some(PATIENCE)).unwrap();
    server.signal("CONT");
    let answered = clients.iter_mut().filter_map(|client| {
        let mut byte = [0];
        client.read_exact(&mut byte).ok().map(|()| byte)
    });
    assert_eq!(answered.filter(|byte| byte == b"2").count(), CLIENTS);
}

fn exchange(client: &mut TcpStream, text: &[u8]) {
    client.write_all(text).unwrap();
    let mut back = vec![0; text.len()];
    client.read_exact(&mut back).unwrap();
    assert_eq!(back, text);
}
