//! Datagram sockets in the loop: receive a bounded share, run the handler, send what it wants.
//! Knows no connection.

use std::fmt::Display;
use std::io;

use mio::event::Event;
use mio::{Registry, Token};

use super::datagram_socket::DatagramSocket;
use super::outgoing::{Outgoing, Sent};
use crate::accept::{PAUSE_MS, concerns_one_peer};
use crate::handler::datagram::Outbox;
use crate::handler::datagram::{DatagramContext, DatagramHandler};
use crate::limits::Limits;
use crate::limits::QUIET_MS;
use crate::metrics::counters::Counters;
use crate::metrics::stopwatch::Stopwatch;
use crate::now::Now;
use crate::panics;

/// The first token of datagram sockets: below are the listeners, and at the very end the poller's
/// own.
const FIRST: usize = 1 << 31;
/// Datagrams received from one socket in one turn; the rest comes in the next.
const BURST: usize = 64;
/// Datagrams that are still answered when the server stops: those in the socket's queue.
const LAST_BURST: usize = 4096;

/// What the calls of handlers are counted and timed with.
type Instruments<'a> = (&'a Counters, &'a mut Stopwatch);

/// The datagram sockets of a server and what they share.
pub(crate) struct Letterboxes {
    boxes: Vec<Letterbox>,
    handlers: Vec<Box<dyn DatagramHandler>>,
    /// One byte longer than the longest datagram: what fills it was longer.
    input: Vec<u8>,
    outbox: Outbox,
    /// Bytes received from one socket in one turn.
    budget: usize,
}

/// A datagram socket, the handler behind it, and when to look at it.
struct Letterbox {
    socket: DatagramSocket,
    handler: usize,
    /// When to look for datagrams: 0 for at once, `None` if an event will tell.
    look_at_ms: Option<u64>,
    outgoing: Outgoing,
    /// Datagrams lost since it was last logged.
    lost: u64,
    /// Trouble is not logged again before this time.
    quiet_until_ms: u64,
}

impl Letterboxes {
    /// Sockets, each with the index of its handler.
    pub(crate) fn new(
        limits: &Limits,
        handlers: Vec<Box<dyn DatagramHandler>>,
        sockets: Vec<(DatagramSocket, usize)>,
    ) -> Letterboxes {
        // A server without them needs no memory for them.
        let input_len = if sockets.is_empty() { 0 } else { limits.datagram + 1 };
        let boxes = sockets.into_iter().map(|(socket, handler)| Letterbox {
            socket,
            handler,
            look_at_ms: Some(0),
            outgoing: Outgoing::new(limits.output_hard),
            lost: 0,
            quiet_until_ms: 0,
        });
        Letterboxes {
            boxes: boxes.collect(),
            handlers,
            input: vec![0; input_len],
            outbox: Outbox::default(),
            budget: limits.read_budget,
        }
    }

    pub(super) fn register(&mut self, registry: &Registry) -> io::Result<()> {
        for (index, letterbox) in self.boxes.iter_mut().enumerate() {
            letterbox.socket.register(registry, Token(FIRST + index))?;
        }
        Ok(())
    }

    /// Notes an event; `false` if it is about something else.
    pub(super) fn note(&mut self, event: &Event) -> bool {
        let index = event.token().0.checked_sub(FIRST);
        let Some(letterbox) = index.and_then(|index| self.boxes.get_mut(index)) else {
            return false;
        };
        if event.is_readable() || event.is_error() {
            letterbox.look_at_ms = Some(0);
        }
        if event.is_writable() {
            letterbox.outgoing.note_writable();
        }
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.boxes.is_empty()
    }

    /// When there is something to do without an event.
    pub(super) fn next_ms(&self) -> Option<u64> {
        let due = |letterbox: &Letterbox| {
            letterbox.look_at_ms.into_iter().chain(letterbox.outgoing.next_ms()).min()
        };
        self.boxes.iter().filter_map(due).min()
    }

    /// A bounded share for each socket.
    pub(super) fn turn(&mut self, now: Now, (counters, stopwatch): Instruments<'_>) {
        for index in 0..self.boxes.len() {
            self.boxes[index].send_waiting(now, counters);
            if self.boxes[index].look_at_ms.is_some_and(|at_ms| at_ms <= now.millis()) {
                self.receive(index, BURST, self.budget, now, (counters, &mut *stopwatch));
            }
        }
    }

    /// Answers what has come already, and closes.
    pub(super) fn stop(&mut self, now: Now, (counters, stopwatch): Instruments<'_>) {
        for index in 0..self.boxes.len() {
            self.receive(index, LAST_BURST, usize::MAX, now, (counters, &mut *stopwatch));
            let letterbox = &mut self.boxes[index];
            letterbox.outgoing.note_writable();
            letterbox.send_waiting(now, counters);
            let left = letterbox.outgoing.count() as u64;
            counters.datagrams_lost.add(left);
            letterbox.lost += left;
            if letterbox.lost > 0 {
                letterbox.log_lost(&"the server stops");
            }
        }
        self.close();
    }

