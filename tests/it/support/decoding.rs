//! Decodes whole inputs. Knows no protocol.

use socketserver::{Protocol, Step};

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
