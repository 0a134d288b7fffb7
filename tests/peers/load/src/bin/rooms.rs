//! A room of WebSockets on the reactor, over several nodes with `--backplane URL`: each message to
//! /publisher is published to all sockets of /member. A socket of /rooms/COUNT is in COUNT rooms.
//! `GET /stretch` tells how long the loop has computed at a stretch. Knows no client.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use socketserver::protocol::ws::Frame;
use socketserver::services::web::{Web, WebSocket};
use socketserver::services::ws::{WsContext, WsHandler};
use socketserver::{Backplane, Close, Limits, Server, Topic};
use socketserver_peers::{Failed, Options};

/// Due in each turn that is longer, so that two calls are at most such a turn and this time apart.
const PROBE_PERIOD: Duration = Duration::from_millis(1);

struct Member(Topic);

impl WsHandler for Member {
    fn on_open(&mut self, ws: &mut WsContext<'_, '_>) {
        ws.cx().join(&self.0);
    }
}

/// A socket in rooms of its own.
struct InMany(usize);

impl WsHandler for InMany {
    fn on_open(&mut self, ws: &mut WsContext<'_, '_>) {
        for number in 0..self.0 {
            ws.cx().join(&Topic::new(&format!("room-{number}")));
        }
    }
}

struct Publisher(Topic);

impl WsHandler for Publisher {
    fn on_text(&mut self, text: &str, ws: &mut WsContext<'_, '_>) -> Result<(), Close> {
        ws.cx().publish(&self.0, Frame::text(text));
        Ok(())
    }
}

/// The CPU time of the calling thread in nanoseconds.
fn cpu_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap_or(0)
}

/// The most CPU time between two calls of `note`, in nanoseconds.
#[derive(Default)]
struct Stretch {
    last: AtomicU64,
    most: AtomicU64,
}

impl Stretch {
    fn note(&self) {
        let now = cpu_nanos();
        let last = self.last.swap(now, Ordering::Relaxed);
        self.most.fetch_max(now - last, Ordering::Relaxed);
    }
}

fn main() -> Result<(), Failed> {
    let options = Options::parse()?;
    let room = Topic::new("room");
    let socket = WebSocket::new();
    let stretch = Arc::new(Stretch::default());
    let asked = Arc::clone(&stretch);
    let (members, member_room) = (socket.clone(), room.clone());
    let many = socket.clone();
    let web = Web::new()
        .get("/plaintext", |_, reply| reply.text("Hello, World!"))
        .get("/stretch", move |_, reply| {
            reply.text(asked.most.swap(0, Ordering::Relaxed).to_string())
        })
        .get("/member", move |request, reply| {
            members.accept(request, reply, |_| Member(member_room.clone()))
        })
        .get("/rooms/{count}", move |request, reply| {
            let count = request.param("count").parse().unwrap_or(1);
            many.accept(request, reply, |_| InMany(count))
        })
        .get("/publisher", move |request, reply| {
            socket.accept(request, reply, |_| Publisher(room.clone()))
        });
    let server = Server::new().listen(options.bind.as_str(), web)?;
    let server = server.limits(Limits::default()).stop_on_signals()?;
    let server = match options.backplane {
        Some(url) => server.backplane(Backplane::at(&url)?.share("room", "")),
        None => server,
    };
    let server = match options.mode.as_str() {
        "multiplex" => server,
        // A loop that is asked for its stretches turns a thousand times a second.
        "probed" => server.every(PROBE_PERIOD, move |_| stretch.note()),
        other => return Err(format!("no mode {other}: multiplex or probed").into()),
    };
    for address in server.addresses() {
        writeln!(io::stdout(), "listening on {address}")?;
    }
    Ok(server.run()?)
}
