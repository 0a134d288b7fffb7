//! Decodes whole inputs. Knows no protocol.

use std::fmt::Debug;

use socketserver::{Close, Protocol, Step};

/// Decodes `input` at once. Returns the bytes that `show` has appended, and the number of unused
/// bytes.
pub(crate) fn decode_all<P: Protocol>(
    mut protocol: P,
    show: impl Fn(P::Message<'_>, &mut Vec<u8>),
    input: &[u8],
) -> (Vec<u8>, usize) {
    let mut input = input.to_vec();
    let (len, mut seen, mut used) = (input.len(), Vec::new(), 0);
    loop {
        match protocol.decode(&mut input[used..]).unwrap() {
            Step::Message(message, n) => {
                show(message, &mut seen);
                used += n;
            }
            Step::Skip(n) => used += n,
            Step::NeedMore => return (seen, len - used),
        }
    }
}

/// The text of a token, as [`tokens`] gives it.
pub(crate) fn token(token: impl Debug) -> String {
    format!("{token:?}")
}

/// The tokens of an input, the number of bytes left over, and the fault.
pub(crate) fn tokens<P: Protocol + 'static>(
    mut protocol: P,
    input: &[u8],
) -> (Vec<String>, usize, Option<&'static str>)
where
    for<'a> P::Message<'a>: Debug,
{
    let mut input = input.to_vec();
    let (len, mut seen, mut used) = (input.len(), Vec::new(), 0);
    loop {
        match protocol.decode(&mut input[used..]) {
            Ok(Step::Message(found, length)) => {
                seen.push(token(found));
                used += length;
            }
            Ok(_) => return (seen, len - used, None),
            Err(Close::Malformed { why, .. }) => return (seen, len - used, Some(why)),
            Err(other) => panic!("{other}"),
        }
    }
}
