//! Answers that are made elsewhere: offloaded work that chooses its status, and replies that are
//! kept and answered by whatever the process does.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use socketserver::services::web::{Answered, Failure, PendingReply, Reply, Request, Response, Web};
use socketserver::testkit::{Network, WebClient};
use socketserver::{Limits, Mode, Server};

use crate::support::http::{answers, connect};
use crate::support::log::{listen, records};
use crate::support::real::{Running, get, read_answer};
use crate::support::waiting::until;

type Waiting = Arc<Mutex<Vec<PendingReply>>>;

fn wait(request: &Request<'_, Waiting>, reply: Reply<'_>) -> Answered {
    let (pending, answered) = reply.header("x-kept", "yes").keep();
    request.state().lock().unwrap().push(pending);
    answered
}

fn publish(request: &Request<'_, Waiting>, reply: Reply<'_>) -> Answered {
    let waiting = std::mem::take(&mut *request.state().lock().unwrap());
    let sent = waiting
        .into_iter()
        .map(|pending| pending.send(Response::new(203).bytes("text/news", request.body())));
    reply.text(sent.filter(|sent| *sent).count().to_string())
}

fn news() -> (Web<Waiting>, Waiting) {
    let waiting = Waiting::default();
    let web = Web::with_state(Arc::clone(&waiting))
        .get("/news", wait)
        .post("/news", publish)
        .get("/fails", |request, reply| {
            let _answered = wait(request, reply);
            Err(Failure::new(409, "kept, and failed"))
        })
        .get("/now", |_, reply| reply.text("now"));
    (web, waiting)
}

fn networks() -> [Network; 3] {
    let limits = Limits::default;
    [Network::new(limits()), Network::with_workers(limits()), Network::with_reactors(limits(), 3)]
}

#[test]
fn the_route_of_another_request_answers_a_kept_reply() {
    for network in networks() {
        let (web, _) = news();
        let mut client = WebClient::on(network, web);
        let kept = [(); 3].map(|()| client.request(Method::GET, "/news").start());
        client.advance(Duration::from_secs(3600));
        assert!(kept.iter().all(|kept| client.answer(*kept).is_none()));
        client.abandon(kept[1]);
        assert_eq!(client.post("/news", "rain").text(), "2");
        for kept in [kept[0], kept[2]] {
            let answer = client.answer(kept).unwrap();
            assert_eq!((answer.status(), answer.text()), (203, "rain"));
            assert_eq!(answer.header("content-type"), Some("text/news"));
            assert_eq!(answer.header("x-kept"), Some("yes"));
        }
    }
}

#[test]
fn a_thread_answers_a_kept_reply() {
    for network in networks() {
        let (web, waiting) = news();
        let mut client = WebClient::on(network, web);
        let kept = client.request(Method::GET, "/news").start();
        let pending = waiting.lock().unwrap().pop().unwrap();
        let thread = std::thread::spawn(move || pending.send(Response::new(200).text("threaded")));
        assert!(thread.join().unwrap());
        assert_eq!(client.answer(kept).unwrap().text(), "threaded");
    }
}

#[test]
fn a_reply_may_be_answered_before_its_route_returns() {
    let web = Web::new()
        .get("/sent", |_, reply| {
            let (pending, answered) = reply.keep();
            assert!(pending.send(Response::new(201).text("at once")));
            answered
        })
        .get("/failed", |_, reply| {
            let (pending, answered) = reply.keep();
            assert!(pending.fail(Failure::new(410, "gone")));
            answered
        })
        .get("/dropped", |_, reply| reply.keep().1);
    let mut client = WebClient::new(web);
    assert_eq!(client.get("/sent").text(), "at once");
    assert_eq!(client.get("/failed").text(), "410 Gone: gone\n");
    assert_eq!(client.get("/dropped").status(), 500);
}

#[test]
fn requests_behind_a_kept_reply_wait_for_it() {
    let (mut web, waiting) = news();
    let mut network = Network::new(Limits::default());
    let client = connect(&mut network, &mut web);
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
    network.send(client, [request("/now"), request("/news"), request("/now")].concat().as_bytes());
    network.settle();
    assert_eq!(answers(&["GET"], &network.received(client))[0].text(), "now");
    let pending = waiting.lock().unwrap().pop().unwrap();
    assert!(!pending.is_gone());
    assert!(pending.send(Response::new(200).text("then")));
    network.settle();
    let answers = answers(&["GET"; 2], &network.received(client));
    assert_eq!([answers[0].text(), answers[1].text()], ["then", "now"]);
    assert!(!network.is_closed(client));
}

#[test]
fn a_kept_reply_knows_that_its_client_has_gone() {
    let (web, waiting) = news();
    let mut client = WebClient::new(web);
    let kept = client.request(Method::GET, "/news").start();
    let pending = waiting.lock().unwrap().pop().unwrap();
    assert!(!pending.is_gone());
    client.abandon(kept);
    assert!(pending.is_gone());
    assert!(!pending.send(Response::default()));
}

#[test]
fn the_reply_of_a_route_that_has_failed_is_void() {
    let (web, waiting) = news();
    let mut client = WebClient::new(web);
    assert_eq!(client.get("/fails").text(), "409 Conflict: kept, and failed\n");
    let pending = waiting.lock().unwrap().pop().unwrap();
    assert!(pending.is_gone() && !pending.send(Response::default()));
}

#[test]
fn a_kept_reply_that_is_dropped_is_500_and_logged_with_its_request() {
    let log = listen();
    let (web, waiting) = news();
    let mut client = WebClient::new(web);
    let kept = client.request(Method::GET, "/news?mark=dropped").start();
    waiting.lock().unwrap().clear();
    assert_eq!(client.answer(kept).unwrap().status(), 500);
    let said = records(&log, "dropped without an answer");
    assert!(said[0].ends_with("GET /news: a kept reply was dropped without an answer"), "{said:?}");
}

