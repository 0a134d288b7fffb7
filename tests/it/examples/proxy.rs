//! The `tcp_proxy` example as users run it: independent ends of both directions, sides that fail or
//! vanish, and memory that does not grow with the traffic.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use crate::support::real::{
    Example, PATIENCE, accept, connect, read_to_end, run_example, until_refused,
};

const NAME: &str = "tcp_proxy";

/// A proxy in front of a listener.
fn proxy() -> (Example, TcpListener) {
    proxy_with(&[])
}

fn proxy_with(options: &[&str]) -> (Example, TcpListener) {
    let back = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = back.local_addr().unwrap().to_string();
    (Example::start(NAME, &[&["--to", &to, "--log", "debug"], options].concat()), back)
}

/// A client of the proxy, and the upstream connection that belongs to it.
fn pair(proxy: &Example, back: &TcpListener) -> (TcpStream, TcpStream) {
    let front = proxy.client();
    let back = accept(back);
    (front, back)
}

/// Closes a connection with a reset.
fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
fn each_direction_ends_by_itself() {
    let (proxy, listener) = proxy();
    for front_first in [true, false] {
        let (front, back) = pair(&proxy, &listener);
        let (mut first, mut second) = if front_first { (front, back) } else { (back, front) };
        first.write_all(b"question").unwrap();
        first.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&mut second), b"question");
        // The other direction stays open without a time limit.
        for _ in 0..3 {
            second.write_all(b"answer").unwrap();
            let mut heard = [0; 6];
            first.read_exact(&mut heard).unwrap();
            assert_eq!(&heard, b"answer");
        }
        second.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&mut first), b"");
    }
}

#[test]
fn input_before_the_upstream_connection_is_carried() {
    let (proxy, listener) = proxy();
    let mut front = proxy.client();
    front.write_all(b"early").unwrap();
    front.shutdown(Shutdown::Write).unwrap();
    let mut back = accept(&listener);
    assert_eq!(read_to_end(&mut back), b"early");
}

#[test]
fn clients_of_a_server_that_refuses_are_closed_and_it_is_logged() {
    let (mut proxy, listener) = proxy();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert_eq!(read_to_end(&mut proxy.client()), b"");
    proxy.until_logged(&format!("cannot connect to {address}: "));
    // The server may start again.
    let listener = TcpListener::bind(address).unwrap();
    let (mut front, mut back) = pair(&proxy, &listener);
    back.write_all(b"here again").unwrap();
    drop(back);
    assert_eq!(read_to_end(&mut front), b"here again");
}

/// Reads until the end, in whatever way it comes.
fn until_over(stream: &mut TcpStream) {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                return;
            }
        }
    }
}

/// Reads until the reset, and returns the bytes before it.
fn read_to_cut(stream: &mut TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    let end = stream.read_to_end(&mut heard);
    assert_eq!(end.expect_err("a cut looks cut").kind(), ErrorKind::ConnectionReset);
    heard
}

#[test]
fn a_cut_of_one_side_is_a_cut_of_the_other() {
    for mode in ["multiplex", "threads", "processes", "reactors"] {
        let (proxy, listener) = proxy_with(&["--mode", mode, "--workers", "2"]);
        for front_is_cut in [true, false] {
            let (mut front, mut back) = pair(&proxy, &listener);
            front.write_all(b"question").unwrap();
            back.read_exact(&mut [0; 8]).unwrap();
            back.write_all(b"half an answer").unwrap();
            front.read_exact(&mut [0; 14]).unwrap();
            let (cut, mut left) = if front_is_cut { (front, back) } else { (back, front) };
            reset(cut);
            assert_eq!(read_to_cut(&mut left), b"", "{mode}");
        }
    }
}

