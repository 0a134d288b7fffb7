//! The session service: where commands end, the answers, and the state it keeps.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketserver::services::session::Session;
use socketserver::testkit::{Client, Network};
use socketserver::{Close, Context, Handler, Limits};

use crate::hub::network::take_all;
use crate::support::handlers::{patient, tight};

pub(crate) const GREETING: &str = "我是多线程";
pub(crate) const ZERO: &str = "您输入的是0";
pub(crate) const OTHER: &str = "请重新输入.";

/// A session that has sent its greeting.
fn greeted(limits: Limits) -> (Network, Client) {
    let mut network = Network::new(limits);
    let client = network.connect(Session::new());
    assert_eq!(take_text(&mut network, client), GREETING);
    (network, client)
}

fn take_text(network: &mut Network, client: Client) -> String {
    String::from_utf8(take_all(network, client)).unwrap()
}

/// Sends the chunks one after the other. Returns the output, and true if the session ended.
fn talk<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (String, bool) {
    let (mut network, client) = greeted(Limits::default());
    let mut came = String::new();
    for chunk in chunks {
        network.send(client, chunk);
        came += &take_text(&mut network, client);
    }
    (came, network.is_closed(client))
}

/// Answers, a letter each: `0`, and `?` for the other one.
fn answers(letters: &str) -> String {
    letters.chars().map(|letter| if letter == '0' { ZERO } else { OTHER }).collect()
}

#[test]
fn each_client_is_greeted_before_it_speaks() {
    let (network, client) = greeted(Limits::default());
    assert_eq!(network.calls(client), (0, 1));
    assert!(!network.is_closed(client));
}

#[test]
fn each_command_without_line_end_gets_one_answer_at_once() {
    let (mut network, client) = greeted(Limits::default());
    for (command, answer) in [("0", ZERO), ("你好", OTHER), ("00", OTHER), ("0", ZERO)] {
        network.send(client, command.as_bytes());
        network.turn();
        assert_eq!(network.received(client), answer.as_bytes(), "{command}");
    }
    network.send(client, b"exit");
    network.settle();
    assert_eq!(network.received(client), b"");
    assert!(network.is_closed(client) && !network.is_reset(client));
    assert_eq!(network.connections(), 0);
}

/// Chunks, the answers to them, and true if the session ends.
const CHUNKS: &[(&[&str], &str, bool)] = &[
    // One line end is ignored, and no other byte.
    (&["0\n", "0\r\n", "hello\n", "exit\n"], "00?", true),
    (&["0\r", "exit\r"], "0", true),
    (&["0\r\r\n"], "?", false),
    (&[" 0\n"], "?", false),
    (&["0 \n"], "?", false),
    (&["exit \n"], "?", false),
    (&["EXIT\n"], "?", false),
    (&["exit0\n", "exitt\n", "exit\rt\n"], "???", false),
    (&["0\0\n"], "?", false),
    // A late line end belongs to the command that was answered already.
    (&["0", "\n", "0"], "0", false),
    (&["0", "\r\n", "0\n"], "00", false),
    (&["0", "\r", "\n", "0\n"], "00", false),
    (&["0\r", "\n", "0\n"], "00", false),
    (&["0", "\n0\n"], "00", false),
    (&["hello", "\n", "exit\r\n"], "?", true),
    // An empty line is a command.
    (&["\n", "\r\n", "0\n", "\n"], "??0?", false),
    (&["\r", "\n", "\r", "\n"], "??", false),
    (&["0", "\n\n"], "0?", false),
    // Many lines in one chunk; bytes after `exit` are dropped.
    (&["0\nhello\r\n\n0\n"], "0??0", false),
    (&["0\nexit\n0\n"], "0", true),
    (&["exit\n0\n"], "", true),
    (&["0\n0", "\n"], "00", false),
    // Without a line end so far, pieces are commands.
    (&["ex", "it"], "??", false),
    (&["ex", "it\n", "ex", "it\n"], "??", true),
    // With one, they wait for the rest.
    (&["\n", "ex", "it", "\r", "\n"], "?", true),
    (&["0\n", "0", "0\n"], "0?", false),
    (&["0\n", "exit", "ed\n"], "0?", false),
];

#[test]
fn a_command_ends_with_its_line_or_its_chunk() {
    for (chunks, letters, is_over) in CHUNKS {
        let said = talk(chunks.iter().map(|chunk| chunk.as_bytes()));
        assert_eq!(said, (answers(letters), *is_over), "{chunks:?}");
    }
}

