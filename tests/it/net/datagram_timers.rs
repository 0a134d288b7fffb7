//! Datagram handlers that send on their own, on real sockets.

use std::net::UdpSocket;
use std::time::Duration;

use socketserver::testkit::Datagrams;
use socketserver::{DatagramContext, DatagramHandler, Peer, Server};

/// Sends `tick` to its clients every 20 ms. `once` requests one answer after 10 ms, `stop` ends the
/// ticks.
#[derive(Default)]
struct Ticker(Vec<Peer>);

const TICK: u64 = 1;
const ONCE: u64 = 2;

impl DatagramHandler for Ticker {
    fn on_start(&mut self, cx: &mut DatagramContext<'_>) {
        cx.set_interval(TICK, Duration::from_millis(20));
    }

    fn on_datagram(&mut self, datagram: &[u8], cx: &mut DatagramContext<'_>) {
        match datagram {
            b"once" => cx.set_timer(ONCE, Duration::from_millis(10)),
            b"stop" => cx.cancel_timer(TICK),
            b"panic" => panic!("as told"),
            _ => self.0.push(cx.peer().clone()),
        }
    }

    fn on_timer(&mut self, key: u64, cx: &mut DatagramContext<'_>) {
        let text: &[u8] = if key == TICK { b"tick" } else { b"once" };
        for peer in &self.0 {
            cx.send_to(peer.clone(), text);
        }
        // There is no datagram to reply to.
        cx.reply(b"nowhere");
    }
}

#[test]
fn a_handler_sends_without_being_asked() -> std::io::Result<()> {
    let server = Server::new().listen_datagrams("udp:127.0.0.1:0", Ticker::default())?;
    let address = server.addresses()[0].to_string();
    let handle = server.handle();
    let thread = std::thread::spawn(|| server.run());
    let client = UdpSocket::bind("127.0.0.1:0")?;
    client.set_read_timeout(Some(Duration::from_secs(10)))?;
    client.connect(address.trim_start_matches("udp:"))?;
    client.send(b"subscribe")?;
    let mut buffer = [0; 16];
    for _ in 0..3 {
        let len = client.recv(&mut buffer)?;
        assert_eq!(&buffer[..len], b"tick");
    }
    handle.stop();
    thread.join().unwrap()
}

#[test]
fn timers_are_kept_replaced_and_cancelled_by_key() {
    let peer = Peer::unix_named("/client");
    let mut ticker = Datagrams::new(Ticker::default());
    ticker.receive(peer.clone(), b"subscribe");
    ticker.advance(Duration::from_millis(45));
    assert_eq!(ticker.sent().len(), 2);
    ticker.receive(peer.clone(), b"once");
    ticker.receive(peer.clone(), b"stop");
    ticker.advance(Duration::from_millis(100));
    assert_eq!(ticker.sent(), [(peer, b"once".to_vec())]);
}
