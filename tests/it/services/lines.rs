//! The protocol of lines: their ends, their limit, and their cost.

use std::sync::{Arc, Mutex};

use socketserver::protocol::line::{Line, Lines};
use socketserver::testkit::{Network, laws};
use socketserver::{Close, Context, Framed, MessageHandler, Protocol, Step};

use crate::support::decoding::decode_all;
use crate::support::handlers::patient;

fn show(line: Line<'_>, seen: &mut Vec<u8>) {
    match line {
        Line::Text(text) => seen.extend_from_slice(text),
        Line::TooLong => seen.extend_from_slice(b"<too long>"),
    }
    seen.push(b'|');
}

/// Decodes `input` at once. Returns the lines and the number of unused bytes.
fn decode(limit: usize, input: &[u8]) -> (String, usize) {
    let (seen, unused) = decode_all(Lines::with_limit(limit), show, input);
    (String::from_utf8(seen).unwrap(), unused)
}

#[test]
fn lf_or_crlf_ends_a_line_and_does_not_belong_to_it() {
    for (input, lines, left) in [
        ("", "", 0),
        ("one\ntwo\n", "one|two|", 0),
        ("one\r\ntwo\r\n", "one|two|", 0),
        ("\n\r\n\n", "|||", 0),
        ("one\ntwo", "one|", 3),
        ("one\r", "", 4),
        ("\r", "", 1),
    ] {
        assert_eq!(decode(10, input.as_bytes()), (lines.to_owned(), left), "{input:?}");
    }
}

#[test]
fn a_cr_by_itself_is_an_ordinary_byte() {
    assert_eq!(decode(10, b"a\rb\n"), ("a\rb|".to_owned(), 0));
    assert_eq!(decode(10, b"\r\r\r\n"), ("\r\r|".to_owned(), 0));
    assert_eq!(decode(10, b"a\n\rb\n"), ("a|\rb|".to_owned(), 0));
}

#[test]
fn a_line_may_be_as_long_as_the_limit_and_no_longer() {
    for (input, lines, left) in [
        ("1234\n", "1234|", 0),
        ("12345\n", "12345|", 0),
        ("12345\r\n", "12345|", 0),
        ("1234\r\r\n", "1234\r|", 0),
        ("123456\n.\n", "<too long>|.|", 0),
        ("123456\r\n.\n", "<too long>|.|", 0),
        ("12345\r\r\n.\n", "<too long>|.|", 0),
        ("12345\r6\n.\n", "<too long>|.|", 0),
        ("1234567\n\n.\n", "<too long>||.|", 0),
        ("123456\n123456\n", "<too long>|<too long>|", 0),
        ("12345", "", 5),
        ("12345\r", "", 6),
        // It is known to be too long before it ends.
        ("123456", "<too long>|", 0),
        ("12345\r6", "<too long>|", 0),
        ("123456123456123456", "<too long>|", 0),
    ] {
        assert_eq!(decode(5, input.as_bytes()), (lines.to_owned(), left), "{input:?}");
    }
    assert_eq!(decode(0, b"\n\r\n1\n\n"), ("||<too long>||".to_owned(), 0));
    assert_eq!(decode(usize::MAX, b"any\n"), ("any|".to_owned(), 0));
    let longest = [&[b'x'; 4096][..], b"\r\n", &[b'x'; 4097], b"\n"].concat();
    let mut seen = Vec::new();
    laws(Lines::new, show, &longest[..4100]);
    show(Line::Text(&[b'x'; 4096]), &mut seen);
    show(Line::TooLong, &mut seen);
    assert_eq!(decode(4096, &longest).0.as_bytes(), seen);
}

#[test]
fn lines_keep_the_laws() {
    for input in [
        &b""[..],
        b"one\ntwo\r\n\n\r\n",
        b"half",
        b"\r",
        b"\r\r\n\n\r",
        b"1234\n12345\n123456\n1234567\n.\n",
        b"1234\r\n12345\r\n123456\r\n1234567\r\n.\r\n",
        b"12345\r6\n12345\r\r\n12345\r",
        b"a very long line indeed, and yet another one\nand so on and so on",
        "你好\n世界🙂\r\n".as_bytes(),
        &[0, 255, 10, 128, 13, 10, 254],
    ] {
        for limit in [0, 1, 5, 6, 4096] {
            laws(|| Lines::with_limit(limit), show, input);
        }
    }
}

/// Counts its messages.
#[derive(Clone, Default)]
struct Count(Arc<Mutex<(usize, usize)>>);

impl MessageHandler<Lines> for Count {
    fn on_message(&mut self, line: Line<'_>, _: &mut Context<'_>) -> Result<(), Close> {
        let mut count = self.0.lock().unwrap();
        match line {
            Line::Text(_) => count.0 += 1,
            Line::TooLong => count.1 += 1,
        }
        Ok(())
    }
}

#[test]
fn a_line_without_an_end_is_told_once_and_takes_no_memory() {
    let count = Count::default();
    // If more than the limit was ever buffered, the connection would end.
    let limits = patient().pending_input(101);
    let mut network = Network::new(limits);
    let client = network.connect(Framed::new(Lines::with_limit(100), count.clone()));
    let megabyte = vec![b'x'; 1 << 20];
    for _ in 0..64 {
        network.send(client, &megabyte);
        network.settle();
        assert_eq!(network.unread(client), 0);
    }
    assert_eq!(*count.0.lock().unwrap(), (0, 1));
    network.send(client, b"\nfine\n");
    network.settle();
    assert_eq!(*count.0.lock().unwrap(), (1, 1));
    assert!(!network.is_closed(client));
}

#[test]
fn no_byte_is_looked_at_twice_for_the_end_of_its_line() {
    let mut lines = Lines::new();
    let mut input = vec![b'x'; 1000];
    assert_eq!(lines.decode(&mut input).unwrap(), Step::NeedMore);
    // A server would not change offered input; here the change shows if it is read again.
    input[500] = b'\n';
    assert_eq!(lines.decode(&mut input).unwrap(), Step::NeedMore);
    input.push(b'\n');
    let Step::Message(Line::Text(text), 1001) = lines.decode(&mut input).unwrap() else {
        panic!("no line of 1,000 bytes");
    };
    assert_eq!(text.len(), 1000);
    let mut next = *b"next\n";
    assert_eq!(lines.decode(&mut next).unwrap(), Step::Message(Line::Text(b"next"), 5));
}
