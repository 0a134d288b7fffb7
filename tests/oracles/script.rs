//! The events of a connection in memory while its client sends an input: the cuts between its
//! parts, the reads of the client, the passage of time, and the end. Knows no service.

use std::time::Duration;

use socketserver::Limits;
use socketserver::testkit::{Client, Network};

use super::input::Input;

/// Limits that a few answers reach, and so small that a hub is created quickly.
pub(crate) fn limits() -> Limits {
    Limits::default().pending_input(2048).output_low(100).output_high(300)
}

/// One event.
#[derive(Clone, Copy)]
enum Act {
    Send(usize),
    /// Sends, and lets the server run a single turn.
    SendAndTurn(usize),
    Window(usize),
    Grain(usize),
    Take,
    Stray,
    Wait(Duration),
    /// All deadlines pass.
    Stall,
    Reset,
    Shut,
    Stop,
}

/// However long the script is, all its time stays within one second unless a deadline passes:
/// answers have a date.
const WAIT_AT_LAST: Duration = Duration::from_millis(480);
/// Longer than any default deadline.
pub(crate) const STALL: Duration = Duration::from_secs(200);

impl Act {
    fn of(control: u8) -> Act {
        let n = usize::from(control & 31);
        match control >> 5 {
            0 => Act::Send(n + 1),
            1 => Act::SendAndTurn(n + 1),
            2 => Act::Send(8 * n + 8),
            3 => Act::Window(8 * n),
            4 if n < 16 => Act::Take,
            4 => Act::Stray,
            5 => Act::Grain(n + 1),
            6 => Act::Wait(Duration::from_millis(n as u64 / 2)),
            _ if n < 8 => Act::Reset,
            _ if n < 16 => Act::Stop,
            _ if n < 24 => Act::Shut,
            _ => Act::Stall,
        }
    }

    /// Returns true if the event cannot change the final output.
    fn is_harmless(self) -> bool {
        !matches!(self, Act::Reset | Act::Shut | Act::Stop | Act::Stall)
    }
}

/// The output for a client, and its end.
#[derive(PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) bytes: Vec<u8>,
    /// True if the server closed before the client ended its input.
    pub(crate) was_closed: bool,
    /// True if the server closed with unread input, which on a real network can destroy its output.
    was_reset: bool,
}

/// A client that sends an input.
pub(crate) struct Sender<'a> {
    client: Client,
    rest: &'a [u8],
    may_send: bool,
    bytes: Vec<u8>,
}

impl<'a> Sender<'a> {
    pub(crate) fn new(client: Client, sent: &'a [u8]) -> Sender<'a> {
        Sender { client, rest: sent, may_send: true, bytes: Vec::new() }
    }

    /// Sends all of it at once, and reads the output.
    pub(crate) fn send_whole(mut self, network: &mut Network) -> Heard {
        let heard = self.finish(network);
        assert!(!heard.was_reset, "the server closes with input unread");
        heard
    }

    /// Sends it as the script divides it, and reads the output. Also returns true if the output
    /// must equal that of `send_whole`.
    pub(crate) fn send_by(mut self, network: &mut Network, input: &Input<'_>) -> (Heard, bool) {
        let mut is_harmless = true;
        for act in input.controls.iter().map(|control| Act::of(*control)) {
            self.perform(network, act);
            is_harmless &= act.is_harmless();
        }
        (self.finish(network), is_harmless)
    }

    fn perform(&mut self, network: &mut Network, act: Act) {
        let client = self.client;
        match act {
            Act::Send(n) => {
                self.send(network, n);
                network.settle();
            }
            Act::SendAndTurn(n) => {
                self.send(network, n);
                network.turn();
            }
            Act::Window(bytes) => network.window(client, bytes),
            Act::Grain(bytes) => network.grain(client, bytes),
            Act::Take => self.bytes.extend(network.received(client)),
            Act::Stray => {
                network.spurious(client);
                network.turn();
            }
            Act::Wait(time) => network.advance(time),
            Act::Stall => network.advance(STALL),
            Act::Reset => {
                self.may_send = false;
                network.reset(client);
            }
            Act::Shut => {
                self.may_send = false;
                network.shut(client);
            }
            Act::Stop => network.stop(),
        }
    }

    fn send(&mut self, network: &mut Network, n: usize) {
        let (part, rest) = self.rest.split_at(n.min(self.rest.len()));
        if self.may_send && !part.is_empty() {
            network.send(self.client, part);
            self.rest = rest;
        }
    }

    fn finish(&mut self, network: &mut Network) -> Heard {
        network.window(self.client, usize::MAX);
        self.send(network, usize::MAX);
        self.take_all(network);
        network.advance(WAIT_AT_LAST);
        self.take_all(network);
        let was_closed = network.is_closed(self.client);
        network.shut(self.client);
        self.take_all(network);
        if !network.is_closed(self.client) {
            network.advance(WAIT_AT_LAST);
            self.take_all(network);
        }
        let was_reset = network.is_reset(self.client);
        Heard { bytes: std::mem::take(&mut self.bytes), was_closed, was_reset }
    }

    fn take_all(&mut self, network: &mut Network) {
        loop {
            network.settle();
            let some = network.received(self.client);
            if some.is_empty() {
                break;
            }
            self.bytes.extend(some);
        }
    }
}
