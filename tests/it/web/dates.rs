//! The dates of answers after calls that have blocked.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use socketserver::services::web::Web;
use socketserver::{Mode, Server};

use crate::support::real::{Running, read_answer, soon};

/// Longer than a second, which is the age that a date may have.
const BLOCKS: Duration = Duration::from_millis(1100);

/// Returns the seconds of the hour in a date (RFC 9110, section 5.6.7).
fn seconds(date: &str) -> u64 {
    let (_, clock) = date.split_once(':').unwrap();
    let (minutes, seconds) = clock.split_once(':').unwrap();
    minutes.parse::<u64>().unwrap() * 60 + seconds[..2].parse::<u64>().unwrap()
}

/// Returns the time from one second of an hour to the next one.
fn between(from: u64, to: u64) -> u64 {
    (to + 3600 - from) % 3600
}

#[test]
fn dates_are_of_the_call_and_not_of_a_turn_of_calls_that_block() {
    for mode in [Mode::Multiplex, Mode::Threads(1)] {
        let (begin, begun) = channel();
        let (record, records) = channel();
        let (begin, record) = (Mutex::new(begin), Mutex::new(record));
        let web = Web::new()
            .get("/", move |_, reply| {
                begin.lock().unwrap().send(()).unwrap();
                let (_silent, never) = channel::<()>();
                let _ = never.recv_timeout(BLOCKS);
                reply.text("done")
            })
            .on_answer(move |answered| {
                record.lock().unwrap().send(answered.unix_seconds()).unwrap();
            });
        let server = Server::new().listen("127.0.0.1:0", web).unwrap();
        let server = Running::start(server.mode(mode));
        let mut clients: Vec<TcpStream> = (0..4).map(|_| server.client()).collect();
        let request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
        clients[0].write_all(request).unwrap();
        soon(&begun);
        // The first call holds the loop, or the only worker, until the other requests have come.
        clients[1..].iter_mut().for_each(|client| client.write_all(request).unwrap());
        let dates: Vec<u64> = clients
            .iter_mut()
            .map(|client| seconds(read_answer(client, "GET").field("date").unwrap()))
            .collect();
        let mut late: Vec<u64> = dates[1..].iter().map(|it| between(dates[0], *it)).collect();
        late.sort_unstable();
        assert!(late[2] - late[0] >= 2, "{mode:?}: {late:?}");
        let records: Vec<u64> = (0..4).map(|_| soon(&records)).collect();
        assert!(records[3] - records[1] >= 2, "{mode:?}: {records:?}");
    }
}
