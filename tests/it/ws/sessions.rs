//! Handlers of WebSockets: messages, the close handshake, pings, limits, topics, and stopping.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketserver::protocol::ws::{CloseCode, Frame, WsLimits};
use socketserver::services::web::{Web, WebSocket};
use socketserver::services::ws::{WsContext, WsHandler};
use socketserver::testkit::Network;
use socketserver::{Close, Limits, Notification, Topic};

use super::client::{Peer, masked, site};

const SECOND: Duration = Duration::from_secs(1);

type Ends = Arc<Mutex<Vec<String>>>;

/// Obeys texts, and notes its end.
struct Obedient {
    topic: Topic,
    ends: Ends,
}

impl WsHandler for Obedient {
    fn on_open(&mut self, ws: &mut WsContext<'_, '_>) {
        ws.cx().join(&self.topic);
    }

    fn on_text(&mut self, text: &str, ws: &mut WsContext<'_, '_>) -> Result<(), Close> {
        match text {
            "close" => {
                ws.close(CloseCode::from(4000), "as you wish");
                assert!(ws.is_closing());
                ws.send_text("too late");
                ws.close(CloseCode::NORMAL, "twice");
            }
            "panic" => panic!("as you wish"),
            "fail" => return Err(Close::failed("as you wish")),
            "ping" => ws.ping(b"you"),
            "later" => ws.cx().set_timer(7, SECOND),
            text => ws.cx().publish(&self.topic, Frame::text(text)),
        }
        Ok(())
    }

    fn on_pong(&mut self, payload: &[u8], ws: &mut WsContext<'_, '_>) {
        ws.send_binary(payload);
    }

    fn on_timer(&mut self, key: u64, ws: &mut WsContext<'_, '_>) {
        ws.send_text(&format!("timer {key}"));
    }

    fn on_notify(&mut self, notification: Notification, ws: &mut WsContext<'_, '_>) {
        if let Ok(text) = notification.downcast::<&str>() {
            ws.send_text(text);
        }
    }

    fn on_close(&mut self, code: CloseCode, reason: &str, ws: &mut WsContext<'_, '_>) {
        ws.send_text("nothing is sent now");
        self.ends.lock().unwrap().push(format!("{code} {reason}"));
    }
}

struct Scene {
    network: Network,
    site: Web,
    ends: Ends,
}

impl Scene {
    fn new(limits: WsLimits) -> Scene {
        let ends = Ends::default();
        let (topic, noted) = (Topic::new("room"), Arc::clone(&ends));
        let make = move || Obedient { topic: topic.clone(), ends: Arc::clone(&noted) };
        let site = site(WebSocket::new().limits(limits), make);
        Scene { network: Network::new(Limits::default()), site, ends }
    }

    fn peer(&mut self) -> Peer {
        Peer::connect(&mut self.network, &mut self.site, b"")
    }

    /// The answers to a frame of a new peer, which is closed then.
    fn answers_to(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut peer = self.peer();
        self.network.send(peer.client, bytes);
        let heard = peer.heard(&mut self.network);
        assert!(self.network.is_closed(peer.client));
        heard
    }

    fn ends(&self) -> Vec<String> {
        std::mem::take(&mut *self.ends.lock().unwrap())
    }
}

fn scene() -> Scene {
    Scene::new(WsLimits::default())
}

#[test]
fn a_close_of_the_peer_is_answered_with_its_code() {
    let mut scene = scene();
    let close = masked(Frame::close(CloseCode::from(3001), "bye"));
    assert_eq!(scene.answers_to(&close), ["close 3001 "]);
    assert_eq!(scene.answers_to(b"\x88\x80\0\0\0\0"), ["close 1005 "]);
    let and_more = [close, masked(Frame::text("more"))].concat();
    assert_eq!(scene.answers_to(&and_more), ["close 3001 "]);
    assert_eq!(scene.ends(), ["3001 bye", "1005 ", "3001 bye"]);
}

#[test]
fn an_own_close_waits_for_the_answer() {
    let mut scene = scene();
    let mut peer = scene.peer();
    peer.send(&mut scene.network, Frame::text("close"));
    assert_eq!(peer.heard(&mut scene.network), ["close 4000 as you wish"]);
    peer.send(&mut scene.network, Frame::text("close"));
    peer.send(&mut scene.network, Frame::ping(b"?"));
    scene.network.publish(&Topic::new("room"), b"\x81\x01x");
    assert_eq!(peer.heard(&mut scene.network), [""; 0]);
    assert_eq!((scene.network.connections(), scene.ends().len()), (1, 0));
    peer.send(&mut scene.network, Frame::close(CloseCode::from(4000), "ok"));
    assert_eq!(peer.heard(&mut scene.network), [""; 0]);
    assert_eq!((scene.network.connections(), scene.ends()), (0, vec!["4000 ok".to_owned()]));
}

#[test]
fn a_peer_that_does_not_answer_a_close_is_left() {
    let mut scene = Scene::new(WsLimits::default().close(2 * SECOND));
    let mut peer = scene.peer();
    peer.send(&mut scene.network, Frame::text("close"));
    scene.network.advance(SECOND);
    assert_eq!(scene.ends().len(), 0);
    assert_eq!(peer.heard_within(&mut scene.network, SECOND), ["close 4000 as you wish"]);
    assert_eq!(scene.ends(), ["1006 "]);
}

