//! Effects on other connections: forwarding at their pace, notes, half-closes, and outgoing
//! connections.

use std::io::{self, ErrorKind};
use std::time::Duration;

use socketserver::testkit::{Client, Network};
use socketserver::{Close, Context, Handler, Id, Limits, Notification};

/// One side of a proxy: forwards its input to the other side, and the end as well.
struct Side(Option<Id>);

struct Ended;

impl Handler for Side {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        if let Some(other) = self.0 {
            cx.forward(other, &*input);
        }
        Ok(input.len())
    }

    fn on_eof(&mut self, cx: &mut Context<'_>) {
        if let Some(other) = self.0 {
            cx.notify(other, Ended);
        }
    }

    fn on_notify(&mut self, note: Notification, cx: &mut Context<'_>) {
        match note.downcast::<Id>() {
            Ok(other) => self.0 = Some(other),
            Err(note) if note.is::<Ended>() => cx.finish(),
            Err(_) => cx.close(Close::failed("an unknown note")),
        }
    }
}

fn pair(network: &mut Network) -> (Client, Client) {
    let left = network.connect(Side(None));
    let right = network.connect(Side(Some(network.id(left))));
    network.notify(left, network.id(right));
    network.settle();
    (left, right)
}

fn network() -> Network {
    let mut limits = Limits::default().idle(None).first_byte(None);
    (limits.output_low, limits.output_high, limits.output_hard) = (500, 1000, 1500);
    Network::new(limits)
}

#[test]
fn forwarding_goes_at_the_pace_of_the_slower() {
    let mut network = network();
    let (left, right) = pair(&mut network);
    network.window(right, 100);
    let mut sent = Vec::new();
    for n in 0..2000_u32 {
        sent.extend_from_slice(&n.to_be_bytes());
        network.send(left, &n.to_be_bytes());
        network.settle();
    }
    assert!(network.unread(left) > 6000, "{} bytes are held back", network.unread(left));
    let mut got = Vec::new();
    loop {
        let more = network.received(right);
        if more.is_empty() {
            break;
        }
        got.extend(more);
        network.settle();
    }
    assert_eq!(got, sent);
    assert_eq!(network.connections(), 2);
}

#[test]
fn both_ways_at_once() {
    let mut network = network();
    let (left, right) = pair(&mut network);
    network.window(left, 10);
    network.window(right, 7);
    network.send(left, &[b'r'; 9000]);
    network.send(right, &[b'l'; 8000]);
    let (mut lefts, mut rights) = (0, 0);
    for _ in 0..4000 {
        network.settle();
        lefts += network.received(left).len();
        rights += network.received(right).len();
    }
    assert_eq!((lefts, rights), (8000, 9000));
}

#[test]
fn forwarding_to_a_closed_connection_does_not_pause_the_sender() {
    let mut network = network();
    let (left, right) = pair(&mut network);
    network.window(right, 0);
    for _ in 0..5 {
        network.send(left, &[b'x'; 1000]);
        network.settle();
    }
    assert!(network.unread(left) > 0);
    network.reset(right);
    network.settle();
    assert_eq!(network.unread(left), 0);
}

#[test]
fn a_stalled_receiver_ends_and_releases_its_sender() {
    let mut network = network();
    let (left, right) = pair(&mut network);
    network.window(right, 0);
    network.send(left, &[b'x'; 2000]);
    network.settle();
    network.send(left, &[b'x'; 2000]);
    network.settle();
    assert_eq!(network.unread(left), 2000);
    network.advance(Duration::from_secs(62)); // Limits::write_stall
    assert_eq!(network.unread(left), 0);
    assert_eq!(network.connections(), 1);
}

#[test]
fn a_half_close_passes_through_after_the_bytes() {
    let mut network = network();
    let (left, right) = pair(&mut network);
    network.window(right, 10);
    network.send(left, b"a question that is longer than ten");
    network.shut(left);
    network.settle();
    assert!(!network.is_closed(right), "what waits is sent first");
    let mut got = Vec::new();
    for _ in 0..5 {
        got.extend(network.received(right));
        network.settle();
    }
    assert_eq!(got, b"a question that is longer than ten");
    assert!(network.is_closed(right));
    assert_eq!(network.connections(), 2, "the other direction is open");
    network.send(right, b"an answer");
    network.settle();
    assert_eq!(network.received(left), b"an answer");
    network.shut(right);
    network.settle();
    assert_eq!(network.connections(), 0);
    assert!(!network.is_reset(left) && !network.is_reset(right));
}

/// Ends its output, and goes on writing and reading.
struct Finisher;

impl Handler for Finisher {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        cx.write(input);
        cx.finish();
        Ok(input.len())
    }
}

