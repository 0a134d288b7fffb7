//! Checks the laws that every protocol must obey.

use crate::close::Close;
use crate::handler::framed::{Protocol, Step};

/// The output of `show`, and the number of bytes left over or the error.
type Outcome = (Vec<u8>, Result<usize, Close>);

/// Checks that a protocol obeys its laws on `input`: the messages, the bytes left over and the
/// error do not depend on how the input is cut; `decode` does not panic; every step makes
/// progress; and `decode` changes only bytes that it uses.
///
/// `make` creates a decoder. `show` appends a message as bytes. For the pieces of a message that
/// may arrive in pieces, the appended bytes must not depend on the cut.
///
/// The input is tried whole, cut in two at every position, byte by byte, and in parts of up to
/// seven bytes. Keep it below a few kilobytes.
///
/// # Panics
///
/// If a law is broken; the message shows the cut. See [`Protocol`] for an example.
pub fn laws<P: Protocol>(
    make: impl Fn() -> P,
    show: impl for<'a> Fn(P::Message<'a>, &mut Vec<u8>),
    input: &[u8],
) {
    let whole = run(&mut make(), &show, &[input]);
    for cut in 1..input.len() {
        let (front, back) = input.split_at(cut);
        let parts = run(&mut make(), &show, &[front, back]);
        assert_eq!(parts, whole, "cut at byte {cut} of {:?}", input.escape_ascii().to_string());
    }
    for size in 1..=7 {
        let parts: Vec<&[u8]> = input.chunks(size).collect();
        let parts = run(&mut make(), &show, &parts);
        assert_eq!(parts, whole, "in parts of {size} of {:?}", input.escape_ascii().to_string());
    }
}

/// Like [`laws`], but for one way to cut, which is cheap enough for a fuzzer: checks that the
/// `parts` give the same result as the input in one piece. Returns that result: the messages, and
/// the number of bytes left over or the error.
///
/// ```
/// use socketserver::protocol::line::{Line, Lines};
/// use socketserver::testkit::laws_in_parts;
///
/// let show = |line: Line<'_>, seen: &mut Vec<u8>| {
///     seen.extend_from_slice(format!("{line:?} ").as_bytes());
/// };
/// let outcome = laws_in_parts(|| Lines::with_limit(2), show, &[b"\r", b"\nabc", b"d\nef"]);
/// assert_eq!(outcome, (b"Text([]) TooLong ".to_vec(), Ok(2)));
/// ```
///
/// # Panics
///
/// If a law is broken; the message shows the parts.
pub fn laws_in_parts<P: Protocol>(
    make: impl Fn() -> P,
    show: impl for<'a> Fn(P::Message<'a>, &mut Vec<u8>),
    parts: &[&[u8]],
) -> (Vec<u8>, Result<usize, Close>) {
    let whole = run(&mut make(), &show, &[&parts.concat()]);
    let outcome = run(&mut make(), &show, parts);
    assert_eq!(outcome, whole, "in parts: {}", shown(parts));
    outcome
}

fn shown(parts: &[&[u8]]) -> String {
    parts.iter().map(|part| format!("{:?} ", part.escape_ascii().to_string())).collect()
}

/// Feeds the parts one after another, as a server does.
fn run<P: Protocol>(
    protocol: &mut P,
    show: &impl for<'a> Fn(P::Message<'a>, &mut Vec<u8>),
    parts: &[&[u8]],
) -> Outcome {
    let mut seen = Vec::new();
    let mut pending = Vec::new();
    // A copy that the protocol cannot change.
    let mut before = Vec::new();
    let mut used = 0;
    for part in parts {
        pending.drain(..used);
        before.drain(..used);
        used = 0;
        pending.extend_from_slice(part);
        before.extend_from_slice(part);
        while used < pending.len() {
            let rest = &mut pending[used..];
            let len = rest.len();
            let step = match protocol.decode(rest) {
                Ok(Step::Message(message, n)) => {
                    show(message, &mut seen);
                    Some(n)
                }
                Ok(Step::Skip(n)) => Some(n),
                Ok(Step::NeedMore) => None,
                Err(why) => return (seen, Err(why)),
            };
            let n = step.unwrap_or(0);
            assert!(n <= len && step != Some(0), "a step of {n} bytes with {len} available");
            used += n;
            assert_eq!(pending[used..], before[used..], "bytes were changed but not used");
            if step.is_none() {
                break;
            }
        }
    }
    (seen, Ok(pending.len() - used))
}
