//! The laws of a protocol, checked.

use crate::close::Close;
use crate::handler::framed::{Protocol, Step};

/// How a run ended: what the messages looked like, and what was left or wrong.
type Outcome = (Vec<u8>, Result<usize, Close>);

/// Checks that a protocol keeps its laws on `input`: however the input is cut, the same messages
/// come out and the same is left or wrong at the end; nothing panics; every step makes progress;
/// and only bytes that are used are changed.
///
/// `make` makes a fresh decoder. `show` appends what a message looks like; what is appended for
/// the pieces of something that may come in pieces must not depend on the cut.
///
/// The input is tried whole, in two parts cut at every place, byte by byte, and in many parts of
/// changing sizes, so it should be no longer than some kilobytes.
///
/// # Panics
///
/// If a law is broken; the message says where it was cut. See [`Protocol`] for an example.
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

/// The same for one way to cut, which costs little enough for a fuzzer to choose it: checks that
/// the `parts` give what they give in one piece. Also gives it: what the messages look like, and
/// how much was left over, or what was wrong.
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

/// Feeds the parts one after the other, as a server does.
fn run<P: Protocol>(
    protocol: &mut P,
    show: &impl for<'a> Fn(P::Message<'a>, &mut Vec<u8>),
    parts: &[&[u8]],
) -> Outcome {
    let mut seen = Vec::new();
    let mut pending = Vec::new();
    // The same bytes, out of the protocol's reach.
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
            assert!(n <= len && step != Some(0), "a step of {n} bytes on {len}");
            used += n;
            assert_eq!(pending[used..], before[used..], "bytes were changed and not used");
            if step.is_none() {
                break;
            }
        }
    }
    (seen, Ok(pending.len() - used))
}
