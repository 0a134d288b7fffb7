//! A whole connection of the web service: one answer for each request, in order, and the same
//! however the requests are cut and in any mode.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode, header};
use socketserver::protocol::http::{Http, HttpLimits, Message, Version};
use socketserver::services::web::{Response, Web};
use socketserver::testkit::Network;
use socketserver::{Close, Peer, Protocol, Service, Step};

use super::answers::answer;
use super::input::Input;
use super::script::{Heard, STALL, Sender, limits};

thread_local! {
    // Routes have no state, and building them takes longer than most inputs.
    static SITE: RefCell<Web> = RefCell::new(site());
}

/// Routes for every kind of answer.
fn site() -> Web {
    Web::new()
        .limits(http_limits())
        .get("/", |_, reply| reply.html("<h1>welcome</h1>"))
        .get("/text", |_, reply| reply.text("text"))
        .any("/echo", |request, reply| reply.bytes("application/x", request.body()))
        .get("/slow", |_, reply| reply.after(Duration::from_millis(20)).text("slow"))
        .get("/work", |_, reply| reply.offload(|| Ok(Response::new(200).text("work"))))
        .get("/pieces", |_, reply| reply.pieces("text/x", (1..9).map(|n| vec![b'x'; n * n])))
        .get("/kept", |_, reply| {
            let (pending, answered) = reply.keep();
            pending.send(Response::new(200).text("kept"));
            answered
        })
        .get("/dropped", |_, reply| reply.keep().1)
        .put("/small/{*path}", |request, reply| reply.text(request.body().len().to_string()))
        .body_limit("/small/{*path}", 5)
        .nest("/nested", nested())
        .get("/none", |_, reply| reply.status(StatusCode::NO_CONTENT).empty())
        .post("/fail", |_, reply| {
            let _ = reply.text("taken back")?;
            Err("on purpose".into())
        })
        .get("/close", |_, reply| {
            let marked = reply.header(HeaderName::from_static("x-end"), HeaderValue::from(1));
            marked.header(header::CONNECTION, HeaderValue::from_static("close")).text("the end")
        })
        .get("/{name}", |request, reply| reply.text(request.param("name").unwrap_or("?")))
}

fn nested() -> Web {
    Web::new()
        .get("/", |_, reply| reply.text("nested"))
        .any("/{name}", |request, reply| reply.text(request.param("name").unwrap_or("?")))
        .guard(|request| match request.query_param("key").as_str() {
            Some(_) => Ok(()),
            None => Err(Response::new(401).text("no key")),
        })
        .map_response(|request, response| response.set_header("x-path", request.path()))
        .on_failure(|_, failure| Response::new(failure.status()).html("<h1>failed</h1>"))
}

fn http_limits() -> HttpLimits {
    let others = HttpLimits::default();
    others.request_line(60).head(200).fields(8).body(50).trailers(40)
}

/// Runs a connection undisturbed with the input in one piece, and another one as the script tells.
pub fn check(bytes: &[u8]) {
    let input = Input::new(bytes);
    let mut network = Network::new(limits());
    let heard = sender(&mut network, &input).send_whole(&mut network);
    assert_eq!(network.connections(), 0, "the client went, its connection did not");
    let asked = Asked::of(input.sent);
    asked.check(&heard);

    let mut network = match input.flavour % 2 {
        0 => Network::new(limits()),
        _ => Network::with_workers(limits()),
    };
    let (again, must_be_same) = sender(&mut network, &input).send_by(&mut network, &input);
    if must_be_same {
        assert!(again == heard, "{}", again.bytes.escape_ascii());
    } else {
        asked.check_disturbed(&again.bytes);
        network.advance(STALL);
    }
    assert_eq!(network.connections(), 0, "the client went, its connection did not");
}

fn sender<'a>(network: &mut Network, input: &Input<'a>) -> Sender<'a> {
    let handler = SITE.with_borrow_mut(|site| site.accept(Peer::unix().into())).unwrap();
    Sender::new(network.connect(handler), input.sent)
}

/// The requests of the client.
#[derive(Default)]
struct Asked {
    requests: Vec<Request>,
    /// The number of requests whose bodies are complete.
    complete: usize,
    /// The status that refuses the bytes after these requests.
    refused: Option<u16>,
}

struct Request {
    method: String,
    is_old: bool,
    keep_alive: bool,
    expects_continue: bool,
    has_body: bool,
}

