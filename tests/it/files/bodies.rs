//! The bytes of files: from memory, streamed, and read by workers.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use socketserver::services::files::Files;
use socketserver::services::web::Web;
use socketserver::testkit::{Client, Network};
use socketserver::{Limits, Mode, Server};

use super::{client, date, directory, put};
use crate::support::http::{answers, connect};
use crate::support::real::{Running, get, read_to_end};

const REQUEST: &[u8] = b"GET /f/big HTTP/1.1\r\nHost: h\r\n\r\n";

const LAST_REQUEST: &[u8] = b"GET /f/big HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

fn noise(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8).collect()
}

/// Reads as long as something comes.
fn receive_all(network: &mut Network, client: Client) -> Vec<u8> {
    let mut all = network.received(client);
    loop {
        network.settle();
        match network.received(client) {
            more if more.is_empty() => return all,
            more => all.extend(more),
        }
    }
}

fn running(files: Files) -> Running {
    let web = Web::new().files("/f", files).get("/plain", |_, reply| reply.text("hello"));
    Running::serve(Server::bind("127.0.0.1:0").unwrap(), web)
}

#[test]
fn files_of_all_lengths_arrive_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut client = client(dir.path());
    for len in [0, 1, 65_535, 65_536, 65_537, 131_072, 131_073, 1_000_000] {
        put(dir.path(), "big", noise(len));
        let answer = client.get("/f/big");
        assert_eq!(answer.header("content-length"), Some(&*len.to_string()));
        assert!(answer.body() == noise(len), "{len}");
    }
}

#[test]
fn a_part_of_a_file_may_be_longer_than_the_output_limits() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "big", noise(2_500_000));
    for (low, high, hard) in [(0, 1, 1), (0, 60_000, 60_000), (500_000, 600_000, 600_000)] {
        let limits = Limits::default().output_low(low).output_high(high).output_hard(hard);
        for window in [usize::MAX, 100_000] {
            let mut network = Network::new(limits.clone());
            let mut web = Web::new().files("/f", Files::new(dir.path()).unwrap());
            let client = connect(&mut network, &mut web);
            network.window(client, window);
            network.send(client, &REQUEST.repeat(3));
            network.settle();
            let answers = answers(&["GET"; 3], &receive_all(&mut network, client));
            let is_whole = answers.iter().all(|answer| answer.body == noise(2_500_000));
            assert!(answers.len() == 3 && is_whole, "{low} {high} {hard} {window}");
        }
    }
}

#[test]
fn a_large_file_waits_for_its_reader() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "big", noise(4_000_000));
    let reads = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&reads);
    let files = Files::new(dir.path()).unwrap().read_by(move |file, space, offset| {
        counter.fetch_add(1, Ordering::Relaxed);
        file.read_at(space, offset)
    });
    let mut network = Network::new(Limits::default());
    let client = connect(&mut network, &mut Web::new().files("/f", files));
    network.window(client, 0);
    network.send(client, REQUEST);
    network.settle();
    // `output_high` and one portion.
    assert!(reads.load(Ordering::Relaxed) <= 3, "{reads:?}");
    network.window(client, usize::MAX);
    assert!(receive_all(&mut network, client).ends_with(&noise(4_000_000)));
}

#[test]
fn a_file_that_shrinks_ends_its_connection_by_a_reset() {
    for is_slow in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "big", noise(4_000_000));
        let mut files = Files::new(dir.path()).unwrap();
        if is_slow {
            files = files.read_by(|file, space, offset| file.read_at(space, offset));
        }
        let mut network = Network::new(Limits::default());
        let client = connect(&mut network, &mut Web::new().files("/f", files));
        network.window(client, 0);
        network.send(client, REQUEST);
        network.settle();
        File::options().write(true).open(dir.path().join("big")).unwrap().set_len(500_000).unwrap();
        network.window(client, usize::MAX);
        let said = receive_all(&mut network, client);
        assert!(network.is_reset(client), "{is_slow}");
        assert!(said.len() < 501_000, "{is_slow}: {}", said.len());
    }
}

#[test]
fn a_file_that_shrinks_is_noticed_by_the_system() {
    let dir = tempfile::tempdir().unwrap();
    let file = File::create(dir.path().join("big")).unwrap();
    file.set_len(1 << 28).unwrap();
    let server = running(Files::new(dir.path()).unwrap());
    let mut stream = server.client();
    stream.write_all(REQUEST).unwrap();
    stream.read_exact(&mut [0; 1000]).unwrap();
    file.set_len(0).unwrap();
    let mut rest = Vec::new();
    let error = stream.read_to_end(&mut rest).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(rest.len() < 1 << 28);
}