#[test]
fn a_cut_right_after_the_connection_is_passed_on() {
    for mode in ["multiplex", "threads", "processes", "reactors"] {
        let (proxy, listener) = proxy_with(&["--mode", mode, "--workers", "2"]);
        for _ in 0..20 {
            // Often the reset comes before the proxy has noticed that it is connected.
            let mut front = proxy.client();
            reset(accept(&listener));
            assert_eq!(read_to_cut(&mut front), b"", "{mode}");
            let mut front = proxy.client();
            let mut back = accept(&listener);
            back.write_all(b"half").unwrap();
            reset(back);
            assert_eq!(read_to_cut(&mut front), b"half", "{mode}");
        }
    }
}

#[test]
fn a_cut_is_passed_on_after_the_bytes_that_came_before_it() {
    let (proxy, listener) = proxy();
    for front_is_cut in [true, false] {
        let (front, back) = pair(&proxy, &listener);
        let (mut cut, mut left) = if front_is_cut { (front, back) } else { (back, front) };
        cut.write_all(b"the first half").unwrap();
        left.read_exact(&mut [0; 4]).unwrap();
        reset(cut);
        assert_eq!(read_to_cut(&mut left), b"first half");
    }
}

#[test]
fn a_side_that_times_out_or_is_cut_by_the_end_of_the_drain_is_cut_off() {
    let (proxy, listener) = proxy_with(&["--idle-timeout", "1"]);
    let (mut front, mut back) = pair(&proxy, &listener);
    back.write_all(b"half").unwrap();
    assert_eq!(read_to_cut(&mut front), b"half");
    assert_eq!(read_to_cut(&mut back), b"");

    let (proxy, listener) = proxy_with(&["--drain-timeout", "0.1"]);
    let (mut front, mut back) = pair(&proxy, &listener);
    back.write_all(b"half").unwrap();
    front.read_exact(&mut [0; 2]).unwrap();
    proxy.signal("TERM");
    assert_eq!(read_to_cut(&mut front), b"lf");
    assert_eq!(read_to_cut(&mut back), b"");
}

#[test]
fn an_upload_that_is_refused_does_not_cut_its_complete_answer() {
    let (proxy, listener) = proxy();
    let (mut front, mut back) = pair(&proxy, &listener);
    front.write_all(b"upload").unwrap();
    back.read_exact(&mut [0; 1]).unwrap();
    back.write_all(b"413").unwrap();
    back.shutdown(Shutdown::Write).unwrap();
    front.read_exact(&mut [0; 1]).unwrap();
    // With unread input: a reset.
    drop(back);
    assert_eq!(read_to_end(&mut front), b"13");
}

#[test]
fn a_client_that_has_closed_early_leaves_no_upstream_connection() {
    let (proxy, listener) = proxy();
    for _ in 0..50 {
        reset(proxy.client());
    }
    let mut front = proxy.client();
    front.write_all(b"me").unwrap();
    // The upstream connections of the others end without data.
    let mut stays = loop {
        let mut back = accept(&listener);
        match back.read_exact(&mut [0; 2]) {
            Ok(()) => break back,
            Err(error) => assert!(
                matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset),
                "{error}"
            ),
        }
    };
    stays.write_all(b"and you").unwrap();
    drop(stays);
    assert_eq!(read_to_end(&mut front), b"and you");
}

/// The resident memory of the process, in KiB.
#[cfg(target_os = "linux")]
fn resident_kib(proxy: &Example) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

const PIECE: usize = 64 * 1024;
const PIECES: u64 = 512;

/// A piece of the traffic: all pieces differ.
fn piece(number: u64) -> Vec<u8> {
    number.to_be_bytes().repeat(PIECE / 8)
}