#[test]
fn an_end_without_a_close_frame_has_a_code_of_its_own() {
    let mut scene = scene();
    let (one, two) = (scene.peer(), scene.peer());
    scene.network.shut(one.client);
    scene.network.reset(two.client);
    scene.network.settle();
    assert_eq!(scene.ends(), ["1006 ", "1006 "]);
    assert_eq!(scene.network.connections(), 0);
}

#[test]
fn faults_are_answered_with_their_codes() {
    let mut scene = scene();
    let long = masked(Frame::binary(&vec![0; 1024 * 1024 + 1]));
    for (input, answer) in [
        (&b"\xc1\x80\0\0\0\0"[..], "close 1002 a reserved bit is set"),
        (b"\x81\x00", "close 1002 a frame without a mask"),
        (b"\x81\x81\0\0\0\0\xff", "close 1007 a text is not UTF-8"),
        (&long, "close 1009 the frame is too long"),
        (&masked(Frame::text("panic")), "close 1011 "),
        (&masked(Frame::text("fail")), "close 1011 "),
        (&masked(Frame::binary(b"x")), "close 1003 no binary messages, please"),
    ] {
        let mut peer = scene.peer();
        scene.network.send(peer.client, input);
        assert_eq!(peer.heard(&mut scene.network), [answer]);
    }
    scene.network.advance(30 * SECOND);
    assert_eq!(scene.ends(), ["1002 ", "1002 ", "1007 ", "1009 ", "1011 ", "1006 "]);
    assert_eq!(scene.network.connections(), 0);
}

#[test]
fn a_silent_peer_is_pinged_and_left_if_it_does_not_answer() {
    let mut scene = Scene::new(WsLimits::default().ping(Some(10 * SECOND)));
    let (mut alive, mut dead) = (scene.peer(), scene.peer());
    for _ in 0..6 {
        scene.network.advance(20 * SECOND);
        alive.send(&mut scene.network, Frame::pong(b""));
    }
    let pongs = |text: &String| text == "ping " || text == "binary ";
    assert!(alive.heard(&mut scene.network).iter().all(pongs));
    assert_eq!(dead.heard(&mut scene.network), ["ping ", "close 1008 no sign of life"]);
    assert_eq!((scene.network.connections(), scene.ends()), (1, vec!["1008 ".to_owned()]));
}

#[test]
fn a_peer_may_not_flood_with_control_frames() {
    let mut scene = Scene::new(WsLimits::default().controls(10));
    let mut peer = scene.peer();
    let pings = masked(Frame::ping(b"")).repeat(10);
    for _ in 0..3 {
        scene.network.send(peer.client, &pings);
        assert_eq!(peer.heard(&mut scene.network), ["pong "; 10]);
        scene.network.advance(SECOND);
    }
    scene.network.send(peer.client, &pings);
    peer.send(&mut scene.network, Frame::ping(b""));
    let heard = peer.heard(&mut scene.network);
    assert_eq!(heard.last().map(String::as_str), Some("close 1008 too many control frames"));
}

#[test]
fn a_publication_reaches_the_other_members_as_a_message() {
    let mut scene = scene();
    let (mut one, mut two) = (scene.peer(), scene.peer());
    one.send(&mut scene.network, Frame::text("hello"));
    two.send(&mut scene.network, Frame::text("hi"));
    assert_eq!(one.heard(&mut scene.network), ["hi"]);
    assert_eq!(two.heard(&mut scene.network), ["hello"]);
}

#[test]
fn timers_pongs_and_notifications_reach_the_handler() {
    let mut scene = scene();
    let mut peer = scene.peer();
    peer.send(&mut scene.network, Frame::text("later"));
    peer.send(&mut scene.network, Frame::text("ping"));
    assert_eq!(peer.heard(&mut scene.network), ["ping you"]);
    peer.send(&mut scene.network, Frame::pong(b"you"));
    assert_eq!(peer.heard(&mut scene.network), ["binary you"]);
    assert_eq!(peer.heard_within(&mut scene.network, SECOND), ["timer 7"]);
    scene.network.notify(peer.client, "noted");
    assert_eq!(peer.heard(&mut scene.network), ["noted"]);
}

#[test]
fn a_stop_and_a_restart_have_codes_of_their_own() {
    for (restarts, close) in [(false, "close 1001 "), (true, "close 1012 ")] {
        let mut scene = scene();
        let (mut polite, mut mute) = (scene.peer(), scene.peer());
        polite.send(&mut scene.network, Frame::text("x"));
        assert_eq!(mute.heard(&mut scene.network), ["x"]);
        match restarts {
            true => scene.network.restart(),
            false => scene.network.stop(),
        }
        scene.network.advance(SECOND);
        assert_eq!(polite.heard(&mut scene.network), [close]);
        polite.send(&mut scene.network, Frame::close(CloseCode::GOING_AWAY, ""));
        assert_eq!(scene.network.connections(), 1);
        assert_eq!(mute.heard_within(&mut scene.network, 10 * SECOND), [close]);
        assert_eq!((scene.network.connections(), scene.ends().len()), (0, 2));
    }
}

#[test]
fn a_connection_that_upgrades_while_the_server_stops_is_told() {
    let mut scene = scene();
    let client = crate::support::http::connect(&mut scene.network, &mut scene.site);
    scene.network.stop();
    scene.network.send(client, super::client::HANDSHAKE.as_bytes());
    scene.network.advance(10 * SECOND);
    let received = scene.network.received(client);
    assert!(received.ends_with(b"\x88\x02\x03\xe9"), "{}", received.escape_ascii());
}
