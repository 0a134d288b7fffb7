//! From bytes to messages: the contract of a protocol, and the handler that joins a protocol with a
//! message handler. Must not know any particular protocol.

use std::{fmt, io};

use crate::close::Close;
use crate::handler::Handler;
use crate::handler::callbacks::{callbacks, forward};
use crate::handler::context::Context;
use crate::handler::notification::Notification;

/// A sans-IO decoder: bytes in; one message, or "need more", out.
///
/// Four laws hold for every protocol, and [`testkit::laws`](crate::testkit::laws) checks them:
/// however the input is cut, the messages are the same; no input makes it panic; a step other than
/// [`Step::NeedMore`] uses at least one byte, and no more than there are; and only bytes that it
/// uses are changed.
///
/// ```
/// use socketserver::{Close, Protocol, Step};
///
/// /// Messages of four bytes.
/// struct Fours;
///
/// impl Protocol for Fours {
///     type Message<'a> = &'a [u8];
///
///     fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Step<&'a [u8]>, Close> {
///         Ok(match input.get(..4) {
///             Some(four) => Step::Message(four, 4),
///             None => Step::NeedMore,
///         })
///     }
/// }
///
/// socketserver::testkit::laws(
///     || Fours,
///     |message, seen| seen.extend_from_slice(message),
///     b"aaaabbbbcc",
/// );
/// ```
pub trait Protocol: Send {
    /// The result of one step; it may borrow from the input.
    type Message<'a>;

    /// Decodes the message at the front of `input`. It is called again with the remaining input
    /// until it returns [`Step::NeedMore`], and then once more input has arrived. [`Protocol`] has
    /// an example.
    ///
    /// It may change bytes in place, but only those it then reports as used.
    ///
    /// # Errors
    ///
    /// [`Close::Malformed`] if no further input can complete the message: the connection ends,
    /// after a call of [`MessageHandler::on_reject`] for a last reply.
    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Step<Self::Message<'a>>, Close>;
}

/// The result of decoding the front of the input: see [`Protocol`] for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<M> {
    /// The message is incomplete: call again with the same bytes and more.
    NeedMore,
    /// This number of bytes was used without a message.
    Skip(usize),
    /// A message, and the number of bytes that it used.
    Message(M, usize),
}

/// Your per-connection object, fed whole messages of one protocol. The methods are those of
/// [`Handler`], but for the messages.
///
/// ```
/// use socketserver::protocol::line::{Line, Lines};
/// use socketserver::testkit::Network;
/// use socketserver::{Close, Context, Framed, Limits, MessageHandler};
/// use std::time::Duration;
///
/// const HURRY: u64 = 1;
///
/// /// Counts the lines of its peer, and answers at the end of the input.
/// #[derive(Default)]
/// struct Counter(usize);
///
/// impl MessageHandler<Lines> for Counter {
///     fn on_open(&mut self, cx: &mut Context<'_>) {
///         cx.set_interval(HURRY, Duration::from_secs(60));
///     }
///
///     fn on_message(&mut self, _: Line<'_>, _: &mut Context<'_>) -> Result<(), Close> {
///         self.0 += 1;
///         Ok(())
///     }
///
///     fn on_timer(&mut self, _: u64, cx: &mut Context<'_>) {
///         cx.write_str("still there?\n");
///     }
///
///     fn on_eof(&mut self, cx: &mut Context<'_>) {
///         writeln!(cx, "{} lines", self.0);
///         cx.close(Close::Eof);
///     }
///
///     fn on_close(&mut self, why: &Close, _: &mut Context<'_>) {
///         assert_eq!(*why, Close::Eof);
///     }
/// }
///
/// let limits = Limits::default().first_byte(None).idle(None).message(None);
/// let mut network = Network::new(limits);
/// let client = network.connect(Framed::new(Lines::new(), Counter::default()));
/// network.send(client, b"one\ntwo\n");
/// network.advance(Duration::from_secs(90));
/// network.shut(client);
/// network.settle();
/// assert_eq!(network.received(client), b"still there?\n2 lines\n");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not handle the messages of this protocol",
    label = "`MessageHandler` is not implemented for this",
    note = "implement `MessageHandler<P>` for the protocol `P`, with its method `on_message`"
)]
pub trait MessageHandler<P: Protocol>: Send {
    /// See [`Handler::on_open`].
    fn on_open(&mut self, cx: &mut Context<'_>) {
        let _ = cx;
    }

    /// Handles one whole message.
    ///
    /// # Errors
    ///
    /// As for [`Handler::on_data`]: the connection ends for that reason, after its output has been
    /// sent. [`on_reject`](MessageHandler::on_reject) is not called for it.
    fn on_message(&mut self, message: P::Message<'_>, cx: &mut Context<'_>) -> Result<(), Close>;

