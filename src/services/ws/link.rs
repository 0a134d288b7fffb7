//! The state of a WebSocket connection besides its decoder and handler: the close handshake, and
//! the signs of life of the peer.

use std::sync::Arc;
use std::time::Duration;

use super::masks;
use crate::close::Close;
use crate::handler::context::Context;
#[cfg(feature = "deflate")]
use crate::protocol::ws::Deflate;
use crate::protocol::ws::{CloseCode, Frame, Role, WsLimits};

pub(super) struct Link {
    pub(super) limits: Arc<WsLimits>,
    /// The agreement to compress messages, if there is one.
    #[cfg(feature = "deflate")]
    deflate: Option<Deflate>,
    role: Role,
    phase: Phase,
    pulse: Pulse,
    /// Pings and pongs of the peer in the current second.
    controls: u32,
    /// The current second, modulo 2^32.
    second: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// A close frame was sent; the peer's is awaited.
    Closing,
    /// The handler was told the end, or must not be.
    Closed,
}

/// The signs of life since the last tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pulse {
    Heard,
    Silent,
    Pinged,
}

/// The keys of timers.
pub(super) const TICK: u64 = u64::MAX;
pub(super) const CLOSE: u64 = u64::MAX - 1;

impl Link {
    pub(super) fn new(role: Role, limits: Arc<WsLimits>) -> Link {
        Link {
            limits,
            #[cfg(feature = "deflate")]
            deflate: None,
            role,
            phase: Phase::Open,
            pulse: Pulse::Heard,
            controls: 0,
            second: 0,
        }
    }

    #[cfg(feature = "deflate")]
    pub(super) fn deflated(self, deflate: Deflate) -> Link {
        Link { deflate: Some(deflate), ..self }
    }

    /// Returns true if published messages are sent in their compressed form.
    #[cfg(feature = "deflate")]
    pub(super) fn takes_packed(&self) -> bool {
        self.role == Role::Server && self.deflate.is_some_and(Deflate::is_widest)
    }

    pub(super) fn role(&self) -> Role {
        self.role
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// Sends a frame, unless a close frame was sent: nothing may follow it (RFC 6455, section
    /// 5.5.1).
    pub(super) fn send(&self, frame: &Frame<'_>, cx: &mut Context<'_>) {
        if self.phase != Phase::Open {
            return;
        }
        #[cfg(feature = "deflate")]
        if let Some(deflate) = self.deflate {
            return match self.role {
                Role::Server => frame.append_deflated(cx.out(), deflate),
                Role::Client => frame.append_masked_deflated(cx.out(), masks::mask(), deflate),
            };
        }
        match self.role {
            Role::Server => frame.append(cx.out()),
            Role::Client => frame.append_masked(cx.out(), masks::mask()),
        }
    }

    /// Begins the close handshake (RFC 6455, section 7.1.2). The output ends, so that messages
    /// published later are dropped.
    pub(super) fn close(&mut self, code: CloseCode, reason: &str, cx: &mut Context<'_>) {
        if self.phase != Phase::Open {
            return;
        }
        self.send(&Frame::close(code, reason), cx);
        self.phase = Phase::Closing;
        cx.finish();
        cx.set_timer(CLOSE, self.limits.close);
    }

    /// Ends the connection after both close frames. The server closes it; a client waits for that,
    /// so that the server keeps no address in use (RFC 6455, section 7.1.1).
    pub(super) fn conclude(&self, cx: &mut Context<'_>) {
        match self.role {
            Role::Server => cx.close(reason(cx)),
            Role::Client => {
                cx.finish();
                cx.set_timer(CLOSE, self.limits.close);
            }
        }
    }

    /// Sends a close frame that no answer is awaited for, unless one was sent.
    pub(super) fn fail(&mut self, code: CloseCode, reason: &str, cx: &mut Context<'_>) {
        self.send(&Frame::close(code, reason), cx);
        if self.phase == Phase::Open {
            self.phase = Phase::Closing;
        }
    }

    /// Notes that the handler was told the end. Returns false if it was before.
    pub(super) fn end(&mut self) -> bool {
        let was = self.phase;
        self.phase = Phase::Closed;
        was != Phase::Closed
    }

    pub(super) fn note_message(&mut self) {
        self.pulse = Pulse::Heard;
    }

    /// Counts a ping or pong. Returns false if there were too many in this second.
    pub(super) fn admits_control(&mut self, now: Duration) -> bool {
        let second = now.as_secs() as u32;
        if self.second != second {
            (self.second, self.controls) = (second, 0);
        }
        self.controls = self.controls.saturating_add(1);
        self.controls <= self.limits.controls
    }

    /// Pings a silent peer. Returns false if the peer has not answered the last ping.
    ///
    /// A peer that is not read cannot be heard. It is pinged, too, for the proxies in between, but
    /// not behind output that waits: that shows the same, and more of it may exceed its limit. The
    /// peer gets the whole time for its answer afterwards.
    pub(super) fn tick(&mut self, cx: &mut Context<'_>) -> bool {
        self.pulse = match self.pulse {
            Pulse::Heard => Pulse::Silent,
            Pulse::Silent | Pulse::Pinged if cx.is_held() => {
                if !cx.is_done() {
                    self.send(&Frame::ping(b""), cx);
                }
                Pulse::Heard
            }
            Pulse::Silent => {
                self.send(&Frame::ping(b""), cx);
                Pulse::Pinged
            }
            Pulse::Pinged => return false,
        };
        true
    }
}

/// Returns the reason for the end of a connection whose closing handshake is complete.
pub(super) fn reason(cx: &Context<'_>) -> Close {
    if cx.is_stopping() { Close::Stopping } else { Close::Done }
}