#[test]
fn a_server_that_stops_waits_for_kept_replies() {
    let (mut web, waiting) = news();
    let mut network = Network::new(Limits::default());
    let client = connect(&mut network, &mut web);
    network.send(client, b"GET /news HTTP/1.1\r\nHost: h\r\n\r\n");
    network.settle();
    network.stop();
    network.settle();
    assert!(!network.is_closed(client));
    waiting.lock().unwrap().pop().unwrap().send(Response::new(200).text("last"));
    network.settle();
    let answer = answers(&["GET"], &network.received(client)).remove(0);
    assert!(answer.says_close() && network.is_closed(client), "{answer:?}");
}

#[test]
fn offloaded_work_chooses_status_and_fields() {
    let web = Web::new().get("/{n}", |request, reply| {
        let n: u16 = request.param("n").parse()?;
        reply.header("x-reply", "1").offload(move || match n {
            0 => Err(Failure::new(404, "no such\nitem")),
            1 => Err("secret".into()),
            2 => panic!("asked to"),
            3 => Ok(Response::new(200).header("bad name", "x")),
            _ => Ok(Response::new(n).header("x-response", "2").text("made")),
        })
    });
    let mut client = WebClient::new(web);
    assert_eq!(client.get("/0").text(), "404 Not Found: no such\\nitem\n");
    for n in 1..=3 {
        let answer = client.get(&format!("/{n}"));
        assert_eq!((answer.status(), answer.text()), (500, "500 Internal Server Error\n"));
    }
    let answer = client.get("/202");
    assert_eq!((answer.status(), answer.text()), (202, "made"));
    assert_eq!([answer.header("x-reply"), answer.header("x-response")], [Some("1"), Some("2")]);
}

#[test]
fn failures_of_offloaded_work_are_logged_with_their_request() {
    let log = listen();
    let web =
        Web::new().get("/late-log/{what}", |_, reply| reply.offload(|| Err("no disk".into())));
    assert_eq!(WebClient::new(web).get("/late-log/x").status(), 500);
    let said = records(&log, "/late-log/");
    assert!(said[0].ends_with("GET /late-log/x: no disk"), "{said:?}");
}

#[test]
fn kept_replies_are_answered_in_every_mode() {
    for mode in [Mode::Multiplex, Mode::Threads(2), Mode::Reactors(2)] {
        let (web, waiting) = news();
        let server = Server::new().mode(mode).listen("127.0.0.1:0", web).unwrap();
        let running = Running::start(server);
        let mut client = running.client();
        client.write_all(b"GET /news HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        let pending =
            until("the reply is kept", || waiting.lock().unwrap().pop().ok_or("no reply"));
        assert!(pending.send(Response::new(200).text("for real")));
        assert_eq!(read_answer(&mut client, "GET").text(), "for real", "{mode:?}");
        assert_eq!(get(&mut client, "/now").text(), "now");
        drop(client);
        running.handle.stop();
        running.join();
    }
}

#[test]
fn an_answer_that_takes_too_long_is_503_and_its_connection_ends() {
    let got = |bytes: &[u8]| match bytes {
        [] => Vec::new(),
        bytes => answers(&["GET"], bytes),
    };
    for mut network in networks() {
        let waiting = Waiting::default();
        let kept = Arc::clone(&waiting);
        let mut web = Web::new()
            .get("/kept", move |_, reply| {
                let (pending, answered) = reply.within(Duration::from_secs(5)).keep();
                kept.lock().unwrap().push(pending);
                answered
            })
            .get("/work", |_, reply| {
                reply.within(Duration::from_secs(5)).offload(|| Ok(Response::new(203)))
            })
            .get("/text", |_, reply| reply.within(Duration::ZERO).text("at once"))
            .get("/slow", |_, reply| reply.after(Duration::from_secs(9)).text("slow"))
            .on_failure(|_, failure| Response::new(failure.status()).text(failure.reason()));
        let client = connect(&mut network, &mut web);
        let ask = |network: &mut Network, path: &str, seconds: u64| {
            network.send(client, format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
            network.settle();
            network.advance(Duration::from_secs(seconds));
            got(&network.received(client))
        };
        assert_eq!(ask(&mut network, "/work", 0)[0].status, 203);
        assert_eq!(ask(&mut network, "/text", 0)[0].text(), "at once");
        // An answer in time, after which the time of that answer is over.
        assert!(ask(&mut network, "/kept", 4).is_empty());
        assert!(waiting.lock().unwrap().remove(0).send(Response::new(203)));
        network.settle();
        assert_eq!(got(&network.received(client))[0].status, 203);
        assert!(ask(&mut network, "/slow", 8).is_empty());
        network.advance(Duration::from_secs(1));
        assert_eq!(got(&network.received(client))[0].text(), "slow");

        let mut ask = |path: &str, seconds: u64| {
            network.send(client, format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
            network.advance(Duration::from_secs(seconds));
            got(&network.received(client))
        };
        assert!(ask("/kept", 4).is_empty());
        // A request that was sent meanwhile is not answered.
        let late = ask("/text", 1);
        assert_eq!((late.len(), late[0].status), (1, 503));
        assert_eq!(late[0].text(), "the answer took too long");
        assert!(late[0].says_close());
        assert!(network.is_closed(client));
        let pending = waiting.lock().unwrap().remove(0);
        assert!(pending.is_gone() && !pending.send(Response::new(203)));
    }
}
