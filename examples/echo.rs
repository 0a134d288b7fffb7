//! Everything back: bytes of connections, and datagrams.
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
echo: sends back what it is sent

options
  --bind ADDR             where to listen, repeatable (default 127.0.0.1:7007; port 0 takes a
                          free one)
                            127.0.0.1:7007, [::1]:7007            TCP
                            unix:/path, seqpacket:/path           connections in the file system
                            udp:127.0.0.1:7007, udp:[::1]:7007    UDP
                            unixgram:/path                        datagrams in the file system
  --mode MODE             multiplex (default), threads, processes, reactors
  --workers N             how many threads, processes or reactors (default: the number of
                          cores)
  --max-connections N     connections open at once (default 65536)
  --max-connections-per-peer N
                          of them from one address (default: no limit of its own)
  --idle-timeout SECS     how long nothing may happen on a connection, or a new one may
                          stay silent (default: 75 and 60, 0: for ever)
  --drain-timeout SECS    how long to wait for connections when stopping (default 30, 0: not
                          at all)
  --log LEVEL             off, error, warn, info (default), debug, trace
  --help                  this text

SIGTERM or SIGINT (Ctrl-C) sends back what has come and exits; a second one exits at once.

Two servers that send every UDP datagram back can be set on each other by a third party who
writes one's address into a datagram to the other: do not let strangers at udp:.

try it
  echo hello | nc -q1 127.0.0.1 7007
";

fn main() -> ExitCode {
    common::exit(run())
}

fn run() -> Result<(), Exit> {
    let options = Options::new("127.0.0.1:7007", Limits::default());
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

/// Sends back what comes.
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
