//! `Context::reset`: the connection ends at once, its peer sees a reset, and its handler is told as
//! of any other end.

use std::io::Write;
use std::sync::mpsc::channel;
use std::time::Duration;

use socketserver::testkit::{Client, Network};
use socketserver::{Close, Context, Handler, Notification, Server, Timeout, Topic};

use crate::hub::cuts::{End, end_of, modes, networks};
use crate::support::handlers::{Log, Probe, Told, tight};
use crate::support::real::{Running, soon};
use crate::support::waiting::until_equal;

/// Writes the number of bytes that its input tells, and resets.
struct Resets(std::sync::mpsc::Sender<Close>);

impl Handler for Resets {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        match input[0] {
            b'n' => {}
            b'l' => cx.write(b"a little"),
            _ => cx.write(&vec![b'x'; 16 * 1024 * 1024]),
        }
        cx.reset(Close::failed("asked for"));
        Ok(input.len())
    }

    fn on_close(&mut self, why: &Close, _: &mut Context<'_>) {
        self.0.send(why.clone()).unwrap();
    }
}

#[test]
fn a_peer_sees_a_cut_whatever_was_written_before() {
    for mode in modes() {
        let (ended, ends) = channel();
        let server = Server::new().mode(mode);
        let server =
            Running::start(server.listen("127.0.0.1:0", move |_| Resets(ended.clone())).unwrap());
        for word in [&b"nothing"[..], b"l", b"w", b"nothing, and the rest is not read"] {
            let mut client = server.client();
            client.write_all(word).unwrap();
            assert_eq!(end_of(client), End::Cut, "{mode:?}, {}", word.escape_ascii());
            assert_eq!(soon(&ends), Close::failed("asked for"), "{mode:?}");
        }
        until_equal("all have ended", 0, || server.handle.metrics().open());
    }
}

fn is_cut(network: &mut Network, client: Client, log: &Log, what: &str) {
    network.settle();
    assert_eq!(log.closes(), [Close::failed("cut")], "{what}");
    assert!(network.is_closed(client) && network.is_reset(client), "{what}");
    let told = log.told();
    assert!(matches!(told.last(), Some(Told::Close(_))), "{what}: {told:?}");
}

fn cut(cx: &mut Context<'_>) {
    cx.reset(Close::failed("cut"));
}

/// Resets when it gets a note.
struct Noted(Log);

impl Handler for Noted {
    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }

    fn on_notify(&mut self, _: Notification, cx: &mut Context<'_>) {
        cut(cx);
    }

    fn on_close(&mut self, why: &Close, cx: &mut Context<'_>) {
        Probe::new(&self.0).on_close(why, cx);
    }
}

#[test]
fn every_call_of_a_handler_may_reset() {
    type Drive = fn(&mut Network, Client);
    type Make = fn(Probe) -> Probe;
    let cases: [(&str, Make, Drive); 6] = [
        ("open", |probe| probe.open(cut), |_, _| {}),
        (
            "data",
            |probe| {
                probe.data(|_, cx| {
                    cut(cx);
                    Ok(1)
                })
            },
            |network, client| network.send(client, b"hello"),
        ),
        ("eof", |probe| probe.eof(cut), Network::shut),
        (
            "wake",
            |probe| probe.open(|cx| cx.set_timer(0, Duration::from_secs(1))).wake(cut),
            |network, _| network.advance(Duration::from_secs(1)),
        ),
        (
            "drain",
            |probe| probe.open(|cx| cx.write(&[b'x'; 300])).drain(cut),
            |network, client| {
                network.window(client, 50);
                for _ in 0..6 {
                    network.settle();
                    network.received(client);
                }
            },
        ),
        (
            "stop",
            |probe| probe.stop(cut),
            |network, client| {
                network.send(client, b"hello");
                network.settle();
                network.stop();
            },
        ),
    ];
    for (what, make) in networks() {
        for (call, handler, drive) in &cases {
            let (log, mut network) = (Log::default(), make(tight()));
            let client = network.connect(handler(Probe::new(&log)));
            network.window(client, 50);
            drive(&mut network, client);
            is_cut(&mut network, client, &log, &format!("{what}, on_{call}"));
        }
        let (log, mut network) = (Log::default(), make(tight()));
        let client = network.connect(Noted(log.clone()));
        network.settle();
        network.notify(client, "now");
        is_cut(&mut network, client, &log, &format!("{what}, on_notify"));
    }
}