#[test]
fn lines_may_be_cut_anywhere() {
    let lines = "0\n你好\r\n\n00\r\nexit 0\r\n\r\n0\nexitexit\nexit\r\n0\r\n".as_bytes();
    let expected = (answers("?0?????0?"), true);
    for cut in 0..=lines.len() {
        for other in [1, 2, 5] {
            let (front, back) = lines.split_at(cut);
            let (middle, back) = back.split_at(other.min(back.len()));
            let chunks = [b"\r\n", front, middle, back].into_iter().filter(|c| !c.is_empty());
            assert_eq!(talk(chunks), expected, "cut at {cut} and {other} behind");
        }
    }
    assert_eq!(talk([&b"\n"[..]].into_iter().chain(lines.chunks(1))), expected);
}

#[test]
fn a_character_that_is_cut_is_two_commands() {
    let character = "好".as_bytes();
    for cut in 1..character.len() {
        let (front, back) = character.split_at(cut);
        assert_eq!(talk([front, back, b"0"]), (answers("??0"), false));
    }
    assert_eq!(talk(character.chunks(1)), (answers("???"), false));
}

#[test]
fn bytes_of_any_kind_are_a_command() {
    // 255 begins a command of telnet.
    for byte in 0..u8::MAX {
        let letters = if byte == b'0' { "0" } else { "?" };
        assert_eq!(talk([&[byte][..]]), (answers(letters), false), "{byte}");
    }
}

#[test]
fn a_piece_of_a_line_waits_half_a_second_for_the_rest() {
    let (mut network, client) = greeted(Limits::default());
    network.send(client, b"0\n0");
    assert_eq!(take_text(&mut network, client), ZERO);
    network.advance(Duration::from_millis(499));
    assert_eq!(take_text(&mut network, client), "");
    network.advance(Duration::from_millis(1));
    assert_eq!(take_text(&mut network, client), ZERO);
    // That line end was late, and the next line waits again.
    network.send(client, b"\nex");
    network.advance(Duration::from_millis(400));
    network.send(client, b"i");
    network.advance(Duration::from_millis(400));
    network.send(client, b"t\n");
    assert_eq!(take_text(&mut network, client), "");
    assert!(network.is_closed(client));
}

#[test]
fn a_client_that_stops_sending_line_ends_waits_once() {
    let (mut network, client) = greeted(Limits::default());
    network.send(client, b"0\r\nhello");
    network.advance(Duration::from_millis(500));
    assert_eq!(take_text(&mut network, client), answers("0?"));
    for (command, answer) in [("0", ZERO), ("again", OTHER), ("0", ZERO)] {
        network.send(client, command.as_bytes());
        assert_eq!(take_text(&mut network, client), answer);
    }
    network.send(client, b"exit");
    network.settle();
    assert!(network.is_closed(client));
}

#[test]
fn a_line_that_ended_leaves_no_timer_that_answers_again() {
    let (mut network, client) = greeted(Limits::default());
    network.send(client, b"\n0");
    assert_eq!(take_text(&mut network, client), OTHER);
    network.send(client, b"\n");
    assert_eq!(take_text(&mut network, client), ZERO);
    network.advance(Duration::from_secs(2));
    assert_eq!(take_text(&mut network, client), "");
}

#[test]
fn the_end_of_the_input_ends_the_last_line_and_the_session() {
    for (sent, letters) in [("", ""), ("0", "0"), ("0\n0", "00"), ("0\nexit", "0"), ("\nx\n", "??")]
    {
        let (mut network, client) = greeted(Limits::default());
        network.send(client, sent.as_bytes());
        network.shut(client);
        assert_eq!(take_text(&mut network, client), answers(letters), "{sent:?}");
        assert!(network.is_closed(client) && !network.is_reset(client));
    }
}

#[test]
fn input_before_the_server_stops_is_answered() {
    let (mut network, client) = greeted(Limits::default());
    network.send(client, b"hello\n0");
    network.stop();
    assert_eq!(take_text(&mut network, client), answers("?0"));
    assert_eq!(network.connections(), 0);
}

#[test]
fn sessions_do_not_know_each_other() {
    let (mut network, first) = greeted(Limits::default());
    let second = network.connect(Session::new());
    assert_eq!(take_text(&mut network, second), GREETING);
    network.send(first, b"\nex");
    network.send(second, b"ex");
    assert_eq!(take_text(&mut network, first), OTHER);
    assert_eq!(take_text(&mut network, second), OTHER);
    network.send(first, b"it\n");
    network.send(second, b"it");
    assert_eq!(take_text(&mut network, first), "");
    assert_eq!(take_text(&mut network, second), OTHER);
    assert!(network.is_closed(first) && !network.is_closed(second));
}

