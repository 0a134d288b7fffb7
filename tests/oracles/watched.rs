//! The HTTP decoder with checks around it: messages come in order, bodies and waiting input stay
//! within their limits, and refusals have a status. Knows no input and no answer.

use std::sync::Arc;

use socketserver::protocol::http::{Head, Http, HttpLimits, Message};
use socketserver::{Close, Protocol, Step};

/// The longest line before a chunk; the only limit that is not in `HttpLimits`.
const SIZE_LINE_MAX: usize = 256;
/// The status codes of the decoder's refusals.
const STATUSES: &[u16] = &[400, 411, 413, 414, 417, 431, 501, 505];

/// A decoder, and the length of the current body so far.
pub(crate) struct Watched {
    http: Http,
    limits: Arc<HttpLimits>,
    body: Option<u64>,
}

impl Watched {
    pub(crate) fn new(limits: &Arc<HttpLimits>) -> Watched {
        Watched { http: Http::new(Arc::clone(limits)), limits: Arc::clone(limits), body: None }
    }

    fn note(&mut self, message: &Message<'_>, used: usize) {
        match message {
            Message::Head(head) => {
                assert!(self.body.is_none(), "a head comes in the middle of a body");
                assert_eq!(head.as_bytes().len(), used);
                assert!(used <= self.limits.head, "a head of {used} bytes");
                self.body = head.has_body().then_some(0);
            }
            Message::Body { bytes, is_last } => {
                let before = self.body.expect("a body without a head");
                let len = before + bytes.len() as u64;
                assert!(len <= self.limits.body, "a body of {len} bytes");
                self.body = (!is_last).then_some(len);
            }
            other => panic!("an unknown message: {other:?}"),
        }
    }
}

impl Protocol for Watched {
    type Message<'a> = Message<'a>;

    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Step<Message<'a>>, Close> {
        let len = input.len();
        let step = self.http.decode(input);
        match &step {
            Ok(Step::Message(message, used)) => self.note(message, *used),
            Ok(Step::Skip(_)) => {}
            Ok(Step::NeedMore) => {
                let most = self.limits.head.max(self.limits.trailers).max(SIZE_LINE_MAX);
                assert!(len <= most, "{len} bytes wait for more");
            }
            Err(Close::Malformed { code, .. }) if STATUSES.contains(code) => {}
            Err(why) => panic!("refused with: {why}"),
        }
        step
    }
}

/// Appends a text form of a message: heads with all their parts, bodies regardless of cuts.
pub(crate) fn show(message: Message<'_>, seen: &mut Vec<u8>) {
    match message {
        Message::Head(head) => show_head(&head, seen),
        Message::Body { bytes, is_last } => {
            seen.extend_from_slice(bytes);
            if is_last {
                seen.extend_from_slice(b"<end>");
            }
        }
        other => panic!("an unknown message: {other:?}"),
    }
}

pub(crate) fn show_head(head: &Head<'_>, seen: &mut Vec<u8>) {
    let facts = [
        head.version() as u8,
        u8::from(head.keep_alive()),
        u8::from(head.expects_continue()),
        u8::from(head.has_body()),
    ];
    let length = head.content_length().map_or([0xff; 8], u64::to_be_bytes);
    let query = head.query();
    let has_query = [u8::from(query.is_some())];
    for part in [
        head.as_bytes(),
        head.method().as_str().as_bytes(),
        head.path().as_bytes(),
        &has_query,
        query.unwrap_or_default().as_bytes(),
        head.host(),
        &facts,
        &length,
    ] {
        seen.extend_from_slice(part);
        seen.push(b'\n');
    }
    for (name, value) in head.fields() {
        seen.extend_from_slice(name.as_bytes());
        seen.push(b'=');
        seen.extend_from_slice(value);
        seen.push(b'\n');
    }
}
