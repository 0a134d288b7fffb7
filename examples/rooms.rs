//! Lines to a room: `cargo run --example rooms`, then `nc 127.0.0.1 7014` in several terminals.
//! `room NAME` enters another room than the lobby.

use std::io::{self, Write};
use std::{process, str};

use lexopt::{Arg, ValueExt};
use socketserver::protocol::line::{Line, Lines};
use socketserver::{Close, Context, Framed, Limits, MessageHandler, Server, Topic};

const HELP: &str = "\
rooms: publishes each line of a member to the others in its room

  room NAME               enters a room (the lobby at first)

options
  --bind ADDR             listen address (default 127.0.0.1:7014; port 0 chooses a free port)
  --version               print the version
  --help                  print this text
";

pub(crate) const NAME_MAX: usize = 32;

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
                writeln!(cx, "* in {name}");
            }
        }
        Ok(())
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let mut bind = "127.0.0.1:7014".to_owned();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("bind") => bind = arguments.value()?.string()?,
            Arg::Long("version") => {
                return Ok(writeln!(io::stdout(), "rooms {}", env!("CARGO_PKG_VERSION"))?);
            }
            Arg::Long("help") => return Ok(write!(io::stdout(), "{HELP}")?),
            other => return Err(other.unexpected().into()),
        }
    }
    let server = Server::new()
        .listen(bind.as_str(), |_| Framed::new(Lines::new(), Member::default()))?
        .limits(Limits::default().idle(None)) // Members may be silent.
        .stop_on_signals()?;
    writeln!(io::stdout(), "listening on {}", server.addresses()[0])?;
    Ok(server.run()?)
}

fn main() {
    if let Err(error) = serve() {
        eprintln!("rooms: {error}");
        process::exit(1);
    }
}
