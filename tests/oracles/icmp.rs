//! Packets of ICMP, as the example `ping` reads them from its raw socket.

use super::input::Input;

#[path = "../../examples/ping/icmp.rs"]
pub(crate) mod example;

use example::{Echo, Version};

/// Checks that a packet counts as an answer only if it is long enough and its data are those of a
/// request.
pub fn check(bytes: &[u8]) {
    let input = Input::new(bytes);
    let version = if input.flavour.is_multiple_of(2) { Version::V4 } else { Version::V6 };
    let echo = Echo { version, id: 0x1234, token: 0x0102_0304_0506_0708 };
    let Some(answer) = echo.answer(input.sent) else { return };
    let request = echo.request(answer.sequence);
    assert_eq!(answer.len, request.len());
    // After the type and the checksum it equals the request.
    assert!(input.sent.ends_with(&request[4..]));
    let header = input.sent.len() - answer.len;
    match version {
        Version::V4 => assert_eq!((answer.ttl, header % 4), (Some(input.sent[8]), 0)),
        Version::V6 => assert_eq!((answer.ttl, header), (None, 0)),
    }
}
