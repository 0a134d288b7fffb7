//! Lines to a room, on one node or on several. `cargo run --example rooms`, then in terminals
//! `nc 127.0.0.1 7014`. `room NAME` enters another room than the lobby.

use std::io::{self, Write};
use std::{process, str};

use lexopt::{Arg, ValueExt};
use socketserver::protocol::line::{Line, Lines};
use socketserver::services::web;
use socketserver::{Backplane, Close, Context, Feed, Framed, Limits, Mark, MessageHandler};
use socketserver::{Payload, Server, SharedMessage, Topic};

const HELP: &str = "\
rooms: publishes each line of a member to the others in its room

  room NAME               enters a room (the lobby at first)

options
  --bind ADDR             listen address (default 127.0.0.1:7014; port 0 chooses a free port)
  --backplane URL         the engine that nodes share: redis://HOST:PORT, nats://HOST:PORT
  --health ADDR           serves /livez, /readyz and /metrics there
  --version               print the version
  --help                  print this text
";

pub(crate) const NAME_MAX: usize = 32;

/// The lines of shared rooms, and the news of lines that are missing.
struct Rooms;

impl Feed for Rooms {
    fn mark(&mut self, _: &Topic, _: Mark) -> Option<Payload> {
        Some("* some messages may be missing\n".into())
    }

    fn unshared(&mut self, message: &SharedMessage<'_>) -> Option<Payload> {
        Some([b"* not sent: ", message.bytes].concat().into())
    }
}

/// A connection, and its room.
pub(crate) struct Member(Topic);

impl Default for Member {
    fn default() -> Member {
        Member(room("lobby"))
    }
}

fn room(name: &str) -> Topic {
    Topic::new(&format!("room:{name}"))
}

/// Returns the name, if a room may have it.
fn room_name(name: &[u8]) -> Option<&str> {
    let is_well = (1..=NAME_MAX).contains(&name.len()) && name.iter().all(u8::is_ascii_graphic);
    str::from_utf8(name).ok().filter(|_| is_well)
}

impl MessageHandler<Lines> for Member {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.join(&self.0);
    }

    fn on_message(&mut self, line: Line<'_>, cx: &mut Context<'_>) -> Result<(), Close> {
        let Line::Text(text) = line else {
            cx.write(b"* the line is too long\n");
            return Ok(());
        };
        match text.strip_prefix(b"room ").map(room_name) {
            None => cx.publish(&self.0, [text, b"\n"].concat()),
            Some(None) => {
                writeln!(cx, "* the name of a room has 1 to {NAME_MAX} visible characters")
            }
            Some(Some(name)) => {
                cx.leave(&self.0);
                self.0 = room(name);
                cx.join(&self.0);
                // Not written at once: the last lines of the room before come with the leave.
                cx.send(cx.id(), format!("* in {name}\n"));
            }
        }
        Ok(())
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::init(); // RUST_LOG=info shows the log of the library.
    let (mut bind, mut health, mut server) = ("127.0.0.1:7014".to_owned(), None, Server::new());
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("bind") => bind = arguments.value()?.string()?,
            Arg::Long("backplane") => {
                let backplane = Backplane::at(&arguments.value()?.string()?)?;
                server = server.backplane(backplane.share("room:", Rooms));
            }
            Arg::Long("health") => health = Some(arguments.value()?.string()?),
            Arg::Long("version") => {
                return Ok(writeln!(io::stdout(), "rooms {}", env!("CARGO_PKG_VERSION"))?);
            }
            Arg::Long("help") => return Ok(write!(io::stdout(), "{HELP}")?),
            other => return Err(other.unexpected().into()),
        }
    }
    let mut server = server
        .listen(bind.as_str(), |_| Framed::new(Lines::new(), Member::default()))?
        .limits(Limits::default().idle(None)) // Members may be silent.
        .stop_on_signals()?;
    if let Some(address) = health {
        let handle = server.handle();
        server = server.listen(address, web::health(move || handle.metrics()))?;
    }
    for address in server.addresses() {
        writeln!(io::stdout(), "listening on {address}")?;
    }
    Ok(server.run()?)
}

fn main() {
    if let Err(error) = serve() {
        eprintln!("rooms: {error}");
        process::exit(1);
    }
}
