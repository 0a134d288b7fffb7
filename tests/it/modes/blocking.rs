//! Blocking handlers on real sockets: the order of the calls, and the ends of connections.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use socket2::SockRef;
use socketserver::{Address, BlockingHandler, Limits, Mode, Server, Stream};

use crate::hub::cuts::{End, end_of};
use crate::support::real::{Echo, PATIENCE, Running, connect, read_to_end};

type Part = Box<dyn FnMut(&mut Stream) -> io::Result<()> + Send>;

/// A handler made of closures that reports its calls.
pub(crate) struct Probe {
    told: Sender<String>,
    setup: Part,
    handle: Part,
    finish: Part,
}

fn nothing() -> Part {
    Box::new(|_| Ok(()))
}

impl Probe {
    pub(crate) fn new(
        told: &Sender<String>,
        handle: impl FnMut(&mut Stream) -> io::Result<()> + Send + 'static,
    ) -> Probe {
        let handle = Box::new(handle);
        Probe { told: told.clone(), setup: nothing(), handle, finish: nothing() }
    }

    fn notify(&self, what: &str) {
        let _ = self.told.send(what.to_owned());
    }
}

impl BlockingHandler for Probe {
    fn setup(&mut self, stream: &mut Stream) -> io::Result<()> {
        self.notify("setup");
        (self.setup)(stream)
    }

    fn handle(&mut self, stream: &mut Stream) -> io::Result<()> {
        self.notify("handle");
        (self.handle)(stream)
    }

    fn finish(&mut self, stream: &mut Stream) -> io::Result<()> {
        self.notify("finish");
        (self.finish)(stream)
    }

    fn handle_error(&mut self, error: &io::Error) {
        self.notify(&format!("error: {error}"));
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.notify("dropped");
    }
}

/// The reports up to and including the drop of the handler.
pub(crate) fn until_dropped(told: &Receiver<String>) -> Vec<String> {
    let mut all = Vec::new();
    while all.last().is_none_or(|last| last != "dropped") {
        all.push(told.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            panic!("it was not dropped; it was told {all:?}");
        }));
    }
    all
}

pub(crate) fn server(workers: usize) -> Server {
    Server::new().mode(Mode::Threads(workers))
}

/// Sends lines back until the end of the input.
pub(crate) fn echo_lines(stream: &mut Stream) -> io::Result<()> {
    let mut line = String::new();
    while stream.read_line(&mut line)? > 0 {
        stream.write_all(line.as_bytes())?;
        line.clear();
    }
    Ok(())
}

fn send(client: &mut (impl Read + Write), line: &str) -> String {
    client.write_all(line.as_bytes()).unwrap();
    let mut answer = vec![0; line.len()];
    client.read_exact(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

/// A client that has exchanged a line.
pub(crate) fn busy(running: &Running) -> TcpStream {
    let mut client = running.client();
    assert_eq!(send(&mut client, "hello\n"), "hello\n");
    client
}

#[test]
fn setup_handle_and_finish_come_in_this_order() {
    let (tell, told) = channel();
    let server = server(1)
        .listen_blocking("127.0.0.1:0", move |_| {
            let mut probe = Probe::new(&tell, |stream| {
                stream.write_all(b"handle ")?;
                echo_lines(stream)
            });
            probe.setup = Box::new(|stream| stream.write_all(b"setup "));
            probe.finish = Box::new(|stream| stream.write_all(b"finish"));
            probe
        })
        .unwrap();
    let running = Running::start(server);
    let mut client = running.client();
    client.write_all(b"one\ntwo\n").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut client), b"setup handle one\ntwo\nfinish");
    assert_eq!(until_dropped(&told), ["setup", "handle", "finish", "dropped"]);
}

#[test]
fn a_question_is_sent_before_the_answer_is_waited_for() {
    let server = server(1)
        .listen_blocking("127.0.0.1:0", |_| {
            Probe::new(&channel().0, |stream| {
                write!(stream, "name? ")?;
                let mut name = String::new();
                stream.read_line(&mut name)?;
                write!(stream, "hello {name}")
            })
        })
        .unwrap();
    let running = Running::start(server);
    let mut client = running.client();
    let mut question = [0; 6];
    client.read_exact(&mut question).unwrap();
    assert_eq!(&question, b"name? ");
    client.write_all(b"you\n").unwrap();
    assert_eq!(read_to_end(&mut client), b"hello you\n");
}

#[test]
fn a_stream_knows_both_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let ends = |stream: &mut Stream| {
        let here = stream.local_address().clone();
        write!(stream, "{} {here}", stream.peer().clone())
    };
    let unix = Address::Unix(path.clone());
    let server = server(2)
        .listen_blocking(["127.0.0.1:0".to_owned(), unix.to_string()], move |_| {
            Probe::new(&channel().0, ends)
        })
        .unwrap();
    let running = Running::start(server);
    let mut client = running.client();
    let expected = format!("{} {}", client.local_addr().unwrap(), running.addresses[0]);
    assert_eq!(String::from_utf8(read_to_end(&mut client)).unwrap(), expected);
    let mut client = UnixStream::connect(&path).unwrap();
    let expected = format!("unix {unix}");
    assert_eq!(String::from_utf8(read_to_end(&mut client)).unwrap(), expected);
}

