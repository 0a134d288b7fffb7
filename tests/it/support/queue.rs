//! For the tests on what waits when a server ends: a handler that can be held up, and clients that
//! tell how they were treated.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketserver::{Close, Context, Handler, Limits, Mode, Server};

use crate::support::real::{Running, soon};
use crate::support::waiting::PATIENCE;

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// In good order: there is time for everything.
    Drain,
    /// In good order, but its time passes.
    Overdue,
    Abort,
}

/// One test for each way to end, of each function named.
macro_rules! cells {
    ($($name:ident: $($end:ident)*;)*) => {
        $(
            mod $name {
                $(
                    #[test]
                    #[allow(non_snake_case, reason = "the way to end is named as it is")]
                    fn $end() {
                        super::$name($crate::support::queue::End::$end);
                    }
                )*
            }
        )*
    };
}
pub(crate) use cells;

/// Holds up whoever passes it until it is let go.
pub(crate) struct Gate {
    entered: Sender<()>,
    tickets: Mutex<Receiver<()>>,
}

/// The test's end of a [`Gate`].
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
        // A test that has ended neither listens nor waits.
        let _ = self.entered.send(());
        let _ = self.tickets.lock().unwrap().recv_timeout(PATIENCE);
    }
}

impl Keeper {
    /// Waits until somebody is held up.
    #[track_caller]
    pub(crate) fn is_held_up(&self) {
        soon(&self.entered);
    }

    pub(crate) fn let_go(&self) {
        self.tickets.send(()).unwrap();
    }
}

/// Counts itself when it is dropped.
pub(crate) struct Counted(pub(crate) Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Greets with `!`, is held up at `b`, ends at `q`, and answers what else comes with itself.
pub(crate) struct Actor {
    gate: Arc<Gate>,
    begins: Arc<AtomicUsize>,
    ends: Arc<AtomicUsize>,
    /// Does not end because the server stops.
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

    /// A client that has been greeted.
    pub(crate) fn greeted(&self) -> TcpStream {
        let mut client = self.server.client();
        client.read_exact(&mut [0]).expect("a greeting");
        client
    }

    /// A client that has been greeted and holds its thread up.
    pub(crate) fn holding_up(&self) -> TcpStream {
        let mut client = self.greeted();
        client.write_all(b"b").unwrap();
        self.keeper.is_held_up();
        client
    }

    /// How many handlers have been told their beginning.
    pub(crate) fn begins(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.begins)
    }

    /// How many handlers have been told their end.
    pub(crate) fn ends(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.ends)
    }
}

/// The limits, with as much time to stop as the end asks for.
pub(crate) fn in_time(limits: Limits, end: End) -> Limits {
    let drain = match end {
        End::Drain | End::Abort => Duration::from_secs(3600),
        End::Overdue => Duration::from_millis(50),
    };
    limits.drain(drain)
}

impl Running {
    /// Begins to end.
    pub(crate) fn end_by(&self, end: End) {
        match end {
            End::Drain | End::Overdue => self.handle.stop(),
            End::Abort => self.handle.abort(),
        }
    }
}

/// What a client hears until its connection ends, however it does; it must.
#[track_caller]
pub(crate) fn last_heard(client: &mut impl Read) -> Vec<u8> {
    let mut heard = Vec::new();
    if let Err(error) = client.read_to_end(&mut heard) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "after {heard:?}");
    }
    heard
}