    /// Closes at once.
    pub(super) fn close(&mut self) {
        self.boxes.clear();
        self.handlers.drain(..).for_each(panics::drop_quietly);
    }

    fn receive(
        &mut self,
        index: usize,
        burst: usize,
        budget: usize,
        now: Now,
        (counters, stopwatch): Instruments<'_>,
    ) {
        let Some(letterbox) = self.boxes.get_mut(index) else { return };
        letterbox.look_at_ms = Some(0);
        let len_max = self.input.len() - 1;
        let (mut len, mut errors) = (0, 0);
        for _ in 0..burst {
            match letterbox.socket.recv_from(&mut self.input) {
                Ok((n, from)) if n > len_max => {
                    letterbox.lose(
                        &format_args!("{from}: longer than {len_max} bytes"),
                        now,
                        counters,
                    );
                    len += n;
                }
                Ok((n, from)) => {
                    let handler = &mut *self.handlers[letterbox.handler];
                    let datagram = &self.input[..n];
                    let mut cx = DatagramContext::new(&from, now, &mut self.outbox);
                    let instruments = (counters, &mut *stopwatch);
                    if letterbox.hand_over(handler, datagram, &mut cx, instruments) {
                        letterbox.send_out(&mut self.outbox, now, counters);
                    } else {
                        self.outbox.clear();
                    }
                    len += n;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    letterbox.look_at_ms = None;
                    return;
                }
                // An ICMP error about a datagram that was sent before: the socket is all right.
                Err(error) if concerns_one_peer(&error) => errors += 1,
                Err(error) => return letterbox.pause(&error, now),
            }
            if len >= budget {
                return;
            }
        }
        // One that comes every time must not make the loop spin.
        if errors == burst {
            letterbox.pause(&io::ErrorKind::ConnectionRefused.into(), now);
        }
    }
}

impl Letterbox {
    /// Runs the handler. A panic loses this datagram only, and what it wanted sent.
    fn hand_over(
        &mut self,
        handler: &mut dyn DatagramHandler,
        datagram: &[u8],
        cx: &mut DatagramContext<'_>,
        (counters, stopwatch): Instruments<'_>,
    ) -> bool {
        counters.datagrams_in.add(1);
        counters.calls.add(1);
        let result = panics::catch(|| handler.on_datagram(datagram, cx));
        if let Some(slow) = stopwatch.lap(counters) {
            log::warn!("{} {}: on_datagram {slow}", self.socket.address(), cx.peer());
        }
        if let Err(said) = &result {
            counters.panics.add(1);
            let address = self.socket.address();
            log::error!("{address} {}: datagram handler panicked: {said}", cx.peer());
        }
        result.is_ok()
    }

    /// Sends what the handler wants.
    fn send_out(&mut self, outbox: &mut Outbox, now: Now, counters: &Counters) {
        outbox.drain(|to, bytes| match self.outgoing.send(&self.socket, to, bytes, now) {
            Ok(Sent::Gone) => counters.datagrams_out.add(1),
            Ok(Sent::Waits) => {}
            Err(error) => self.lose(&format_args!("{to}: {error}"), now, counters),
        });
    }

    fn send_waiting(&mut self, now: Now, counters: &Counters) {
        let mut last = None;
        let mut lost = 0;
        self.outgoing.retry(&self.socket, now, |result| match result {
            Ok(()) => counters.datagrams_out.add(1),
            Err(error) => {
                lost += 1;
                last = Some(error);
            }
        });
        if let Some(error) = last {
            self.lost += lost - 1;
            counters.datagrams_lost.add(lost - 1);
            self.lose(&error, now, counters);
        }
    }

    /// The system will not receive: try again later.
    fn pause(&mut self, error: &io::Error, now: Now) {
        if self.quiet_until_ms <= now.millis() {
            log::warn!("{}: cannot receive: {error}", self.socket.address());
            self.quiet_until_ms = now.millis() + QUIET_MS;
        }
        self.look_at_ms = Some(now.millis() + PAUSE_MS);
    }

    fn lose(&mut self, why: &dyn Display, now: Now, counters: &Counters) {
        self.lost += 1;
        counters.datagrams_lost.add(1);
        if self.quiet_until_ms <= now.millis() {
            self.quiet_until_ms = now.millis() + QUIET_MS;
            self.log_lost(why);
        }
    }

    fn log_lost(&mut self, why: &dyn Display) {
        log::warn!("{}: {} datagrams lost; the last: {why}", self.socket.address(), self.lost);
        self.lost = 0;
    }
}