#[test]
fn finish_comes_after_an_error_and_a_panic_too() {
    let (tell, told) = channel();
    let mut count = 0;
    let server = server(1)
        .listen_blocking("127.0.0.1:0", move |_| {
            count += 1;
            let place = count;
            let fail = move |number: i32, stream: &mut Stream| {
                write!(stream, "{number}")?;
                assert!(place != 10 * number, "asked to");
                if place == number { Err(io::Error::other(format!("no {number}"))) } else { Ok(()) }
            };
            let mut probe = Probe::new(&tell, move |stream| fail(2, stream));
            probe.setup = Box::new(move |stream| fail(1, stream));
            probe.finish = Box::new(move |stream| fail(3, stream));
            probe
        })
        .unwrap();
    let running = Running::start(server);
    for place in 1..=30 {
        let (said, expected): (&[u8], &[&str]) = match place {
            1 => (b"1", &["setup", "error: no 1"]),
            2 => (b"123", &["setup", "handle", "finish", "error: no 2"]),
            3 => (b"123", &["setup", "handle", "finish", "error: no 3"]),
            10 => (b"1", &["setup"]),
            _ => (b"123", &["setup", "handle", "finish"]),
        };
        assert_eq!(read_to_end(&mut running.client()), said, "{place}");
        assert_eq!(until_dropped(&told), [expected, &["dropped"]].concat(), "{place}");
    }
}

#[test]
fn a_panic_in_the_last_calls_costs_no_worker() {
    /// Panics in the calls whose results are not used.
    struct Late;
    impl BlockingHandler for Late {
        fn handle(&mut self, stream: &mut Stream) -> io::Result<()> {
            stream.write_all(b"late")?;
            Err(io::Error::other("gave up"))
        }
        fn handle_error(&mut self, _: &io::Error) {
            panic!("asked to, when told of an error");
        }
    }
    impl Drop for Late {
        fn drop(&mut self) {
            panic!("asked to, when dropped");
        }
    }
    let running = Running::start(server(1).listen_blocking("127.0.0.1:0", |_| Late).unwrap());
    for _ in 0..3 {
        assert_eq!(read_to_end(&mut running.client()), b"late");
    }
}

#[test]
fn a_refused_connection_is_closed_and_a_panic_of_the_service_is_survived() {
    let mut count = 0;
    let server = server(1)
        .listen_blocking("127.0.0.1:0", move |_| {
            count += 1;
            assert!(count != 2, "asked to");
            (count == 3).then(|| Probe::new(&channel().0, |stream| stream.write_all(b"come in")))
        })
        .unwrap();
    let running = Running::start(server);
    for expected in [&b""[..], b"", b"come in"] {
        assert_eq!(read_to_end(&mut running.client()), expected);
    }
}

#[test]
fn a_wait_for_input_has_an_end() {
    let (tell, told) = channel();
    let limits = Limits::default().idle(Some(Duration::from_millis(20)));
    let server = server(1)
        .limits(limits)
        .listen_blocking("127.0.0.1:0", move |_| {
            Probe::new(&tell, |stream| {
                assert_eq!(stream.read_timeout()?, Some(Duration::from_millis(20)));
                let error = stream.read(&mut [0; 8]).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::TimedOut);
                // Nothing is broken by that.
                stream.set_read_timeout(None)?;
                stream.write_all(b"?")?;
                let mut byte = [0];
                stream.read_exact(&mut byte)?;
                stream.write_all(&byte)?;
                stream.set_read_timeout(Some(Duration::from_millis(10)))?;
                stream.read_exact(&mut byte)
            })
        })
        .unwrap();
    let running = Running::start(server);
    let mut client = running.client();
    client.read_exact(&mut [0]).unwrap();
    client.write_all(b"!").unwrap();
    assert_eq!(read_to_end(&mut client), b"!");
    let told = until_dropped(&told);
    assert_eq!(told[..3], ["setup", "handle", "finish"]);
    assert!(told[3].contains("timed out"), "{told:?}");
}

