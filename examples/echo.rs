//! Echoes the bytes of connections, and datagrams.
//!
//! ```text
//! cargo run --release --example echo -- --bind 127.0.0.1:7007 --bind udp:127.0.0.1:7007
//! echo hello | nc -q1 127.0.0.1 7007
//! echo hello | nc -u -w1 127.0.0.1 7007
//! ```

mod common;

use std::process::ExitCode;

use socketserver::{Close, Context, DatagramContext, DatagramHandler, Handler, Limits};

use common::{Exit, Options};

const HELP: &str = "\
echo: sends its input back

options
  --bind ADDR             listen address, repeatable (default 127.0.0.1:7007; port 0
                          chooses a free port)
                            127.0.0.1:7007, [::1]:7007            TCP
                            unix:/path, seqpacket:/path           Unix stream and packet sockets
                            udp:127.0.0.1:7007, udp:[::1]:7007    UDP
                            unixgram:/path                        Unix datagram socket
  --reuse-port            share the ports with other processes that have this option
  --mode MODE             multiplex (default), threads, processes, reactors
  --workers N             number of threads, processes or reactors (default: the
                          number of cores)
  --max-connections N     connections open at once, in each worker process (default 65536)
  --max-connections-per-peer N
                          the same for one IPv4 address, or one IPv6 network of 64 bits
                          (default: no limit)
  --idle-timeout SECS     timeout of an inactive connection, and of a new silent one
                          (default: 75 and 60, 0: none)
  --drain-timeout SECS    time that open connections get when stopping (default 30, 0: none)
  --log LEVEL             off, error, warn, info (default), debug, trace
  --version               print the version
  --help                  print this text

SIGTERM or SIGINT (Ctrl-C) echoes received input and exits; a second one exits at once.

Two UDP echo servers can be made to send to each other forever by a datagram with a forged source
address: do not expose udp: to the Internet.

try it
  echo hello | nc -q1 127.0.0.1 7007
";

fn main() -> ExitCode {
    common::exit(run())
}

fn run() -> Result<(), Exit> {
    let options = Options::new("127.0.0.1:7007", Limits::default()).with_datagrams();
    match options.parse(HELP, |_, _| Ok(false))? {
        Some(options) => common::serve(options, |server, addresses| {
            addresses.into_iter().try_fold(server, |server, address| match address.is_datagram() {
                true => server.listen_datagrams(address, Echo),
                false => server.listen(address, |_| Echo),
            })
        }),
        None => Ok(()),
    }
}

/// Echoes its input.
struct Echo;

impl Handler for Echo {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        cx.write(input);
        Ok(input.len())
    }
}

impl DatagramHandler for Echo {
    fn on_datagram(&mut self, datagram: &[u8], cx: &mut DatagramContext<'_>) {
        cx.reply(datagram);
    }
}