#[test]
#[cfg(target_os = "linux")]
fn the_head_leaves_with_the_first_bytes_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "big", noise(1_000_000));
    let server = running(Files::new(dir.path()).unwrap());
    let mut stream = server.client();
    for _ in 0..20 {
        stream.write_all(REQUEST).unwrap();
        let mut first = vec![0; 2_000_000];
        let len = stream.read(&mut first).unwrap();
        let head = first.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        assert!(len > head, "{len}");
        stream.read_exact(&mut first[..head + 1_000_000 - len]).unwrap();
    }
}

#[test]
fn files_keep_their_place_among_other_answers() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "big", noise(600_000));
    put(dir.path(), "a.txt", "small");
    let parts = "GET /f/big HTTP/1.1\r\nHost: h\r\nRange: bytes=0-99999,200000-299999\r\n\r\n";
    let small = "GET /f/a.txt HTTP/1.1\r\nHost: h\r\n\r\n";
    let big = "GET /f/big HTTP/1.1\r\nHost: h\r\n\r\n";
    let input = [small, big, small, parts, big, big, small].concat();
    for (window, grain) in [(usize::MAX, usize::MAX), (100_000, usize::MAX), (5000, 777)] {
        let mut network = Network::new(Limits::default());
        let web = Web::new().files("/f", Files::new(dir.path()).unwrap());
        let client = connect(&mut network, &mut { web });
        network.window(client, window);
        network.grain(client, grain);
        network.send(client, input.as_bytes());
        network.settle();
        let answers = answers(&["GET"; 7], &receive_all(&mut network, client));
        for (at, answer) in answers.iter().enumerate() {
            match at {
                0 | 2 | 6 => assert_eq!(answer.text(), "small"),
                3 => {
                    let holds = |range: std::ops::Range<usize>| {
                        let part = &noise(600_000)[range];
                        answer.body.windows(part.len()).any(|window| window == part)
                    };
                    assert!(holds(0..100_000) && holds(200_000..300_000));
                }
                _ => assert!(answer.body == noise(600_000)),
            }
        }
    }
}

#[test]
fn a_change_of_a_small_file_is_noticed() {
    let dir = directory(&[("a.txt", "one")]);
    let server = running(Files::new(dir.path()).unwrap());
    let mut stream = server.client();
    for content in ["two", "six", "three", ""] {
        put(dir.path(), "a.txt", content);
        for _ in 0..3 {
            assert_eq!(get(&mut stream, "/f/a.txt").text(), content);
        }
    }
    put(dir.path(), "new", "renamed");
    std::fs::rename(dir.path().join("new"), dir.path().join("a.txt")).unwrap();
    date(&dir.path().join("a.txt"), super::MODIFIED);
    assert_eq!(get(&mut stream, "/f/a.txt").text(), "renamed");
}

#[test]
fn a_slow_disk_delays_no_other_request() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "big", noise(300_000));
    let (reading, started) = channel();
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    let files = Files::new(dir.path()).unwrap().read_by(move |file, space, offset| {
        let _ = reading.send(());
        let _ = released.lock().unwrap().recv();
        file.read_at(space, offset)
    });
    let server = running(files);
    let mut slow = server.client();
    slow.write_all(LAST_REQUEST).unwrap();
    started.recv().unwrap();
    let mut quick = server.client();
    for _ in 0..100 {
        assert_eq!(get(&mut quick, "/plain").text(), "hello");
    }
    drop(release);
    assert!(read_to_end(&mut slow).ends_with(&noise(300_000)));
}

#[test]
fn every_mode_sends_files() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "big", noise(1_000_000));
    for mode in [Mode::Multiplex, Mode::Threads(2), Mode::Reactors(2)] {
        let web = Web::new().files("/f", Files::new(dir.path()).unwrap());
        let server = Server::bind("127.0.0.1:0").unwrap().mode(mode);
        let running = Running::serve(server, web);
        let mut stream = running.client();
        stream.write_all(&[REQUEST, LAST_REQUEST].concat()).unwrap();
        let said = read_to_end(&mut stream);
        assert!(said.len() > 2_000_000 && said.ends_with(&noise(1_000_000)), "{mode:?}");
    }
}
