//! A UDP service: it counts the requests of each peer, and sends a heartbeat to its subscribers.
//! `cargo run --example beacon`, or with an address: `-- udp:127.0.0.1:0`; then
//! `nc -u 127.0.0.1 7011`.
//!
//! ```text
//! ping              pong N, where N is the number of datagrams that this peer has sent
//! subscribe         token T
//! subscribe T       subscribed; then beat N every second, until the peer is silent for ten
//! ```
//!
//! Other datagrams are not answered, and neither are those above the rate. The address of a
//! datagram can be forged; a peer that knows its token has received something at that address.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::{env, process, str, time::Duration};

use socketserver::{DatagramContext, DatagramHandler, Peer, Server};

/// The most peers that are known at a time. Others are not answered.
pub(crate) const PEERS_MAX: usize = 10_000;
/// The most answers to one peer between two beats.
pub(crate) const RATE: u32 = 10;
pub(crate) const BEAT: Duration = Duration::from_secs(1);
/// A peer that is silent for this long is forgotten.
pub(crate) const SILENCE: Duration = Duration::from_secs(10);

/// The knowledge of a peer.
struct Record {
    requests: u64,
    /// The answers that it may still get before the next beat.
    answers: u32,
    last: Duration,
    is_subscribed: bool,
}

#[derive(Default)]
pub(crate) struct Beacon {
    peers: HashMap<Peer, Record>,
    beats: u64,
    secret: RandomState,
}

impl DatagramHandler for Beacon {
    fn on_start(&mut self, cx: &mut DatagramContext<'_>) {
        cx.set_interval(0, BEAT);
    }

    fn on_datagram(&mut self, datagram: &[u8], cx: &mut DatagramContext<'_>) {
        if self.peers.len() >= PEERS_MAX && !self.peers.contains_key(cx.peer()) {
            return;
        }
        let new = Record { requests: 0, answers: RATE, last: Duration::ZERO, is_subscribed: false };
        let record = self.peers.entry(cx.peer().clone()).or_insert(new);
        record.requests += 1;
        record.last = cx.now().elapsed();
        let Some(answers) = record.answers.checked_sub(1) else { return };
        record.answers = answers;
        let token = self.secret.hash_one(cx.peer());
        let text = str::from_utf8(datagram).unwrap_or_default().trim();
        match text.split_once(' ') {
            None if text == "ping" => cx.reply(format!("pong {}\n", record.requests).as_bytes()),
            None if text == "subscribe" => cx.reply(format!("token {token}\n").as_bytes()),
            Some(("subscribe", proof)) if proof.parse() == Ok(token) => {
                record.is_subscribed = true;
                cx.reply(b"subscribed\n");
            }
            _ => {}
        }
    }

    fn on_timer(&mut self, _: u64, cx: &mut DatagramContext<'_>) {
        self.beats += 1;
        let beat = format!("beat {}\n", self.beats);
        self.peers.retain(|peer, record| {
            record.answers = RATE;
            let is_silent = cx.now().elapsed() >= record.last + SILENCE;
            if record.is_subscribed && !is_silent {
                cx.send_to(peer.clone(), beat.as_bytes());
            }
            !is_silent
        });
    }
}

fn serve(address: &str) -> io::Result<()> {
    if address == "--version" {
        return writeln!(io::stdout(), "beacon {}", env!("CARGO_PKG_VERSION"));
    }
    let server = Server::bind(address)?.stop_on_signals()?;
    writeln!(io::stdout(), "listening on {}", server.addresses()[0])?;
    server.serve_datagrams(Beacon::default())
}

fn main() {
    if let Err(error) = serve(&env::args().nth(1).unwrap_or("udp:127.0.0.1:7011".into())) {
        eprintln!("beacon: {error}");
        process::exit(1);
    }
}
