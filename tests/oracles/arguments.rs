//! The parameters of a request's path and query as a route gets them, compared with those of a
//! second decoder.

use std::cell::RefCell;

use socketserver::protocol::http::{Head, HttpLimits};
use socketserver::services::web::{Answered, Reply, Request, Web};
use socketserver::testkit::Network;
use socketserver::{Peer, Service};

use super::answers::answer;
use super::input::Input;
use super::script::{Sender, limits};

thread_local! {
    // Routes have no state, and building them takes longer than most inputs.
    static SITE: RefCell<Web> = RefCell::new(
        Web::new()
            .get("/a/{one}", |request, reply| tell("one", request, reply))
            .get("/a/{one}/{two}", |request, reply| tell("two", request, reply))
            .get("/a/b c", |request, reply| tell("fixed", request, reply))
            .get("/a/d/e", |request, reply| tell("fixed", request, reply)),
    );
}

/// Answers with the name of the route and its arguments.
fn tell(route: &str, request: &Request<'_>, reply: Reply<'_>) -> Answered {
    let [one, two] = ["one", "two"].map(|name| request.param(name).as_str());
    reply.text(format!("{:?}", (route, one, two, request.query_param("q").as_str())))
}

/// Requests a target in one piece and in several, and computes the right answer.
pub fn check(bytes: &[u8]) {
    let input = Input::new(bytes);
    let request = [b"GET /a/", input.sent, b" HTTP/1.1\r\nHost: h\r\n\r\n"].concat();
    let mut network = Network::new(limits());
    let connect = |network: &mut Network| {
        let handler = SITE.with_borrow_mut(|site| site.accept(Peer::unix().into())).unwrap();
        network.connect(handler)
    };
    let client = connect(&mut network);
    let whole = Sender::new(client, &request).send_whole(&mut network).bytes;
    let parts = Input { sent: &request, ..input };
    let client = connect(&mut network);
    for part in parts.parts() {
        network.send(client, part);
        network.settle();
    }
    let cut = network.received(client);

    // The time of day differs.
    let (whole, _) = answer("GET", &whole).expect("an answer");
    let (cut, _) = answer("GET", &cut).expect("an answer");
    assert_eq!((cut.status, &cut.body), (whole.status, &whole.body));
    let Ok(head) = Head::parse(&request, &HttpLimits::default()) else { return };
    match expected(head.path(), head.query()) {
        Some(body) => assert_eq!((whole.status, whole.text()), (200, body.as_str())),
        None => assert_eq!(whole.status, 404, "{}", head.path()),
    }
}

/// Returns the answer of the route for this target, if there is one.
fn expected(path: &str, query: Option<&str>) -> Option<String> {
    let raw: Vec<&str> = path.split('/').skip(1).collect();
    let segments: Vec<Vec<u8>> = raw.iter().map(|segment| decode(segment)).collect();
    let value = query.and_then(|query| query.split('&').find_map(value_of_q));
    let is_fixed = |fixed: &[&str]| fixed.iter().map(|segment| segment.as_bytes()).eq(&segments);
    if is_fixed(&["a", "b c"]) || is_fixed(&["a", "d", "e"]) {
        return Some(format!("{:?}", ("fixed", None::<&str>, None::<&str>, value)));
    }
    let segments: Option<Vec<String>> =
        segments.into_iter().map(|segment| String::from_utf8(segment).ok()).collect();
    let segments = segments?;
    let is_there = |segment: &&String| !segment.is_empty();
    match &segments[..] {
        [a, one] if a == "a" => {
            let one = Some(one).filter(is_there)?;
            Some(format!("{:?}", ("one", Some(one), None::<&str>, value)))
        }
        [a, one, two] if a == "a" => {
            let (one, two) = (Some(one).filter(is_there)?, Some(two).filter(is_there)?);
            Some(format!("{:?}", ("two", Some(one), Some(two), value)))
        }
        _ => None,
    }
}

fn value_of_q(pair: &str) -> Option<String> {
    let pair = pair.replace('+', " ");
    let (key, value) = pair.split_once('=').unwrap_or((&pair, ""));
    let text = |part| String::from_utf8_lossy(&decode(part)).into_owned();
    (text(key) == "q").then(|| text(value))
}

/// Decodes `%` and two digits; a `%` without digits stands for itself.
fn decode(text: &str) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let escaped = digit(0).zip(digit(1)).filter(|_| *first == b'%');
        decoded.push(escaped.map_or(*first, |(high, low)| (high * 16 + low) as u8));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    decoded
}
