//! Sends WebSocket messages back.
//!
//! ```text
//! cargo run --release --example ws_echo
//! websocat ws://127.0.0.1:9001
//! ```

mod common;

use std::process::ExitCode;

use socketserver::protocol::ws::WsLimits;
use socketserver::services::web::{Web, WebSocket};
use socketserver::services::ws::{WsContext, WsHandler};
use socketserver::{Close, Limits};

use common::{Exit, Options};

const HELP: &str = "\
ws_echo: sends WebSocket messages back, of up to 16 MiB, compressed if the client offers it

options
  --bind ADDR             listen address, repeatable: 127.0.0.1:9001, [::1]:9001, unix:/path
                          (default 127.0.0.1:9001; port 0 chooses a free port)
  --reuse-port            share the ports with other processes that have this option;
                          a signal then closes with 1012, so that clients connect again
  --mode MODE             multiplex (default), threads, processes, reactors
  --workers N             number of threads, processes or reactors (default: the
                          number of cores)
  --max-connections N     connections open at once, in each worker process (default 65536)
  --max-connections-per-peer N
                          the same for one IPv4 address, or one IPv6 network of 64 bits
                          (default: no limit)
  --idle-timeout SECS     timeout of an inactive connection, and of a new silent one
                          (default: 75 and 60, 0: none); a silent peer is pinged every 25 s
  --drain-timeout SECS    time that open connections get when stopping (default 30, 0: none)
  --log LEVEL             off, error, warn, info (default), debug, trace
  --version               print the version
  --help                  print this text

SIGTERM or SIGINT (Ctrl-C) closes all connections with 1001 and exits; a second one exits at once.

try it
  websocat ws://127.0.0.1:9001
";

/// The longest message, in bytes.
const LONGEST: usize = 16 * 1024 * 1024;

fn main() -> ExitCode {
    common::exit(run())
}

fn run() -> Result<(), Exit> {
    let options = Options::new("127.0.0.1:9001", Limits::default());
    match options.parse(HELP, |_, _| Ok(false))? {
        Some(options) => common::serve(options, |server, addresses| {
            let limits = WsLimits::default().frame(LONGEST).message(LONGEST).fragments(1 << 18);
            let socket = WebSocket::new().limits(limits).deflate();
            let web =
                Web::new().get("/", move |request, reply| socket.accept(request, reply, |_| Echo));
            server.listen(addresses, web)
        }),
        None => Ok(()),
    }
}

/// Sends each message back.
struct Echo;

impl WsHandler for Echo {
    fn on_text(&mut self, text: &str, ws: &mut WsContext<'_, '_>) -> Result<(), Close> {
        ws.send_text(text);
        Ok(())
    }

    fn on_binary(&mut self, bytes: &[u8], ws: &mut WsContext<'_, '_>) -> Result<(), Close> {
        ws.send_binary(bytes);
        Ok(())
    }
}
