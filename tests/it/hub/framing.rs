//! From bytes to messages: `Framed`, a protocol of netstrings, and the laws of protocols.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use socketserver::testkit::{Network, laws};
use socketserver::{Close, Context, Framed, Limits, MessageHandler, Protocol, Step};

use crate::hub::network::take_all;
use crate::support::handlers::tight;

/// `5:hello,` as D. J. Bernstein defines it, up to 999,999 bytes; newlines in between are skipped.
struct Netstring;

fn bad(why: &'static str) -> Close {
    Close::Malformed { code: 0, why }
}

impl Protocol for Netstring {
    type Message<'a> = &'a [u8];

    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Step<&'a [u8]>, Close> {
        let mut len = 0;
        for (at, byte) in input.iter().enumerate() {
            match byte {
                b'\n' if at == 0 => return Ok(Step::Skip(1)),
                b'0'..=b'9' if at < 6 => len = len * 10 + usize::from(byte - b'0'),
                b'0'..=b'9' => return Err(bad("too long")),
                b':' if at > 0 => {
                    let end = at + 1 + len;
                    return match input.get(end) {
                        None => Ok(Step::NeedMore),
                        Some(b',') => Ok(Step::Message(&input[at + 1..end], end + 1)),
                        Some(_) => Err(bad("no comma")),
                    };
                }
                _ => return Err(bad("no length")),
            }
        }
        Ok(Step::NeedMore)
    }
}

fn show(message: &[u8], seen: &mut Vec<u8>) {
    seen.extend_from_slice(message);
    seen.push(b'|');
}

#[test]
fn netstrings_keep_the_laws() {
    for input in [
        &b""[..],
        b"5:hello,0:,\n\n3:a:b,2:,,,",
        b"5:hello,3:ab",
        b"5:hello,x",
        b"5:hello;5:hello,",
        b"999999:never",
        b"1000000:more",
        b"99999999999999999999999999999:",
        b":,",
        b"\n\n1",
    ] {
        laws(|| Netstring, show, input);
    }
}

/// A protocol made of a function of its input and of the number of calls so far.
struct Made<F>(usize, F);

impl<F> Protocol for Made<F>
where
    F: Fn(usize, &mut [u8]) -> Result<Step<Vec<u8>>, Close> + Send,
{
    type Message<'a> = Vec<u8>;

    fn decode(&mut self, input: &mut [u8]) -> Result<Step<Vec<u8>>, Close> {
        self.0 += 1;
        (self.1)(self.0, input)
    }
}

/// Returns true if `laws` accepts the protocol.
fn is_lawful<F>(decode: F) -> bool
where
    F: Fn(usize, &mut [u8]) -> Result<Step<Vec<u8>>, Close> + Send + Copy,
{
    let check = || laws(|| Made(0, decode), |message, seen| show(&message, seen), b"abcdefgh");
    catch_unwind(AssertUnwindSafe(check)).is_ok()
}

#[test]
fn the_laws_accept_a_lawful_protocol() {
    assert!(is_lawful(|_, input| Ok(Step::Message(vec![input[0]], 1))));
    assert!(is_lawful(|_, _| Ok(Step::NeedMore)));
    assert!(is_lawful(|_, _| Ok(Step::Skip(1))));
    assert!(is_lawful(|_, _| Err(bad("always"))));
    assert!(is_lawful(|_, input| {
        input[0] = b'x';
        Ok(Step::Message(vec![input[0]], 1))
    }));
}

#[test]
fn the_laws_catch_messages_that_depend_on_the_cut() {
    assert!(!is_lawful(|_, input| Ok(Step::Message(input.to_vec(), input.len()))));
    assert!(!is_lawful(|calls, _| Ok(Step::Message(vec![calls as u8], 2))));
}

#[test]
fn the_laws_catch_leftovers_that_depend_on_the_cut() {
    assert!(!is_lawful(|_, input| match input.len() {
        8 => Ok(Step::Skip(8)),
        _ => Ok(Step::NeedMore),
    }
    .map(|step| if input.len() == 4 { Step::Skip(1) } else { step })));
}

#[test]
fn the_laws_catch_errors_that_depend_on_the_cut() {
    assert!(!is_lawful(|_, input| match input.len() {
        1 => Err(bad("short")),
        n => Ok(Step::Skip(n)),
    }));
}

#[test]
fn the_laws_catch_steps_that_make_no_progress() {
    assert!(!is_lawful(|_, _| Ok(Step::Skip(0))));
    assert!(!is_lawful(|_, _| Ok(Step::Message(vec![], 0))));
}

#[test]
fn the_laws_catch_steps_beyond_the_input() {
    assert!(!is_lawful(|_, input| Ok(Step::Skip(input.len() + 1))));
}

