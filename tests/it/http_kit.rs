//! For the tests of HTTP: requests and answers, read whole and held against the laws.

use std::str;
use std::sync::Arc;

use socketserver::protocol::http::{Http, HttpLimits, Message, Version};
use socketserver::testkit::{Client, Network, laws};
use socketserver::{Close, Limits, Peer, Protocol, Service, Step};

/// What a request came to.
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

/// The requests of an input, and how it ended: with so many bytes left over, or refused.
pub(crate) type Outcome = (Vec<Request>, Result<usize, Close>);

/// Reads `input` after it was held against the laws.
pub(crate) fn read(input: &[u8]) -> Outcome {
    read_within(&HttpLimits::default(), input)
}

pub(crate) fn read_within(limits: &HttpLimits, input: &[u8]) -> Outcome {
    let limits = Arc::new(limits.clone());
    laws(|| Http::new(Arc::clone(&limits)), show, input);
    let mut http = Http::new(limits);
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

/// The one request that `input` must be, all of it.
pub(crate) fn only(input: &[u8]) -> Request {
    let (mut requests, end) = read(input);
    assert_eq!((requests.len(), end), (1, Ok(0)), "{}", input.escape_ascii());
    requests.remove(0)
}

/// The status an input was refused with.
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
    }
}

/// What a client reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a field; it must not be there twice.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "two {name} fields in {self:?}");
        value
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn says_close(&self) -> bool {
        self.field("connection") == Some("close")
    }
}

/// The answers to requests of these methods; nothing may be left over.
pub(crate) fn answers(methods: &[&str], bytes: &[u8]) -> Vec<Answer> {
    let mut rest = bytes;
    let mut found = Vec::new();
    for method in methods {
        let Some((answer, len)) = answer(method, rest) else {
            panic!("no whole answer to {method} in {}", rest.escape_ascii());
        };
        found.push(answer);
        rest = &rest[len..];
    }
    assert!(rest.is_empty(), "more than was asked for: {}", rest.escape_ascii());
    found
}

/// The answer at the front of `bytes` and its length; `None` if it is incomplete. One whose
/// length is not told is taken to end with the bytes.
pub(crate) fn answer(method: &str, bytes: &[u8]) -> Option<(Answer, usize)> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(len) = head.parse(bytes).expect("a well-formed answer") else {
        return None;
    };
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    let fields = head.headers.iter().map(|f| (f.name.to_owned(), text(f.value))).collect();
    let mut answer = Answer { status: head.code.unwrap(), fields, body: Vec::new() };
    let mut rest = &bytes[len..];
    let length = answer.field("content-length").map(|length| length.parse::<usize>().unwrap());
    let coding = answer.field("transfer-encoding").map(str::to_owned);
    assert!(length.is_none() || coding.is_none(), "both a length and a coding: {answer:?}");
    if method == "HEAD" || matches!(answer.status, 100..=199 | 204 | 304) {
        return Some((answer, len));
    }
    if coding.is_some() {
        while let Some((piece, after)) = chunk(rest)? {
            answer.body.extend_from_slice(piece);
            rest = after;
        }
        // The size of the last chunk, and no trailers.
        return Some((answer, bytes.len() - rest.len() + "0\r\n\r\n".len()));
    }
    answer.body = rest.get(..length.unwrap_or(rest.len()))?.to_vec();
    let len = len + answer.body.len();
    Some((answer, len))
}

/// One chunk and what follows it, or `Some(None)` for the last.
fn chunk(bytes: &[u8]) -> Option<Option<(&[u8], &[u8])>> {
    let httparse::Status::Complete((at, size)) = httparse::parse_chunk_size(bytes).unwrap() else {
        return None;
    };
    let size = usize::try_from(size).unwrap();
    let data = bytes.get(at..at + size)?;
    let after = bytes.get(at + size..)?.split_at_checked(2)?;
    assert_eq!(after.0, b"\r\n", "a chunk without its end");
    Some((size > 0).then_some((data, after.1)))
}

/// A client in memory of a service.
pub(crate) fn connect(network: &mut Network, service: &mut impl Service) -> Client {
    let handler = service.accept(&Peer::Unix).expect("admitted");
    network.connect(handler)
}

/// Everything that a service says to `input`, and whether it closed.
pub(crate) fn ask(mut service: impl Service, input: &[u8]) -> (Vec<u8>, bool) {
    let mut network = Network::new(Limits::default());
    let client = connect(&mut network, &mut service);
    network.send(client, input);
    network.settle();
    let is_closed = network.is_closed(client);
    (network.received(client), is_closed)
}
