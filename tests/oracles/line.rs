//! Lines, compared with a decoder that has all input at once.

use socketserver::protocol::line::{Line, Lines};
use socketserver::testkit::laws_in_parts;

use super::input::Input;

/// The longest lines, one for each variant.
const LIMITS: [usize; 8] = [0, 1, 2, 3, 7, 16, 40, Lines::LIMIT];

/// Checks a decoder of lines against the laws of a protocol and against another decoder.
pub fn check(bytes: &[u8]) {
    let input = Input::new(bytes);
    let limit = LIMITS[usize::from(input.flavour)];
    let (seen, end) = laws_in_parts(|| Lines::with_limit(limit), show, &input.parts());
    let left = end.expect("no line is malformed");
    // A CR may turn out to belong to the end of the line.
    assert!(left <= limit + 1, "{left} bytes are kept of a line of {limit}");

    let mut expected = Vec::new();
    let mut rest = input.sent;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let text = &rest[..end];
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        show(if text.len() > limit { Line::TooLong } else { Line::Text(text) }, &mut expected);
        rest = &rest[end + 1..];
    }
    let is_too_long = rest.len() > limit + 1 || rest.len() == limit + 1 && rest[limit] != b'\r';
    if is_too_long {
        show(Line::TooLong, &mut expected);
    }
    assert_eq!((left, &seen), (if is_too_long { 0 } else { rest.len() }, &expected));
}

fn show(line: Line<'_>, seen: &mut Vec<u8>) {
    match line {
        Line::Text(text) => {
            seen.extend_from_slice(text);
            seen.push(b'\n');
        }
        // No line contains an LF.
        Line::TooLong => seen.extend_from_slice(b"?\n\n"),
    }
}