#[test]
fn the_laws_catch_changes_of_bytes_that_were_not_used() {
    assert!(!is_lawful(|_, input| {
        input[0] = b'x';
        Ok(Step::NeedMore)
    }));
    assert!(!is_lawful(|_, input| {
        *input.last_mut().unwrap() ^= 1;
        Ok(if input.len() > 1 { Step::Skip(1) } else { Step::NeedMore })
    }));
}

#[test]
fn the_laws_catch_panics() {
    assert!(!is_lawful(|_, input| match input.len() {
        3 => panic!("three"),
        _ => Ok(Step::NeedMore),
    }));
}

/// Sends each message back; `quit` closes, and `fail` fails.
#[derive(Default)]
struct Answer {
    closes: Arc<Mutex<Vec<Close>>>,
}

impl MessageHandler<Netstring> for Answer {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.write(b"hi|");
    }

    fn on_message(&mut self, message: &[u8], cx: &mut Context<'_>) -> Result<(), Close> {
        let mut shown = Vec::new();
        show(message, &mut shown);
        cx.write(&shown);
        match message {
            b"quit" => cx.close(Close::Done),
            b"fail" => return Err(Close::failed("asked to")),
            _ => {}
        }
        Ok(())
    }

    fn on_reject(&mut self, why: &Close, cx: &mut Context<'_>) {
        cx.write(why.to_string().as_bytes());
    }

    fn on_close(&mut self, why: &Close, _: &mut Context<'_>) {
        self.closes.lock().unwrap().push(why.clone());
    }
}

/// Sends each of `parts` separately, then the end. Returns the output and the reason of the end.
fn talk<'a>(limits: Limits, parts: impl IntoIterator<Item = &'a [u8]>) -> (String, Close) {
    let closes = Arc::default();
    let handler = Answer { closes: Arc::clone(&closes) };
    let mut network = Network::new(limits);
    let client = network.connect(Framed::new(Netstring, handler));
    for part in parts {
        network.send(client, part);
        network.settle();
    }
    network.shut(client);
    let came = take_all(&mut network, client);
    assert_eq!(network.connections(), 0);
    let [why] = &closes.lock().unwrap()[..] else {
        panic!("closed {} times", closes.lock().unwrap().len());
    };
    (String::from_utf8(came).unwrap(), why.clone())
}

#[test]
fn messages_are_the_same_however_they_are_cut() {
    let sent = b"5:hello,\n0:,3:a:b,4:half";
    for size in 1..=sent.len() {
        let (came, why) = talk(Limits::default(), sent.chunks(size));
        assert_eq!((&*came, why), ("hi|hello||a:b|", Close::Eof), "parts of {size}");
    }
}

#[test]
fn a_message_of_the_largest_size_passes_when_there_is_room_for_it() {
    let limits = Limits::default().pending_input(1_000_100);
    let message = [&b"999999:"[..], &[b'x'; 999_999], b","].concat();
    let (came, why) = talk(limits, message.chunks(100_000));
    assert_eq!((came.len(), why), (3 + 999_999 + 1, Close::Eof));
    let (came, why) = talk(Limits::default(), message.chunks(10_000));
    assert_eq!((&*came, why), ("hi|too much pending input", Close::InputLimit));
}

#[test]
fn bad_input_is_rejected_once_and_after_the_answers_to_the_good() {
    for (sent, why) in [
        (&b"2:ok,x2:no,x"[..], "no length"),
        (b"2:ok,2:no!2:no!", "no comma"),
        (b"2:ok,9999999:9999999:", "too long"),
    ] {
        for size in [1, 5, 100] {
            let (came, close) = talk(Limits::default(), sent.chunks(size));
            assert_eq!(came, format!("hi|ok|malformed input: {why}"));
            assert_eq!(close, bad(why));
        }
    }
}

#[test]
fn after_the_end_no_message_is_handled() {
    let (came, why) = talk(Limits::default(), [&b"4:quit,2:no,"[..]]);
    assert_eq!((&*came, why), ("hi|quit|", Close::Done));
    let (came, why) = talk(Limits::default(), [&b"4:fail,2:no,"[..]]);
    assert_eq!((&*came, why), ("hi|fail|", Close::failed("asked to")));
}

#[test]
fn messages_wait_while_the_output_is_full() {
    let mut network = Network::new(tight());
    let client = network.connect(Framed::new(Netstring, Answer::default()));
    network.window(client, 60);
    network.send(client, &b"50:12345678901234567890123456789012345678901234567890,".repeat(30));
    network.shut(client);
    let came = take_all(&mut network, client);
    assert_eq!(came.len(), 3 + 51 * 30);
    assert_eq!(network.connections(), 0);
}
