//! Netstrings, as the example of a custom protocol decodes them.

use socketserver::Close;
use socketserver::testkit::laws_in_parts;

use super::input::Input;

#[path = "../../examples/netstring.rs"]
#[allow(dead_code, reason = "its server is not run here")]
pub(crate) mod example;

/// Checks the decoder against the laws of a protocol. Each netstring has a single encoding, so
/// encoding the messages again must give the input.
pub fn check(bytes: &[u8]) {
    let input = Input::new(bytes);
    let show = |message: &[u8], seen: &mut Vec<u8>| {
        seen.extend_from_slice(format!("{}:", message.len()).as_bytes());
        seen.extend_from_slice(message);
        seen.push(b',');
    };
    let (seen, end) = laws_in_parts(|| example::Netstring, show, &input.parts());
    assert!(input.sent.starts_with(&seen), "written again: {}", seen.escape_ascii());
    match end {
        Ok(left) => assert_eq!(seen.len() + left, input.sent.len()),
        Err(why) => assert!(matches!(why, Close::Malformed { code: 0, .. }), "{why}"),
    }
}