#[test]
fn a_wait_for_a_peer_that_reads_nothing_has_an_end() {
    let (tell, told) = channel();
    let limits = Limits::default().write_stall(Some(Duration::from_millis(50)));
    let server = server(1)
        .limits(limits)
        .listen_blocking("127.0.0.1:0", move |_| {
            let mut probe = Probe::new(&tell, |stream| {
                loop {
                    stream.write_all(&[b'x'; 100_000])?;
                }
            });
            // After one failure, the stream does not wait again.
            probe.finish = Box::new(|stream| {
                assert_eq!(
                    stream.write(&[b'x'; 100_000]).unwrap_err().kind(),
                    ErrorKind::BrokenPipe
                );
                Ok(())
            });
            probe
        })
        .unwrap();
    let running = Running::start(server);
    let client = running.client();
    let told = until_dropped(&told);
    assert_eq!(told[..3], ["setup", "handle", "finish"]);
    assert!(told[3].contains("timed out"), "{told:?}");
    // Output is lost, and looks so.
    assert_eq!(end_of(client), End::Cut);
}

#[test]
fn input_that_has_arrived_is_read_after_a_failed_write() {
    let ((go, gone), (tell, told)) = (channel::<()>(), channel());
    let mut gates = Some(gone);
    let server = server(1)
        .listen_blocking("127.0.0.1:0", move |_| {
            let (gate, heard) = (gates.take(), tell.clone());
            Probe::new(&tell, move |stream| {
                let _ = gate.as_ref().map(Receiver::recv);
                stream.write_all(b"welcome")?;
                for line in stream.lines() {
                    heard.send(line?).map_err(io::Error::other)?;
                }
                Ok(())
            })
        })
        .unwrap();
    let running = Running::start(server);
    let mut client = running.client();
    client.write_all(b"one\ntwo\n").unwrap();
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    go.send(()).unwrap();
    let told = until_dropped(&told);
    assert_eq!(told[..5], ["setup", "handle", "one", "two", "finish"], "{told:?}");
    assert!(told[5].starts_with("error: "), "{told:?}");
}

#[test]
fn an_answer_survives_unread_input() {
    let server = server(1)
        .listen_blocking("127.0.0.1:0", |_| {
            Probe::new(&channel().0, |stream| {
                stream.read_exact(&mut [0])?;
                stream.write_all(b"enough")
            })
        })
        .unwrap();
    let running = Running::start(server);
    for len in [2, 100_000, 200_000] {
        let mut client = running.client();
        client.write_all(&vec![b'x'; len]).unwrap();
        assert_eq!(read_to_end(&mut client), b"enough");
    }
}

#[test]
fn a_client_that_goes_on_sending_occupies_no_worker() {
    let server = server(1)
        .listen_blocking("127.0.0.1:0", |_| {
            Probe::new(&channel().0, |stream| {
                stream.read_exact(&mut [0])?;
                stream.write_all(b"enough")
            })
        })
        .unwrap();
    let limits = Limits::default().linger(Duration::from_secs(3600));
    let running = Running::start(server.limits(limits));
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut client = running.client();
        client.write_all(b"xx").unwrap();
        assert_eq!(read_to_end(&mut client), b"enough");
        held.push(client);
    }
}

#[test]
fn events_and_requests_are_served_side_by_side() {
    let server = server(1)
        .listen_blocking("127.0.0.1:0", |_| Probe::new(&channel().0, echo_lines))
        .unwrap()
        .listen("127.0.0.1:0", |_| Echo)
        .unwrap();
    let running = Running::start(server);
    let (mut waits, mut turns) = (running.client(), connect(running.tcp(1)));
    for _ in 0..3 {
        assert_eq!(send(&mut waits, "hello\n"), "hello\n");
        assert_eq!(send(&mut turns, "hello\n"), "hello\n");
    }
    running.handle.stop();
    assert_eq!(read_to_end(&mut waits), b"");
    assert_eq!(read_to_end(&mut turns), b"");
    running.join();
}

#[test]
fn without_workers_or_with_packets_it_does_not_start() {
    for mode in [Mode::Multiplex, Mode::Threads(0)] {
        let server = server(1)
            .mode(mode)
            .listen_blocking("127.0.0.1:0", |_| Probe::new(&channel().0, echo_lines))
            .unwrap();
        let error = server.run().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("Mode::Threads"), "{error}");
    }
    #[cfg(target_os = "linux")]
    {
        let folder = tempfile::tempdir().unwrap();
        let path = Address::SeqPacket(folder.path().join("socket"));
        let server = Server::new().mode(Mode::Threads(1));
        let server =
            server.listen_blocking(path, |_| Probe::new(&channel().0, echo_lines)).unwrap();
        assert!(server.run().unwrap_err().to_string().contains("packets"));
    }
    let server = Server::new().mode(Mode::Threads(1));
    let error = server
        .listen_blocking("udp:127.0.0.1:0", |_| Probe::new(&channel().0, echo_lines))
        .unwrap_err();
    assert!(error.to_string().contains("is for datagrams"), "{error}");
}

#[test]
fn a_peer_that_vanishes_frees_its_worker() {
    let running = Running::start(
        server(1).listen_blocking("127.0.0.1:0", |_| Probe::new(&channel().0, echo_lines)).unwrap(),
    );
    for _ in 0..20 {
        let client = busy(&running);
        SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    }
    busy(&running);
}
