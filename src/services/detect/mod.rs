//! Several protocols at one address: the first bytes of a connection choose its service. Knows the
//! signatures of protocols, but none of the services.
//!
//! A chat and a web page at one port:
//!
//! ```
//! # #[cfg(feature = "http")] {
//! use socketserver::Server;
//! use socketserver::services::chat::Chat;
//! use socketserver::services::detect::{self, Detect};
//! use socketserver::services::web::Web;
//!
//! let page = Web::new().get("/", |_, reply| reply.html("<h1>Use nc to chat</h1>"));
//! let service = Detect::new(Chat::new()).when(detect::http, page);
//!
//! let server = Server::bind("127.0.0.1:0")?;
//! # server.handle().stop();
//! server.serve(service)?;
//! # }
//! # Ok::<(), std::io::Error>(())
//! ```

mod signature;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io, mem};

pub use self::signature::{Verdict, http, starts_with};

use crate::close::Close;
use crate::handler::context::Context;
use crate::handler::notification::Notification;
use crate::handler::{Handler, Service};
use crate::net::address::Address;
use crate::net::incoming::Incoming;

/// A [`Service`] of several services, one of which the first bytes of a connection choose.
///
/// Each service but the last resort has a signature: a function of the bytes so far, which tells
/// whether they are of its protocol. The signatures are asked in the order in which they were
/// added. The first one that says [`Yes`](Verdict::Yes) decides, if those before it have said
/// [`No`](Verdict::No); so the choice does not depend on the pieces in which the bytes arrive. The
/// service of last resort, given to [`new`](Detect::new), gets a connection
///
/// * if all signatures say `No`,
/// * if the peer has sent nothing for 300 ms: see [`silence`](Detect::silence),
/// * if the bytes leave it open for 5 s, or are more than 16 KiB: see [`open`](Detect::open),
/// * if the peer ends its output before the bytes have decided.
///
/// The chosen service gets the connection as if it had just been accepted: its handler's
/// [`on_open`](Handler::on_open) is called, and all the bytes are offered to it. It may refuse the
/// connection, which is then closed with [`Close::Done`].
///
/// ```
/// use socketserver::services::detect::{Detect, Verdict, http};
/// use socketserver::testkit::Network;
/// use socketserver::{Close, Context, Handler, Incoming, Limits, Peer, Service};
/// use std::time::Duration;
///
/// /// Says its name, and repeats the input.
/// struct Named(&'static str);
///
/// impl Handler for Named {
///     fn on_open(&mut self, cx: &mut Context<'_>) {
///         cx.write_str(self.0);
///     }
///
///     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
///         cx.write(input);
///         Ok(input.len())
///     }
/// }
///
/// let tls = |input: &[u8]| match input.first() {
///     Some(0x16) => Verdict::Yes, // the record of a handshake (RFC 8446, section 5.1)
///     Some(_) => Verdict::No,
///     None => Verdict::NeedMore,
/// };
/// let mut service = Detect::new(|_: Incoming| Named("lines: "))
///     .when(http, |_: Incoming| Named("http: "))
///     .when(tls, |_: Incoming| None::<Named>);
///
/// let mut network = Network::new(Limits::default());
/// let [web, line, silent, tls] =
///     [(); 4].map(|()| network.connect(service.accept(Incoming::from(Peer::unix())).unwrap()));
/// network.send(web, b"GET / HT");
/// network.send(line, b"Good morning\n");
/// network.send(tls, b"\x16\x03\x01");
/// network.settle();
/// assert_eq!(network.received(web), b"");
/// assert_eq!(network.received(line), b"lines: Good morning\n");
/// assert!(network.is_closed(tls));
/// network.send(web, b"TP/1.1\r\n");
/// network.advance(Duration::from_millis(300));
/// assert_eq!(network.received(web), b"http: GET / HTTP/1.1\r\n");
/// assert_eq!(network.received(silent), b"lines: ");
/// ```
///
/// The services work in all modes in which they work alone. The handler of a connection asks its
/// service in the thread that calls it, so services for several threads are behind a lock, which
/// is taken once for each connection. A service of [blocking](crate::BlockingHandler) handlers
/// cannot be chosen: its connections do not begin in a loop. Of a
/// [packet socket](Address::SeqPacket) the first packet decides.
pub struct Detect {
    choice: Arc<Choice>,
}

/// The services, and the rules of choosing. Shared by the connections.
#[derive(Clone)]
struct Choice {
    rules: Vec<Rule>,
    other: Shared,
    silence: Option<Duration>,
    bytes: usize,
    time: Duration,
}