    /// Called before [`on_reject`](MessageHandler::on_reject) may be: the message at the front of
    /// the input is incomplete or malformed. `protocol` may know its kind, on which the last reply
    /// depends.
    ///
    /// ```
    /// use socketserver::testkit::Network;
    /// use socketserver::{Close, Context, Framed, Limits, MessageHandler, Protocol, Step};
    /// use std::time::Duration;
    ///
    /// /// Messages of four bytes, and the length of an incomplete one.
    /// struct Fours(usize);
    ///
    /// impl Protocol for Fours {
    ///     type Message<'a> = &'a [u8];
    ///
    ///     fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Step<&'a [u8]>, Close> {
    ///         self.0 = input.len();
    ///         Ok(match input.get(..4) {
    ///             Some(four) => Step::Message(four, 4),
    ///             None => Step::NeedMore,
    ///         })
    ///     }
    /// }
    ///
    /// #[derive(Default)]
    /// struct Patient(usize);
    ///
    /// impl MessageHandler<Fours> for Patient {
    ///     fn on_message(&mut self, _: &[u8], _: &mut Context<'_>) -> Result<(), Close> {
    ///         Ok(())
    ///     }
    ///
    ///     fn on_incomplete(&mut self, fours: &Fours) {
    ///         self.0 = fours.0;
    ///     }
    ///
    ///     fn on_reject(&mut self, _: &Close, cx: &mut Context<'_>) {
    ///         writeln!(cx, "only {} bytes", self.0);
    ///     }
    /// }
    ///
    /// let mut network = Network::new(Limits::default().message(Some(Duration::from_secs(1))));
    /// let client = network.connect(Framed::new(Fours(0), Patient::default()));
    /// network.send(client, b"abcdef");
    /// network.advance(Duration::from_secs(3));
    /// assert_eq!(network.received(client), b"only 2 bytes\n");
    /// ```
    fn on_incomplete(&mut self, protocol: &P) {
        let _ = protocol;
    }

    /// Called if the input violates the protocol, or is given up (see [`Handler::on_reject`]): the
    /// last chance to reply. Afterwards the connection ends for the reason `why`.
    fn on_reject(&mut self, why: &Close, cx: &mut Context<'_>) {
        let _ = (why, cx);
    }

    /// See [`Handler::on_eof`]. An incomplete message is lost.
    fn on_eof(&mut self, cx: &mut Context<'_>) {
        cx.close(Close::Eof);
    }

    /// See [`Handler::on_drain`].
    fn on_drain(&mut self, cx: &mut Context<'_>) {
        let _ = cx;
    }

    /// See [`Handler::on_timer`].
    fn on_timer(&mut self, key: u64, cx: &mut Context<'_>) {
        let _ = (key, cx);
    }

    /// See [`Handler::on_notify`]. [`Context::notify`] has an example.
    fn on_notify(&mut self, notification: Notification, cx: &mut Context<'_>) {
        let _ = (notification, cx);
    }

    /// See [`Handler::on_unreachable`]. [`Server::connect`](crate::Server::connect) has an example.
    fn on_unreachable(&mut self, error: &io::Error, cx: &mut Context<'_>) {
        let _ = (error, cx);
    }

    /// See [`Handler::on_crowded`].
    fn on_crowded(&mut self, cx: &mut Context<'_>) {
        let _ = cx;
    }

    /// See [`Handler::on_stop`].
    fn on_stop(&mut self, cx: &mut Context<'_>) {
        cx.close(Close::Stopping);
    }

    /// See [`Handler::on_close`].
    fn on_close(&mut self, why: &Close, cx: &mut Context<'_>) {
        let _ = (why, cx);
    }
}

/// A [`Handler`] made of a [`Protocol`] and a [`MessageHandler`].
///
/// ```
/// use socketserver::testkit::Network;
/// use socketserver::{Close, Context, Framed, Limits, MessageHandler, Protocol, Step};
///
/// /// A message is one byte: a digit.
/// struct Digits;
///
/// impl Protocol for Digits {
///     type Message<'a> = u32;
///
///     fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Step<u32>, Close> {
///         match input.first().map(|byte| char::from(*byte).to_digit(10)) {
///             Some(Some(digit)) => Ok(Step::Message(digit, 1)),
///             Some(None) => Err(Close::Malformed { code: 0, why: "no digit" }),
///             None => Ok(Step::NeedMore),
///         }
///     }
/// }
///
/// /// Answers each digit with the sum so far.
/// struct Sum(u32);
///
/// impl MessageHandler<Digits> for Sum {
///     fn on_message(&mut self, digit: u32, cx: &mut Context<'_>) -> Result<(), Close> {
///         self.0 += digit;
///         cx.write(format!("{}\n", self.0).as_bytes());
///         Ok(())
///     }
///
///     fn on_reject(&mut self, _: &Close, cx: &mut Context<'_>) {
///         cx.write(b"digits, please\n");
///     }
/// }
///
/// let mut network = Network::new(Limits::default());
/// let client = network.connect(Framed::new(Digits, Sum(0)));
/// network.send(client, b"12x4");
/// network.settle();
/// assert_eq!(network.received(client), b"1\n3\ndigits, please\n");
/// assert!(network.is_closed(client));
/// ```
pub struct Framed<P, H> {
    protocol: P,
    handler: H,
}

impl<P: Protocol, H: MessageHandler<P>> Framed<P, H> {
    /// Creates a handler that passes the messages of `protocol` to `handler`.
    pub fn new(protocol: P, handler: H) -> Framed<P, H> {
        Framed { protocol, handler }
    }
}

impl<P: Protocol, H: MessageHandler<P>> Handler for Framed<P, H> {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let mut used = 0;
        while used < input.len() && !cx.is_done() {
            let rest = input.get_mut(used..).unwrap_or_default();
            match self.protocol.decode(rest) {
                Ok(Step::Message(message, n)) => {
                    used += n;
                    cx.note_message();
                    self.handler.on_message(message, cx)?;
                }
                Ok(Step::Skip(n)) => used += n,
                Ok(Step::NeedMore) => {
                    self.handler.on_incomplete(&self.protocol);
                    break;
                }
                Err(why) => {
                    self.handler.on_incomplete(&self.protocol);
                    self.handler.on_reject(&why, cx);
                    return Err(why);
                }
            }
        }
        Ok(used)
    }

    callbacks!(forward![self => self.handler]);
}

impl<P, H> fmt::Debug for Framed<P, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framed").finish_non_exhaustive()
    }
}
