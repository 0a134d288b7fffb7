//! The simulation of the services: web, chat and session, on any network.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketserver::services::chat::Chat;
use socketserver::services::session::Session;
use socketserver::services::web::{PendingReply, Response, Web};
use socketserver::testkit::{Action, End, Random, Script, Simulation, seeds};
use socketserver::{Close, Context, Handler, Incoming, Notification, ServerHandle, Service};

use crate::sim::echo::Talker;

/// Sends requests without waiting for the answers, and checks each answer.
struct Browser {
    requests: Vec<Vec<u8>>,
    /// The bodies of the answers still to come.
    bodies: Vec<Vec<u8>>,
    came: Vec<u8>,
    answers: usize,
    was_late: bool,
}

impl Browser {
    fn new(random: &mut Random) -> Browser {
        let (mut requests, mut bodies) = (Vec::new(), Vec::new());
        for n in 0..random.below(8) {
            let text = "x".repeat(random.below(600));
            let (request, body) = match random.below(6) {
                0 => (format!("GET /n/{n} HTTP/1.1\r\nHost: a\r\n\r\n"), n.to_string()),
                1 => (format!("GET /late/{n} HTTP/1.1\r\nHost: a\r\n\r\n"), n.to_string()),
                2 => (format!("GET /offload/{n} HTTP/1.1\r\nHost: a\r\n\r\n"), n.to_string()),
                3 => ("GET /large HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "y".repeat(3000)),
                4 => (
                    format!(
                        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{text}",
                        text.len()
                    ),
                    text,
                ),
                _ => (
                    format!(
                        "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                         {}{:x}\r\n{text}!\r\n0\r\n\r\n",
                        "1\r\n-\r\n",
                        text.len() + 1,
                    ),
                    format!("-{text}!"),
                ),
            };
            requests.push(request.into_bytes());
            bodies.push(body.into_bytes());
        }
        Browser { requests, bodies, came: Vec::new(), answers: 0, was_late: false }
    }
}

impl Script for Browser {
    fn next(&mut self, random: &mut Random) -> Action {
        match self.requests.is_empty() {
            _ if random.one_in(200) => Action::Reset,
            false => Action::Send(self.requests.remove(0)),
            // A client that half-closes before the answers have come gets them all the same.
            true if self.answers == self.bodies.len() || random.one_in(10) => Action::Shut,
            true => Action::Wait,
        }
    }

    fn received(&mut self, bytes: &[u8]) {
        self.came.extend(bytes);
        while let Some(end) = self.came.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = std::str::from_utf8(&self.came[..end]).unwrap();
            let field = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let field = field.or(head.lines().find_map(|l| l.strip_prefix("content-length: ")));
            let len: usize = field.expect("a length").parse().unwrap();
            let Some(body) = self.came.get(end + 4..end + 4 + len) else { return };
            assert!(!self.was_late, "an answer behind the last one");
            // A request that takes too long is answered with 408, and the connection is closed.
            self.was_late = head.starts_with("HTTP/1.1 408 ");
            assert!(self.was_late || head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
            if !self.was_late {
                assert!(
                    self.bodies.get(self.answers).is_some_and(|wanted| wanted == body),
                    "{head}"
                );
                self.answers += 1;
            }
            self.came.drain(..end + 4 + len);
        }
    }

    fn ended(&mut self, end: &End) {
        if let End::Whole(why) = end {
            let is_complete = self.answers == self.bodies.len();
            assert!(is_complete || self.was_late, "answers are missing: {why}");
            assert!(self.came.is_empty(), "half an answer");
        }
    }
}

fn web() -> Web {
    Web::new()
        .get("/n/{n}", |request, reply| reply.text(request.param("n").unwrap_or("")))
        .get("/late/{n}", |request, reply| {
            let n = request.param("n").unwrap_or("");
            reply.after(Duration::from_millis(30)).text(n)
        })
        .get("/offload/{n}", |request, reply| {
            let n = request.param("n").unwrap_or("").to_owned();
            reply.offload(move || Ok(Response::new(200).text(n)))
        })
        .get("/large", |_, reply| reply.text("y".repeat(3000)))
        .any("/echo", |request, reply| reply.bytes("text/plain", request.body()))
}

#[test]
fn each_request_has_its_answer() {
    seeds(0..200, |seed| drop(Simulation::new(seed).run(web(), Browser::new)));
}

/// Routes that keep their replies, which are answered at any time by another thread, and at the
/// latest with the next request.
fn kept(waiting: &Arc<Mutex<Vec<(String, PendingReply)>>>) -> Web {
    let (keep, go_on) = (Arc::clone(waiting), Arc::clone(waiting));
    Web::new()
        .get("/{kind}/{n}", move |request, reply| {
            let n = request.param("n").unwrap_or("").to_owned();
            let (pending, answered) = reply.keep();
            keep.lock().unwrap().push((n, pending));
            answered
        })
        .get("/large", |_, reply| reply.text("y".repeat(3000)))
        .any("/echo", |request, reply| reply.bytes("text/plain", request.body()))
        .guard(move |_| {
            answer_all(&go_on);
            Ok(())
        })
}

fn answer_all(waiting: &Mutex<Vec<(String, PendingReply)>>) {
    for (n, pending) in std::mem::take(&mut *waiting.lock().unwrap()) {
        let is_gone = pending.is_gone();
        assert_ne!(pending.send(Response::new(200).text(n)), is_gone);
    }
}

/// A connection of the web service, on which a worker answers whatever replies are kept.
struct Answering(Box<dyn Handler>, Arc<Mutex<Vec<(String, PendingReply)>>>);

impl Handler for Answering {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let result = self.0.on_data(input, cx);
        if !self.1.lock().unwrap().is_empty() {
            let waiting = Arc::clone(&self.1);
            cx.offload(move || answer_all(&waiting));
        }
        result
    }

