//! HTTP requests and answers, read completely and checked against the laws of protocols.

use std::sync::Arc;

use socketserver::protocol::http::{Http, HttpLimits, Message, Version};
use socketserver::testkit::{Client, Network, laws};
use socketserver::{Close, Limits, Peer, Protocol, Service, Step};

pub(crate) use crate::support::corpus::oracles::answers::{Answer, answer, answers};

/// A decoded request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) is_old: bool,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) host: String,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) keep_alive: bool,
    pub(crate) has_body: bool,
    pub(crate) content_length: Option<u64>,
    pub(crate) expects_continue: bool,
    pub(crate) body: Vec<u8>,
    pub(crate) is_complete: bool,
}

/// The requests of an input, and its end: the number of unused bytes, or the refusal.
pub(crate) type Outcome = (Vec<Request>, Result<usize, Close>);

/// Decodes `input` after checking it against the laws.
pub(crate) fn read(input: &[u8]) -> Outcome {
    read_within(&HttpLimits::default(), input)
}

pub(crate) fn read_within(limits: &HttpLimits, input: &[u8]) -> Outcome {
    let shared = Arc::new(limits.clone());
    laws(|| Http::new(Arc::clone(&shared)), show, input);
    decode_all(limits, input)
}

/// Decodes `input` once, without checking the laws.
pub(crate) fn decode_all(limits: &HttpLimits, input: &[u8]) -> Outcome {
    let mut http = Http::new(Arc::new(limits.clone()));
    let mut input = input.to_vec();
    let mut requests = Vec::new();
    let mut used = 0;
    while used < input.len() {
        match http.decode(&mut input[used..]) {
            Ok(Step::Message(message, n)) => {
                note(message, &mut requests);
                used += n;
            }
            Ok(Step::Skip(n)) => used += n,
            Ok(Step::NeedMore) => break,
            Err(why) => return (requests, Err(why)),
        }
    }
    (requests, Ok(input.len() - used))
}

/// Decodes `input`, which must be exactly one request.
pub(crate) fn only(input: &[u8]) -> Request {
    let (mut requests, end) = read(input);
    assert_eq!((requests.len(), end), (1, Ok(0)), "{}", input.escape_ascii());
    requests.remove(0)
}

/// The status of a refusal.
pub(crate) fn refusal(outcome: &Outcome) -> Option<u16> {
    match outcome.1 {
        Err(Close::Malformed { code, .. }) => Some(code),
        Err(ref other) => panic!("ended for another reason than malformed input: {other}"),
        Ok(_) => None,
    }
}

fn show(message: Message<'_>, seen: &mut Vec<u8>) {
    match message {
        Message::Body { bytes, is_last } => {
            seen.extend_from_slice(bytes);
            if is_last {
                seen.extend_from_slice(b"<end of body>");
            }
        }
        head => {
            let mut requests = Vec::new();
            note(head, &mut requests);
            seen.extend_from_slice(format!("{requests:?}").as_bytes());
        }
    }
}

fn note(message: Message<'_>, requests: &mut Vec<Request>) {
    match message {
        Message::Head(head) => requests.push(Request {
            method: head.method().to_string(),
            is_old: head.version() == Version::Http10,
            path: head.path().to_owned(),
            query: head.query().map(str::to_owned),
            host: String::from_utf8(head.host().to_vec()).unwrap(),
            fields: head.fields().map(|(name, value)| (name.to_owned(), value.to_vec())).collect(),
            keep_alive: head.keep_alive(),
            has_body: head.has_body(),
            content_length: head.content_length(),
            expects_continue: head.expects_continue(),
            body: Vec::new(),
            is_complete: !head.has_body(),
        }),
        Message::Body { bytes, is_last } => {
            let request = requests.last_mut().expect("a body follows a head");
            assert!(!request.is_complete, "a body goes on after its last piece");
            request.body.extend_from_slice(bytes);
            request.is_complete = is_last;
        }
        other => panic!("an unknown message: {other:?}"),
    }
}

/// Connects a client in memory to a service.
pub(crate) fn connect(network: &mut Network, service: &mut impl Service) -> Client {
    let handler = service.accept(Peer::unix().into()).expect("admitted");
    network.connect(handler)
}

/// Returns the output of a service for `input`, and true if it closed the connection.
pub(crate) fn ask(mut service: impl Service, input: &[u8]) -> (Vec<u8>, bool) {
    let mut network = Network::new(Limits::default());
    let client = connect(&mut network, &mut service);
    network.send(client, input);
    network.settle();
    let is_closed = network.is_closed(client);
    (network.received(client), is_closed)
}