/// A session, and a record of its actions.
struct Counted {
    session: Session,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    written: AtomicUsize,
    chunks: AtomicUsize,
    left: AtomicUsize,
    closes: Mutex<Vec<Close>>,
}

impl Counts {
    fn written(&self) -> usize {
        self.written.load(Ordering::Relaxed)
    }
}

impl Counted {
    fn connect(network: &mut Network) -> (Client, Arc<Counts>) {
        let counts = Arc::new(Counts::default());
        let handler = Counted { session: Session::new(), counts: Arc::clone(&counts) };
        (network.connect(handler), counts)
    }
}

impl Handler for Counted {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        self.session.on_open(cx);
        self.counts.written.fetch_add(cx.output().len(), Ordering::Relaxed);
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let before = cx.output().len();
        let used = self.session.on_data(input, cx)?;
        self.counts.written.fetch_add(cx.output().len() - before, Ordering::Relaxed);
        self.counts.chunks.fetch_add(1, Ordering::Relaxed);
        self.counts.left.fetch_max(input.len() - used, Ordering::Relaxed);
        Ok(used)
    }

    fn on_timer(&mut self, key: u64, cx: &mut Context<'_>) {
        self.session.on_timer(key, cx);
    }

    fn on_eof(&mut self, cx: &mut Context<'_>) {
        self.session.on_eof(cx);
    }

    fn on_close(&mut self, why: &Close, _: &mut Context<'_>) {
        self.counts.closes.lock().unwrap().push(why.clone());
    }
}

const MEGABYTES: usize = 4_000_000;

#[test]
fn a_text_without_end_is_kept_nowhere() {
    let mut network = Network::new(patient());
    let (client, counts) = Counted::connect(&mut network);
    network.settle();
    network.send(client, &vec![b'x'; MEGABYTES]);
    network.settle();
    assert_eq!(network.unread(client), 0);
    assert_eq!(counts.left.load(Ordering::Relaxed), 0);
    let chunks = counts.chunks.load(Ordering::Relaxed);
    assert!(chunks > 10);
    let expected = GREETING.len() + chunks * OTHER.len();
    assert_eq!(network.received(client).len(), expected, "an answer for each chunk");

    // A line without end is one command, and not buffered either.
    network.send(client, b"\n0\n");
    assert_eq!(take_text(&mut network, client), ZERO, "the line end was late");
    network.send(client, &vec![b'x'; MEGABYTES]);
    network.settle();
    assert_eq!((network.unread(client), network.received(client).len()), (0, 0));
    network.send(client, b"\n");
    assert_eq!(take_text(&mut network, client), OTHER);
    assert_eq!(counts.left.load(Ordering::Relaxed), 0);
}

#[test]
fn a_client_that_reads_no_answers_is_not_read() {
    let limits = patient();
    let most = limits.output_high + OTHER.len();
    for line in ["x\n", "0\n", "\n"] {
        let mut network = Network::new(limits.clone());
        let (client, counts) = Counted::connect(&mut network);
        network.window(client, 1000);
        let lines = line.repeat(MEGABYTES / line.len());
        network.send(client, lines.as_bytes());
        let mut came = 0;
        for _ in 0..200 {
            network.settle();
            came += network.received(client).len();
            assert!(counts.written() - came <= most, "{} pending", counts.written() - came);
        }
        assert!(came >= 200_000);
        assert!(network.unread(client) > MEGABYTES / 2);
        assert_eq!(*counts.closes.lock().unwrap(), []);
    }
}

#[test]
fn a_slow_reader_gets_every_answer_and_the_end() {
    const LINES: usize = 5_000;
    let mut network = Network::new(tight());
    let (client, counts) = Counted::connect(&mut network);
    network.window(client, 100);
    let sent = ["0\n".repeat(LINES), "exit\n".to_owned(), "0\n".repeat(LINES)].concat();
    network.send(client, sent.as_bytes());
    let came = take_text(&mut network, client);
    assert!(came == [GREETING, &ZERO.repeat(LINES)].concat());
    assert!(network.is_closed(client) && !network.is_reset(client));
    assert_eq!(*counts.closes.lock().unwrap(), [Close::Done]);
}

#[test]
fn input_that_comes_in_few_bytes_at_a_time_by_the_system_is_as_good() {
    let (mut network, client) = greeted(tight());
    network.grain(client, 1);
    network.send(client, "\n0\n你好\nexit\n0\n".as_bytes());
    assert_eq!(take_text(&mut network, client), answers("?0?"));
    assert!(network.is_closed(client) && !network.is_reset(client));
}