fn send_all(mut stream: TcpStream) {
    for number in 0..PIECES {
        stream.write_all(&piece(number)).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
}

fn receive_all(mut stream: TcpStream) {
    let mut buffer = vec![0; PIECE];
    for number in 0..PIECES {
        stream.read_exact(&mut buffer).unwrap();
        assert!(buffer == piece(number), "piece {number}");
    }
    assert_eq!(read_to_end(&mut stream), b"");
}

/// 32 MiB in each direction at once; reading begins when the writers are blocked.
#[test]
#[cfg(target_os = "linux")]
fn a_large_transfer_both_ways_waits_for_its_reader_and_not_in_memory() {
    let (proxy, listener) = proxy();
    let (front, back) = pair(&proxy, &listener);
    let before = resident_kib(&proxy);
    let (blocked, is_blocked) = std::sync::mpsc::channel();
    let writers = [&front, &back].map(|stream| {
        let (mut stream, blocked) = (stream.try_clone().unwrap(), blocked.clone());
        std::thread::spawn(move || {
            // Until the socket accepts no more, because the proxy does not read either.
            stream.set_nonblocking(true).unwrap();
            let (all, mut sent) = ((0..PIECES).flat_map(piece).collect::<Vec<u8>>(), 0);
            let mut refusals = 0;
            while refusals < 1000 {
                match stream.write(&all[sent..]) {
                    Ok(n) => (sent, refusals) = (sent + n, 0),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::WouldBlock);
                        refusals += 1;
                        std::thread::yield_now();
                    }
                }
            }
            // The reader of this socket shares its mode, and begins after the message.
            stream.set_nonblocking(false).unwrap();
            blocked.send(sent).unwrap();
            stream.write_all(&all[sent..]).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        })
    });
    for _ in 0..2 {
        let sent = is_blocked.recv_timeout(PATIENCE).unwrap();
        assert!(sent < PIECES as usize * PIECE, "nothing held it back");
    }
    // Half a megabyte may be pending in each direction; the rest is overhead of the allocator.
    let grown = resident_kib(&proxy).saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB more than before");
    let readers = [front, back].map(|stream| std::thread::spawn(|| receive_all(stream)));
    for thread in readers.into_iter().chain(writers) {
        thread.join().unwrap();
    }
    let grown = resident_kib(&proxy).saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB more than before");
}

#[test]
fn many_transfers_at_once_arrive_whole() {
    let (proxy, listener) = proxy();
    let threads: Vec<_> = (0..4)
        .flat_map(|_| {
            let (front, back) = pair(&proxy, &listener);
            let sender = std::thread::spawn(move || send_all(front));
            [sender, std::thread::spawn(move || receive_all(back))]
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn stopping_completes_transfers_that_have_begun() {
    let (proxy, listener) = proxy();
    let (mut front, mut back) = pair(&proxy, &listener);
    front.write_all(b"hello").unwrap();
    back.read_exact(&mut [0; 5]).unwrap();
    proxy.signal("TERM");
    until_refused(front.peer_addr().unwrap());
    // Connections made meanwhile are carried to this listener, which would never answer them.
    drop(listener);
    back.write_all(b"to the end").unwrap();
    drop(back);
    assert_eq!(read_to_end(&mut front), b"to the end");
    drop(front);
    assert_eq!(proxy.join().0, Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let (proxy, listener) = proxy();
    let (mut front, back) = pair(&proxy, &listener);
    proxy.signal("TERM");
    until_refused(front.peer_addr().unwrap());
    proxy.signal("TERM");
    assert_eq!(proxy.join().0, Some(0));
    until_over(&mut front);
    drop(back);
}

#[test]
fn a_name_is_looked_up_for_every_connection() {
    let back = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("localhost:{}", back.local_addr().unwrap().port());
    let proxy = Example::start(NAME, &["--to", &to]);
    for _ in 0..10 {
        let (mut front, back) = pair(&proxy, &back);
        drop(back);
        assert_eq!(read_to_end(&mut front), b"");
    }
    let unknown = Example::start(NAME, &["--to", "nonexistent.invalid:1"]);
    assert_eq!(read_to_end(&mut connect(unknown.client().peer_addr().unwrap())), b"");
}

#[test]
fn bad_arguments_get_one_line_and_exit_2() {
    for arguments in [&[][..], &["--to", "localhost"], &["--to"], &["--to", "a:1", "b:2"]] {
        let output = run_example(NAME, arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    }
}