#[test]
fn a_reset_waits_neither_for_output_nor_for_lingering() {
    for (what, make) in networks() {
        let (log, mut network) = (Log::default(), make(tight()));
        let client = network.connect(Probe::new(&log).data(|input, cx| {
            cx.write(&[b'x'; 900]);
            cut(cx);
            Ok(input.len())
        }));
        network.window(client, 0);
        network.send(client, b"x");
        is_cut(&mut network, client, &log, what);
        assert_eq!(network.connections(), 0, "{what}");
        network.window(client, usize::MAX);
        network.received(client);
        network.settle();
        assert_eq!(network.received(client), b"", "{what}");
    }
}

#[test]
fn a_close_that_waits_for_its_output_can_still_be_cut_short() {
    for (what, make) in networks() {
        let (log, mut network) = (Log::default(), make(tight()));
        let client = network.connect(Probe::new(&log).data(|input, cx| {
            cx.write(&[b'x'; 900]);
            cx.close(Close::Done);
            cut(cx);
            Ok(input.len())
        }));
        network.window(client, 0);
        network.send(client, b"x");
        network.settle();
        assert_eq!(log.closes().len(), 1, "{what}: {:?}", log.closes());
        assert!(network.is_closed(client) && network.is_reset(client), "{what}");
        assert_eq!(network.connections(), 0, "{what}");
    }
}

#[test]
fn others_go_on_after_a_reset_and_get_its_messages() {
    for (what, make) in networks() {
        let (log, heard) = (Log::default(), Log::default());
        let mut network = make(tight());
        let topic = || Topic::new("room");
        let other = network.connect(Probe::new(&heard).open(move |cx| cx.join(&topic())));
        network.settle();
        let to = network.id(other);
        let client = network.connect(Probe::new(&log).open(move |cx| cx.join(&topic())).data(
            move |input, cx| {
                cx.send(to, *b"sent ");
                cx.publish(&topic(), *b"published");
                cut(cx);
                Ok(input.len())
            },
        ));
        network.send(client, b"x");
        is_cut(&mut network, client, &log, what);
        assert_eq!(network.received(other), b"sent published", "{what}");
        // It has left its topic, and messages for it are dropped.
        network.publish(&topic(), b"!");
        network.notify(client, "too late");
        network.settle();
        assert_eq!(network.received(other), b"!", "{what}");
        assert_eq!((heard.closes(), network.connections()), (vec![], 1), "{what}");
    }
}

/// Resets in `on_close`, and tells the reason of the end.
struct LastWord(Log);

impl Handler for LastWord {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        match input[0] {
            b'd' => Err(Close::Done),
            b'l' => {
                // An answer to unused input lingers.
                cx.write(b"no");
                Err(Close::Malformed { code: 0, why: "asked for" })
            }
            _ => Ok(input.len()),
        }
    }

    fn on_close(&mut self, why: &Close, cx: &mut Context<'_>) {
        cut(cx);
        Probe::new(&self.0).on_close(why, cx);
    }
}

#[test]
fn an_end_in_good_order_can_still_be_made_a_reset() {
    type Drive = fn(&mut Network, Client);
    let cases: [(Close, Drive); 4] = [
        (Close::Done, |network, client| network.send(client, b"d")),
        (Close::Malformed { code: 0, why: "asked for" }, |network, client| {
            network.send(client, b"lingers");
        }),
        (Close::Eof, Network::shut),
        (Close::Timeout(Timeout::FirstByte), |network, _| {
            network.advance(Duration::from_secs(3600));
        }),
    ];
    for (what, make) in networks() {
        for (why, drive) in &cases {
            let limits = tight().first_byte(Some(Duration::from_secs(60)));
            let (log, mut network) = (Log::default(), make(limits));
            let client = network.connect(LastWord(log.clone()));
            network.settle();
            drive(&mut network, client);
            network.settle();
            assert_eq!(log.closes(), std::slice::from_ref(why), "{what}");
            assert!(network.is_closed(client) && network.is_reset(client), "{what}, {why}");
            assert_eq!(network.connections(), 0, "{what}, {why}");
        }
    }
}

/// Tells how it ended.
struct Ends(std::sync::mpsc::Sender<Close>);

impl Handler for Ends {
    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }

    fn on_close(&mut self, why: &Close, _: &mut Context<'_>) {
        self.0.send(why.clone()).unwrap();
    }
}

#[test]
fn a_handler_is_told_that_its_peer_was_cut() {
    for mode in modes() {
        let (ended, ends) = channel();
        let server = Server::new().mode(mode);
        let server =
            Running::start(server.listen("127.0.0.1:0", move |_| Ends(ended.clone())).unwrap());
        for sends in [false, true] {
            let mut client = server.client();
            if sends {
                client.write_all(b"half").unwrap();
            }
            socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
            drop(client);
            let cut = Close::Io(std::io::ErrorKind::ConnectionReset);
            assert_eq!(soon(&ends), cut, "{mode:?}");
        }
    }
}