#[derive(Clone)]
struct Rule {
    signature: Arc<Signature>,
    service: Shared,
}

type Signature = dyn Fn(&[u8]) -> Verdict + Send + Sync;

/// A service. The lock is for the threads of several loops or workers; a connection takes it once.
type Shared = Arc<Mutex<Box<dyn Service>>>;

/// The time after which a peer that has sent nothing waits for a greeting.
const SILENCE: Duration = Duration::from_millis(300);
/// The time for the bytes that decide, from the first one.
const TIME: Duration = Duration::from_secs(5);
/// The most bytes that leave it open: a target of HTTP may be long.
const BYTES: usize = 16 * 1024;

impl Detect {
    /// Creates a service whose connections all go to `other`, its service of last resort.
    #[must_use]
    pub fn new(other: impl Service + 'static) -> Detect {
        let other = shared(other);
        let choice =
            Choice { rules: Vec::new(), other, silence: Some(SILENCE), bytes: BYTES, time: TIME };
        Detect { choice: Arc::new(choice) }
    }

    /// Adds a service for connections with this signature: [`http`](http()), [`starts_with`], or a
    /// function of the bytes so far, of which there is at least one. [`Detect`] has an example.
    ///
    /// A signature is called again with all bytes when more have arrived, so it should be quick,
    /// and must not say `Yes` or `No` as long as more bytes may change its mind.
    #[must_use]
    pub fn when<F>(mut self, signature: F, service: impl Service + 'static) -> Detect
    where
        F: Fn(&[u8]) -> Verdict + Send + Sync + 'static,
    {
        let rule = Rule { signature: Arc::new(signature), service: shared(service) };
        Arc::make_mut(&mut self.choice).rules.push(rule);
        self
    }

    /// Sets the time after which the service of last resort gets a peer that has sent nothing, for
    /// protocols in which the server speaks first. The default is 300 ms: a client of HTTP sends at
    /// once, and a greeting after that time is not late for a person. A client whose first packet
    /// is lost sends it again after a second (RFC 6298, section 2), and one that connects in
    /// advance sends when it has a request; where they matter, take a longer time. `None` waits as
    /// long as [`Limits::first_byte`](crate::Limits::first_byte) permits.
    ///
    /// ```
    /// use socketserver::Incoming;
    /// use socketserver::services::detect::{Detect, http};
    /// use socketserver::services::session::Session;
    /// use std::time::Duration;
    ///
    /// let service = Detect::new(|_: Incoming| Session::new())
    ///     .when(http, |_: Incoming| None::<Session>)
    ///     .silence(Duration::from_secs(2));
    /// ```
    #[must_use]
    pub fn silence(mut self, time: impl Into<Option<Duration>>) -> Detect {
        Arc::make_mut(&mut self.choice).silence = time.into();
        self
    }

    /// Sets the bounds of bytes that leave the choice open: their number, 16 KiB by default, and
    /// the time since the first of them, 5 s by default. Above either, the service of last resort
    /// gets the connection. The number should be less than
    /// [`Limits::pending_input`](crate::Limits::pending_input).
    ///
    /// ```
    /// use socketserver::Incoming;
    /// use socketserver::services::detect::{Detect, http};
    /// use socketserver::services::session::Session;
    /// use std::time::Duration;
    ///
    /// let service = Detect::new(|_: Incoming| Session::new())
    ///     .when(http, |_: Incoming| None::<Session>)
    ///     .open(2048, Duration::from_secs(1));
    /// ```
    #[must_use]
    pub fn open(mut self, bytes: usize, time: Duration) -> Detect {
        let choice = Arc::make_mut(&mut self.choice);
        (choice.bytes, choice.time) = (bytes, time);
        self
    }
}

fn shared(service: impl Service + 'static) -> Shared {
    Arc::new(Mutex::new(Box::new(service)))
}

fn lock(service: &Shared) -> MutexGuard<'_, Box<dyn Service>> {
    // A service that has panicked is asked again, as it is without this one around it.
    service.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Choice {
    fn services(&self) -> impl Iterator<Item = &Shared> {
        self.rules.iter().map(|rule| &rule.service).chain([&self.other])
    }

    /// Returns the service for a connection that begins with `input`, or `None` if more decides.
    fn service_of(&self, input: &[u8]) -> Option<&Shared> {
        for rule in &self.rules {
            match (rule.signature)(input) {
                Verdict::Yes => return Some(&rule.service),
                Verdict::NeedMore => return None,
                Verdict::No => {}
            }
        }
        Some(&self.other)
    }
}

impl Service for Detect {
    fn accept(&mut self, incoming: Incoming) -> Option<Box<dyn Handler>> {
        Some(Box::new(Undecided { choice: Arc::clone(&self.choice), incoming, seen: Vec::new() }))
    }

