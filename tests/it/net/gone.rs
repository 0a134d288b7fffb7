//! Peers of Unix sockets that have gone while their answer is not ready: the system tells, and the
//! connection ends at once. A peer that has only ended its output still gets the answer.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketserver::services::web::{Response, Web};
use socketserver::{Close, Context, Handler, Id, Mode, Notification, Server};

use crate::support::real::{Running, read_to_end, soon, wait_no_longer_than_patience};
use crate::support::waiting::until_equal;

const HOUR: Duration = Duration::from_secs(3600);

fn get(path: &Path, target: &str) -> UnixStream {
    let mut client = UnixStream::connect(path).unwrap();
    wait_no_longer_than_patience(&client);
    write!(client, "GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    client
}

/// A site whose answers come after an hour, when the owner of the reply answers, or when a worker
/// may go on.
fn site(begun: Sender<()>, go_on: Receiver<()>) -> Web {
    let go_on = Arc::new(Mutex::new(go_on));
    let (after, kept, offloaded) = (begun.clone(), begun.clone(), begun);
    let pending = Mutex::new(Vec::new());
    Web::new()
        .get("/after", move |_, reply| {
            after.send(()).unwrap();
            reply.after(HOUR).text("late")
        })
        .get("/keep", move |_, reply| {
            let (kept_reply, answered) = reply.keep();
            pending.lock().unwrap().push(kept_reply);
            kept.send(()).unwrap();
            answered
        })
        .get("/offload", move |_, reply| {
            let (go_on, begun) = (Arc::clone(&go_on), offloaded.clone());
            reply.offload(move || {
                begun.send(()).unwrap();
                go_on.lock().unwrap().recv().unwrap();
                Ok(Response::new(200).text("worked"))
            })
        })
}

#[test]
fn a_peer_that_has_gone_is_noticed_before_its_answer_is_ready() {
    for mode in [Mode::Multiplex, Mode::Threads(2), Mode::Reactors(2)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let (begin, begun) = channel();
        let (go, go_on) = channel();
        let server = Server::new().listen(&*path, site(begin, go_on)).unwrap();
        let server = Running::start(server.mode(mode));
        for target in ["/after", "/keep", "/offload"] {
            let client = get(&path, target);
            soon(&begun);
            drop(client);
            until_equal(&format!("{mode:?}: {target} has ended"), 0, || {
                server.handle.metrics().open()
            });
        }
        go.send(()).unwrap();
    }
}

/// Takes its time, and sends nothing.
struct Slow(Vec<u8>, Sender<Id>, Sender<(Vec<u8>, Close)>);

impl Handler for Slow {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.finish();
        cx.pause();
        self.1.send(cx.id()).unwrap();
    }

    fn on_timer(&mut self, _: u64, cx: &mut Context<'_>) {
        cx.resume();
    }

    fn on_notify(&mut self, _: Notification, cx: &mut Context<'_>) {
        cx.resume();
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        self.0.push(input[0]);
        cx.pause();
        cx.set_timer(0, Duration::from_millis(1));
        Ok(1)
    }

    fn on_close(&mut self, why: &Close, _: &mut Context<'_>) {
        self.2.send((std::mem::take(&mut self.0), why.clone())).unwrap();
    }
}

/// Both directions are shut, but one of them by the server: the input counts.
#[test]
fn input_of_a_peer_counts_after_the_server_has_ended_its_output() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let ((opened, opens), (ended, ends)) = (channel(), channel());
    let service = move |_| Slow(Vec::new(), opened.clone(), ended.clone());
    let server = Running::start(Server::new().listen(&*path, service).unwrap());
    let mut client = UnixStream::connect(&path).unwrap();
    wait_no_longer_than_patience(&client);
    assert_eq!(read_to_end(&mut client), b"");
    client.write_all(b"words").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    server.handle.notify(soon(&opens), ()).unwrap();
    assert_eq!(soon(&ends), (b"words".to_vec(), Close::Eof));
}

#[test]
fn a_peer_that_has_only_ended_its_output_gets_its_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let web = Web::new().get("/", |_, reply| reply.after(Duration::from_millis(50)).text("late"));
    let _server = Running::start(Server::new().listen(&*path, web).unwrap());
    let mut client = get(&path, "/");
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("late"), "{answer}");
}
