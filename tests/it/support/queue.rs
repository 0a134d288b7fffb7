//! Support for tests on requests that wait when a server ends: a handler that can be blocked, and
//! clients that report their results.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketserver::{Close, Context, Handler, Limits, Mode, Server};

use crate::support::real::{Running, soon};
use crate::support::waiting::PATIENCE;

/// The way in which a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It drains with enough time.
    Drain,
    /// It drains, but its time runs out.
    Overdue,
    Abort,
}

/// Defines one test for each way to end, of each function named.
macro_rules! cells {
    ($($name:ident: $($end:ident)*;)*) => {
        $(
            mod $name {
                $(
                    #[test]
                    #[allow(non_snake_case, reason = "the name contains that of a variant")]
                    fn $end() {
                        super::$name($crate::support::queue::End::$end);
                    }
                )*
            }
        )*
    };
}
pub(crate) use cells;

/// Blocks each thread that passes it until it is opened.
pub(crate) struct Gate {
    entered: Sender<()>,
    tickets: Mutex<Receiver<()>>,
}

/// The test's side of a [`Gate`].
pub(crate) struct Keeper {
    entered: Receiver<()>,
    tickets: Sender<()>,
}

pub(crate) fn gate() -> (Arc<Gate>, Keeper) {
    let ((entered, has_entered), (tickets, taken)) = (channel(), channel());
    let gate = Gate { entered, tickets: Mutex::new(taken) };
    (Arc::new(gate), Keeper { entered: has_entered, tickets })
}

impl Gate {
    pub(crate) fn pass(&self) {
        // The test may have ended.
        let _ = self.entered.send(());
        let _ = self.tickets.lock().unwrap().recv_timeout(PATIENCE);
    }
}

impl Keeper {
    /// Waits until a thread is blocked.
    #[track_caller]
    pub(crate) fn is_held_up(&self) {
        soon(&self.entered);
    }

    pub(crate) fn let_go(&self) {
        self.tickets.send(()).unwrap();
    }
}

/// Counts its drops.
pub(crate) struct Counted(pub(crate) Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Greets with `!`, blocks at `b`, ends at `q`, and sends any other input back.
pub(crate) struct Actor {
    gate: Arc<Gate>,
    begins: Arc<AtomicUsize>,
    ends: Arc<AtomicUsize>,
    /// Does not end when the server stops.
    stays: bool,
}

impl Handler for Actor {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        self.begins.fetch_add(1, Ordering::SeqCst);
        cx.write(b"!");
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        for byte in &*input {
            match byte {
                b'b' => self.gate.pass(),
                b'q' => cx.close(Close::Done),
                byte => cx.write(&[*byte]),
            }
        }
        Ok(input.len())
    }

    fn on_stop(&mut self, cx: &mut Context<'_>) {
        if !self.stays {
            cx.close(Close::Stopping);
        }
    }

    fn on_close(&mut self, _: &Close, _: &mut Context<'_>) {
        self.ends.fetch_add(1, Ordering::SeqCst);
    }
}

/// A server of [`Actor`]s.
pub(crate) struct Stage {
    pub(crate) server: Running,
    pub(crate) keeper: Keeper,
    begins: Arc<AtomicUsize>,
    ends: Arc<AtomicUsize>,
}

impl Stage {
    pub(crate) fn new(mode: Mode, limits: Limits, end: End, stays: bool) -> Stage {
        let (gate, keeper) = gate();
        let [begins, ends] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let of_service = [&begins, &ends].map(Arc::clone);
        let service = move |_| {
            let [begins, ends] = of_service.each_ref().map(Arc::clone);
            Actor { gate: Arc::clone(&gate), begins, ends, stays }
        };
        let server = Server::new().mode(mode).limits(in_time(limits, end));
        Stage {
            server: Running::start(server.listen("127.0.0.1:0", service).unwrap()),
            keeper,
            begins,
            ends,
        }
    }

    /// A client that has received its greeting.
    pub(crate) fn greeted(&self) -> TcpStream {
        let mut client = self.server.client();
        client.read_exact(&mut [0]).expect("a greeting");
        client
    }

    /// A client that has received its greeting and blocks its thread.
    pub(crate) fn holding_up(&self) -> TcpStream {
        let mut client = self.greeted();
        client.write_all(b"b").unwrap();
        self.keeper.is_held_up();
        client
    }

    /// The number of `on_open` calls of handlers.
    pub(crate) fn begins(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.begins)
    }

    /// The number of `on_close` calls of handlers.
    pub(crate) fn ends(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.ends)
    }
}

/// The limits, with the time to stop that the way to end needs.
pub(crate) fn in_time(limits: Limits, end: End) -> Limits {
    let drain = match end {
        End::Drain | End::Abort => Duration::from_secs(3600),
        End::Overdue => Duration::from_millis(50),
    };
    limits.drain(drain)
}

impl Running {
    /// Begins the end of the server.
    pub(crate) fn end_by(&self, end: End) {
        match end {
            End::Drain | End::Overdue => self.handle.stop(),
            End::Abort => self.handle.abort(),
        }
    }
}

/// Returns the output for a client until its connection ends, in any way.
#[track_caller]
pub(crate) fn last_heard(client: &mut impl Read) -> Vec<u8> {
    let mut heard = Vec::new();
    if let Err(error) = client.read_to_end(&mut heard) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "after {heard:?}");
    }
    heard
}