    /// Returns the most places that a connection of one of the services takes.
    fn places(&self) -> usize {
        self.choice.services().map(|service| lock(service).places()).max().unwrap_or(1)
    }

    /// Checks all services.
    ///
    /// # Errors
    ///
    /// The error of the first that cannot serve.
    fn check(&self) -> io::Result<()> {
        self.choice.services().try_for_each(|service| lock(service).check())
    }
}

impl fmt::Debug for Detect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Choice { rules, silence, bytes, time, .. } = &*self.choice;
        f.debug_struct("Detect")
            .field("signatures", &rules.len())
            .field("silence", silence)
            .field("bytes", bytes)
            .field("time", time)
            .finish_non_exhaustive()
    }
}

/// A connection whose service is not chosen yet.
struct Undecided {
    choice: Arc<Choice>,
    incoming: Incoming,
    /// A copy of the bytes, which are unused input at the same time: the hub drops it when the peer
    /// ends its output.
    seen: Vec<u8>,
}

/// The key of the timer: for the first byte, then for those that decide.
const TIMER: u64 = 0;

impl Undecided {
    /// Hands the connection to a service. Its unused input is offered to the new handler.
    fn hand_to(&self, service: &Shared, cx: &mut Context<'_>) {
        match lock(service).accept(self.incoming.clone()) {
            Some(handler) => cx.upgrade(handler),
            None => cx.close(Close::Done),
        }
    }
}

impl Handler for Undecided {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        if let Some(silence) = self.choice.silence {
            cx.set_timer(TIMER, silence);
        }
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let is_last =
            input.len() > self.choice.bytes || matches!(cx.local_address(), Address::SeqPacket(_));
        match self.choice.service_of(input) {
            Some(service) => self.hand_to(service, cx),
            None if is_last => self.hand_to(&self.choice.other, cx),
            None => {
                if self.seen.is_empty() {
                    cx.set_timer(TIMER, self.choice.time);
                }
                self.seen.extend_from_slice(&input[self.seen.len()..]);
            }
        }
        Ok(0)
    }

    fn on_eof(&mut self, cx: &mut Context<'_>) {
        let input = mem::take(&mut self.seen);
        match lock(&self.choice.other).accept(self.incoming.clone()) {
            Some(handler) if input.is_empty() => cx.upgrade(handler),
            Some(handler) => cx.upgrade(Ended { handler, input }),
            None => cx.close(Close::Done),
        }
    }

    fn on_timer(&mut self, _: u64, cx: &mut Context<'_>) {
        self.hand_to(&self.choice.other, cx);
    }

    /// A peer that has said nothing can connect again.
    fn on_crowded(&mut self, cx: &mut Context<'_>) {
        if self.seen.is_empty() {
            cx.close(Close::Crowded);
        }
    }
}

/// A handler whose whole input came before it: it is offered once, and the end follows.
struct Ended {
    handler: Box<dyn Handler>,
    input: Vec<u8>,
}

impl Handler for Ended {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        self.handler.on_open(cx);
        let mut input = mem::take(&mut self.input);
        if cx.is_done() {
            return;
        }
        if let Err(why) = self.handler.on_data(&mut input, cx) {
            cx.close(why);
        }
    }

    // Not by the list of callbacks, in which `on_open` is.
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        self.handler.on_data(input, cx)
    }

    fn on_eof(&mut self, cx: &mut Context<'_>) {
        self.handler.on_eof(cx);
    }

    fn on_drain(&mut self, cx: &mut Context<'_>) {
        self.handler.on_drain(cx);
    }

    fn on_timer(&mut self, key: u64, cx: &mut Context<'_>) {
        self.handler.on_timer(key, cx);
    }

    fn on_notify(&mut self, notification: Notification, cx: &mut Context<'_>) {
        self.handler.on_notify(notification, cx);
    }

    fn on_reject(&mut self, why: &Close, cx: &mut Context<'_>) {
        self.handler.on_reject(why, cx);
    }

    fn on_crowded(&mut self, cx: &mut Context<'_>) {
        self.handler.on_crowded(cx);
    }

    fn on_stop(&mut self, cx: &mut Context<'_>) {
        self.handler.on_stop(cx);
    }

    fn on_close(&mut self, why: &Close, cx: &mut Context<'_>) {
        self.handler.on_close(why, cx);
    }
}
