//! Packets of ICMP, as the example `ping` reads them from its socket.

use super::input::Input;

#[path = "../../examples/ping/errors.rs"]
pub(crate) mod errors;
#[path = "../../examples/ping/icmp.rs"]
pub(crate) mod example;

use errors::Version;
use example::{Answer, Echo, Kind, Message};

/// Checks that a packet counts as an answer only if it is long enough and its data are those of a
/// request, and as an error only if it contains a request.
pub fn check(bytes: &[u8]) {
    let input = Input::new(bytes);
    let version = if input.flavour.is_multiple_of(2) { Version::V4 } else { Version::V6 };
    let kind = if input.flavour % 4 < 2 { Kind::Raw } else { Kind::Datagram };
    let echo = Echo { version, kind, id: 0x1234, token: 0x0102_0304_0506_0708 };
    match echo.message(input.sent) {
        None => {}
        Some(Message::Reply(answer)) => check_answer(echo, answer, input.sent),
        Some(Message::Error(sequence, error)) => {
            // The header of the request, from its id.
            let request = &echo.request(sequence)[4..8];
            assert!(input.sent.windows(4).any(|part| part == request), "{error}");
            assert!(error.to_string().contains("type"));
        }
    }
}

fn check_answer(echo: Echo, answer: Answer, sent: &[u8]) {
    let request = echo.request(answer.sequence);
    assert_eq!(answer.is_truncated(), answer.len < request.len());
    // After the type, the checksum and the id it equals the request.
    assert!(sent.ends_with(&request[6..answer.len]));
    let header = sent.len() - answer.len;
    match (echo.version, header) {
        (_, 0) => assert!(answer.ttl.is_none()),
        (Version::V4, len) => assert_eq!((answer.ttl, len % 4), (Some(sent[8]), 0)),
        (Version::V6, len) => panic!("{len} bytes before the message"),
    }
    assert!(echo.kind == Kind::Datagram || sent[header + 4..header + 6] == request[4..6]);
}