    fn on_drain(&mut self, cx: &mut Context<'_>) {
        self.0.on_drain(cx);
    }

    fn on_timer(&mut self, key: u64, cx: &mut Context<'_>) {
        self.0.on_timer(key, cx);
    }

    fn on_notify(&mut self, note: Notification, cx: &mut Context<'_>) {
        self.0.on_notify(note, cx);
    }

    fn on_reject(&mut self, why: &Close, cx: &mut Context<'_>) {
        self.0.on_reject(why, cx);
    }

    fn on_stop(&mut self, cx: &mut Context<'_>) {
        self.0.on_stop(cx);
    }
}

#[test]
fn a_kept_reply_is_answered_by_other_threads() {
    seeds(0..200, |seed| {
        let waiting = Arc::default();
        let mut web = kept(&waiting);
        let service =
            |incoming: Incoming| Some(Answering(web.accept(incoming)?, Arc::clone(&waiting)));
        let answer = |_: &ServerHandle, _: &mut Random| answer_all(&waiting);
        drop(Simulation::new(seed).commands(answer).run(service, Browser::new));
    });
}

#[test]
fn a_session_answers_each_line() {
    // A line that takes longer than half a second counts without its end, which then belongs to it.
    // Therefore only commands of one byte have the same meaning however late the rest of them
    // comes.
    let client = |random: &mut Random| {
        let mut to_say = vec![b"\n".to_vec()];
        let mut expected = "我是多线程请重新输入.".to_owned();
        for _ in 0..random.below(30) {
            let zero = random.one_in(2);
            to_say.push(if zero { b"0\n" } else { b"1\n" }.to_vec());
            expected += if zero { "您输入的是0" } else { "请重新输入." };
        }
        Talker::new(to_say, expected.into_bytes())
    };
    seeds(0..200, |seed| drop(Simulation::new(seed).run(|_| Session::new(), client)));
}

/// Sends numbered lines, and checks the order of those of others.
struct Member {
    to_say: usize,
    said: usize,
    came: Vec<u8>,
    /// The last number of each other member.
    heard: BTreeMap<String, usize>,
}

impl Member {
    fn new(random: &mut Random) -> Member {
        Member { to_say: random.below(12), said: 0, came: Vec::new(), heard: BTreeMap::new() }
    }

    fn hear(&mut self, line: &str) {
        if line.starts_with("* ") {
            return;
        }
        let (who, what) = line.split_once(": ").expect("nothing else is said");
        let number: usize = what.strip_prefix("第").expect("that was never said").parse().unwrap();
        let last = self.heard.insert(who.to_owned(), number);
        assert!(last.is_none_or(|last| last + 1 == number), "{who}: {last:?}, then {number}");
    }
}

impl Script for Member {
    fn next(&mut self, random: &mut Random) -> Action {
        if random.one_in(3) {
            return Action::Wait;
        }
        if self.said == self.to_say {
            return if random.one_in(30) { Action::Shut } else { Action::Wait };
        }
        if random.one_in(8) {
            return Action::Send(b"/who\n".to_vec());
        }
        self.said += 1;
        Action::Send(format!("第{}\r\n", self.said).into_bytes())
    }

    fn received(&mut self, bytes: &[u8]) {
        self.came.extend(bytes);
        while let Some(end) = self.came.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.came.drain(..=end).collect();
            let line = String::from_utf8(line).expect("whole characters");
            self.hear(line.trim_end_matches(['\n', '\r']));
        }
    }
}

#[test]
fn each_member_of_a_room_gets_the_lines_of_the_others_in_order() {
    seeds(0..200, |seed| drop(Simulation::new(seed).run(Chat::new(), Member::new)));
}
