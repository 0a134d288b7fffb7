//! The number of concurrent blocking handlers, waiting connections, and the stop of their server.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use socketserver::{BlockingHandler, Limits, Stream};

use crate::modes::blocking::{Probe, busy, echo_lines, server, until_dropped};
use crate::support::real::{PATIENCE, Running, read_to_end, until_refused};

/// Counts itself while it exists.
struct Counted {
    open: Arc<AtomicUsize>,
    together: Arc<Barrier>,
}

impl BlockingHandler for Counted {
    fn handle(&mut self, stream: &mut Stream) -> io::Result<()> {
        self.together.wait();
        stream.write_all(b"served")
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn hundreds_wait_for_four_workers_and_all_are_served() {
    let limits = Limits::default().connections(20);
    let (open, together) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(4)));
    let (tell, told) = channel();
    let server = server(4)
        .limits(limits)
        .listen_blocking("127.0.0.1:0", move |_| {
            // Admitted are no more than may be.
            tell.send(open.fetch_add(1, Ordering::SeqCst)).unwrap();
            Counted { open: Arc::clone(&open), together: Arc::clone(&together) }
        })
        .unwrap();
    let running = Running::start(server);
    let mut clients: Vec<_> = (0..400).map(|_| running.client()).collect();
    for client in &mut clients {
        assert_eq!(read_to_end(client), b"served");
    }
    drop(running);
    let before: Vec<usize> = told.iter().collect();
    assert_eq!(before.len(), 400);
    assert!(before.iter().all(|before| *before < 20), "{before:?}");
}

#[test]
fn stopping_ends_reads_and_not_writes() {
    let (tell, told) = channel();
    let server = server(4)
        .listen_blocking("127.0.0.1:0", move |_| {
            Probe::new(&tell, |stream| {
                echo_lines(stream)?;
                stream.write_all(b"bye")
            })
        })
        .unwrap();
    let running = Running::start(server);
    let mut clients: Vec<_> = (0..4).map(|_| busy(&running)).collect();
    running.handle.stop();
    for client in &mut clients {
        assert_eq!(read_to_end(client), b"bye");
    }
    running.join();
    for _ in 0..4 {
        until_dropped(&told);
    }
    assert!(told.recv_timeout(PATIENCE).is_err());
}

#[test]
fn a_connection_that_waits_for_a_worker_is_served_when_the_server_stops() {
    let (go, gone) = channel::<()>();
    let mut first = Some(gone);
    let server = server(1)
        .listen_blocking("127.0.0.1:0", move |_| {
            let gate = first.take();
            Probe::new(&channel().0, move |stream| {
                stream.write_all(b"hello\n")?;
                stream.flush()?;
                if let Some(gate) = &gate {
                    gate.recv_timeout(PATIENCE).map_err(io::Error::other)?;
                }
                echo_lines(stream)
            })
        })
        .unwrap();
    let running = Running::start(server);
    let mut begun = running.client();
    begun.read_exact(&mut [0; 6]).unwrap();
    let mut waiting: Vec<_> = (0..50).map(|_| running.client()).collect();
    for client in &mut waiting {
        client.write_all(b"asked\n").unwrap();
    }
    running.handle.stop();
    until_refused(running.tcp(0));
    go.send(()).unwrap();
    assert_eq!(read_to_end(&mut begun), b"");
    for client in &mut waiting {
        assert_eq!(read_to_end(client), b"hello\nasked\n");
    }
    running.join();
}

#[test]
fn at_the_deadline_no_handler_is_waited_for() {
    let (go, gone) = channel::<()>();
    let (tell, told) = channel();
    let mut first = Some(gone);
    let server = server(2)
        .listen_blocking("127.0.0.1:0", move |_| match first.take() {
            // Waits for something that no server can interrupt.
            Some(gate) => Probe::new(&tell, move |stream| {
                stream.write_all(b"!")?;
                stream.flush()?;
                gate.recv_timeout(PATIENCE).map_err(io::Error::other)?;
                stream.write_all(b"too late")?;
                stream.flush()
            }),
            // Waits for a peer that reads nothing.
            None => Probe::new(&channel().0, |stream| {
                loop {
                    stream.write_all(&[b'x'; 100_000])?;
                }
            }),
        })
        .unwrap();
    let limits = Limits::default().drain(Duration::from_millis(100));
    let running = Running::start(server.limits(limits));
    let mut stuck = running.client();
    stuck.read_exact(&mut [0]).unwrap();
    let mut stalled = running.client();
    stalled.read_exact(&mut [0]).unwrap();
    let mut waiting = running.client();
    running.handle.stop();
    running.join();
    cut(&mut stuck);
    assert_eq!(read_to_end(&mut waiting), b"");
    // Its thread continues by itself, with a stream that fails.
    go.send(()).unwrap();
    let told = until_dropped(&told);
    assert!(told.iter().any(|it| it.starts_with("error: ")), "{told:?}");
}

#[test]
fn aborting_waits_for_no_handler() {
    let (go, gone) = channel::<()>();
    let mut first = Some(gone);
    let server = server(1)
        .listen_blocking("127.0.0.1:0", move |_| {
            let gate = first.take();
            Probe::new(&channel().0, move |stream| {
                stream.write_all(b"!")?;
                stream.flush()?;
                gate.as_ref()
                    .map_or(Ok(()), |gate| gate.recv_timeout(PATIENCE).map_err(io::Error::other))
            })
        })
        .unwrap();
    let running = Running::start(server);
    let mut client = running.client();
    client.read_exact(&mut [0]).unwrap();
    let mut waiting = running.client();
    running.handle.abort();
    running.join();
    cut(&mut client);
    // It may have been in the queue of the listener.
    let _ = waiting.read_to_end(&mut Vec::new());
    go.send(()).unwrap();
}

/// A handler that waits for input has sent all of its answer. It may be about to wait when the
/// server aborts, so one of several must be seen to wait.
#[test]
fn aborting_ends_a_connection_without_work_in_good_order() {
    let ends_well = |_| {
        let server = server(1)
            .listen_blocking("127.0.0.1:0", move |_| {
                Probe::new(&channel().0, move |stream| {
                    stream.write_all(b"!")?;
                    stream.read_exact(&mut [0])
                })
            })
            .unwrap();
        let running = Running::start(server);
        let mut client = running.client();
        client.read_exact(&mut [0]).unwrap();
        running.handle.abort();
        running.join();
        matches!(client.read(&mut [0]), Ok(0))
    };
    assert!((0..20).any(ends_well));
}

/// The handler of this client had more to send.
#[track_caller]
fn cut(client: &mut TcpStream) {
    let end = client.read(&mut [0]);
    match cfg!(all(target_os = "linux", feature = "processes")) {
        true => assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset),
        false => assert!(matches!(end, Ok(0) | Err(_))),
    }
}