impl Asked {
    fn of(sent: &[u8]) -> Asked {
        let mut asked = Asked::default();
        let mut http = Http::new(Arc::new(http_limits()));
        let mut sent = sent.to_vec();
        let mut used = 0;
        while used < sent.len() {
            match http.decode(&mut sent[used..]) {
                Ok(Step::Message(message, n)) => {
                    asked.note(&message);
                    used += n;
                }
                Ok(Step::Skip(n)) => used += n,
                Ok(Step::NeedMore) => break,
                Err(Close::Malformed { code, .. }) => {
                    asked.refused = Some(code);
                    break;
                }
                Err(why) => panic!("{why}"),
            }
        }
        asked
    }

    fn note(&mut self, message: &Message<'_>) {
        match message {
            Message::Head(head) => {
                self.requests.push(Request {
                    method: head.method().to_string(),
                    is_old: head.version() == Version::Http10,
                    keep_alive: head.keep_alive(),
                    expects_continue: head.expects_continue(),
                    has_body: head.has_body(),
                });
                self.complete += usize::from(!head.has_body());
            }
            Message::Body { is_last, .. } => self.complete += usize::from(*is_last),
            other => panic!("an unknown message: {other:?}"),
        }
    }

    /// Checks that each request is answered, and that the last answer says so if the server closes.
    fn check(&self, heard: &Heard) {
        let mut rest = &heard.bytes[..];
        for (at, request) in self.requests.iter().enumerate() {
            if request.expects_continue {
                let (first, len) = answer(&request.method, rest).expect("an answer in time");
                if first.status != 100 {
                    // The body is not read, though it may arrive all the same.
                    assert!(first.says_close() && heard.was_closed);
                    assert_eq!(rest.len(), len, "more than was asked for");
                    return;
                }
                rest = &rest[len..];
            }
            if let Some(len) = self.refusal_of_body(request, rest) {
                assert!(heard.was_closed && rest.len() == len, "more than was asked for");
                return;
            }
            if at == self.complete {
                break;
            }
            let (answer, len) = answer(&request.method, rest).expect("a whole answer");
            rest = &rest[len..];
            if answer.says_close() {
                let may_close = answer.field("x-end").is_some() || request.is_old;
                assert!(may_close || !request.keep_alive, "closes for no reason: {answer:?}");
                assert!(heard.was_closed, "says it closes and does not");
                assert!(rest.is_empty(), "more after the last: {}", rest.escape_ascii());
                return;
            }
            assert!(request.keep_alive, "does not say that it closes: {answer:?}");
        }
        assert_eq!(heard.was_closed, self.refused.is_some());
        if let Some(status) = self.refused {
            // A refusal of a body answers the request of that body.
            let method = self.requests.get(self.complete).map_or("GET", |request| &request.method);
            let (answer, len) = answer(method, rest).expect("a refusal");
            assert!(answer.says_close() && answer.status == status, "{answer:?}");
            rest = &rest[len..];
        }
        assert!(rest.is_empty(), "more than was asked for: {}", rest.escape_ascii());
    }

    /// Returns the length of the answer of a guard or a route that refuses a body, which may not
    /// have come: the last one.
    fn refusal_of_body(&self, request: &Request, heard: &[u8]) -> Option<usize> {
        if heard.is_empty() {
            return None;
        }
        let (answer, len) = answer(&request.method, heard)?;
        let is_refusal = request.has_body && matches!(answer.status, 401 | 413);
        is_refusal.then(|| {
            assert!(answer.says_close());
            len
        })
    }

    /// There are no more answers than requests, all but the last are whole, and one that tells
    /// the client that it is late is the last.
    fn check_disturbed(&self, mut heard: &[u8]) {
        let more = "more than was asked for";
        for request in &self.requests {
            loop {
                let Some((status, len)) = first_answer(&request.method, heard) else { return };
                if status == 408 {
                    // Until the server has read all of a HEAD, it does not know the method.
                    let with_body = first_answer("GET", heard).map_or(heard.len(), |(_, len)| len);
                    let is_last = [len, with_body].contains(&heard.len());
                    assert!(is_last, "{more}: {}", heard.escape_ascii());
                    return;
                }
                heard = &heard[len..];
                if status != 100 {
                    break;
                }
            }
        }
        // The bytes after these requests are refused or late, because the script lets time pass.
        match first_answer("GET", heard) {
            Some((status, len)) if status == 408 || self.refused.is_some() => {
                heard = &heard[len..];
            }
            _ => {}
        }
        assert!(first_answer("GET", heard).is_none(), "{more}: {}", heard.escape_ascii());
    }
}

/// Returns the status and the length of the answer at the start of `heard`, if it is complete.
fn first_answer(method: &str, heard: &[u8]) -> Option<(u16, usize)> {
    match heard {
        b"" => None,
        _ => answer(method, heard).map(|(answer, len)| (answer.status, len)),
    }
}