#[test]
fn nothing_is_sent_after_finishing() {
    let mut network = network();
    let client = network.connect(Finisher);
    let other = network.connect(Side(Some(network.id(client))));
    network.send(client, b"one");
    network.settle();
    network.send(client, b"two");
    network.send(other, b"three");
    network.settle();
    assert_eq!(network.received(client), b"one");
    assert!(network.is_closed(client));
    assert_eq!(network.connections(), 2);
    network.shut(client);
    network.settle();
    assert_eq!(network.connections(), 1);
}

/// Makes a connection for each byte of input; the new one reports its outcome.
struct Caller;

struct Callee(Id);

impl Handler for Caller {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        for byte in input.iter() {
            let to = socketserver::Address::from(std::net::SocketAddr::from((
                [127, 0, 0, 1],
                u16::from(*byte),
            )));
            cx.connect(to, Callee(cx.id()));
        }
        Ok(input.len())
    }
}

impl Handler for Callee {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.send(self.0, *b"made ");
        cx.write(b"hello");
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        cx.send(self.0, &*input);
        Ok(input.len())
    }

    fn on_unreachable(&mut self, error: &io::Error, cx: &mut Context<'_>) {
        cx.write(b"nobody hears this");
        cx.join(&"nobody is this".into());
        cx.set_timer(0, Duration::ZERO);
        cx.send(self.0, format!("{:?} ", error.kind()).into_bytes());
    }

    fn on_close(&mut self, _: &Close, cx: &mut Context<'_>) {
        cx.send(self.0, *b"over ");
    }
}

#[test]
fn a_connection_that_is_wanted_is_made_or_not() {
    let mut network = network();
    let client = network.connect(Caller);
    network.send(client, &[7, 8]);
    network.settle();
    let wanted: Vec<String> = network.wanted().iter().map(ToString::to_string).collect();
    assert_eq!(wanted, ["127.0.0.1:7", "127.0.0.1:8"]);
    let far = network.grant();
    network.deny(ErrorKind::ConnectionRefused.into());
    network.settle();
    assert_eq!(network.received(client), b"ConnectionRefused made ");
    assert_eq!(network.received(far), b"hello");
    network.send(far, b"hi ");
    network.shut(far);
    network.settle();
    assert_eq!(network.received(client), b"hi over ");
    assert_eq!(network.connections(), 1);
}

/// Closes when its note comes back.
struct Teller(Id);

impl Handler for Teller {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        for byte in input.iter() {
            cx.notify(self.0, *byte);
        }
        Ok(input.len())
    }

    fn on_notify(&mut self, note: Notification, cx: &mut Context<'_>) {
        let Notification::Undelivered { to, message } = note else { panic!("{note:?}") };
        assert_eq!(to, self.0);
        cx.write(&[*message.downcast::<u8>().unwrap()]);
    }
}

#[test]
fn a_note_to_a_closed_connection_comes_back_once() {
    let mut network = network();
    let gone = network.connect(Side(None));
    let teller = network.connect(Teller(network.id(gone)));
    network.settle();
    // The first note closes its receiver, which never gets the second.
    network.send(teller, b"12");
    network.settle();
    assert_eq!(network.received(teller), b"2");
    network.send(teller, b"3");
    network.settle();
    assert_eq!(network.received(teller), b"3");
    network.notify(gone, Ended);
    network.settle();
    assert_eq!(network.connections(), 1);
}

#[test]
fn a_throttled_connection_does_not_count_as_idle() {
    let mut limits = Limits::default().idle(Some(Duration::from_secs(5)));
    (limits.output_low, limits.output_high) = (500, 1000);
    let mut network = Network::new(limits);
    let (left, right) = pair(&mut network);
    network.window(right, 100);
    network.send(left, &[b'x'; 3000]);
    network.settle();
    network.send(left, &[b'y'; 3000]);
    let mut got = 0;
    // The receiver reads 100 bytes every two seconds: it is alive, and so is its sender.
    while got < 5400 {
        network.advance(Duration::from_secs(2));
        let more = network.received(right).len();
        assert!(more > 0, "cut after {got} bytes");
        got += more;
    }
    assert!(!network.is_closed(left));
}

/// Upgrades at the first note.
struct First;

/// Writes each note to its peer.
struct Second;

impl Handler for First {
    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }

    fn on_notify(&mut self, _: Notification, cx: &mut Context<'_>) {
        cx.upgrade(Second);
    }
}

impl Handler for Second {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.write(b"open ");
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }

    fn on_notify(&mut self, note: Notification, cx: &mut Context<'_>) {
        cx.write(note.downcast::<&str>().unwrap().as_bytes());
    }
}

#[test]
fn notes_wait_for_the_new_handler() {
    let mut network = network();
    let client = network.connect(First);
    network.settle();
    for note in ["first ", "second ", "third "] {
        network.notify(client, note);
    }
    network.settle();
    assert_eq!(network.received(client), b"open second third ");
}
