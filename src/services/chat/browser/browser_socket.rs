//! A member with a browser over a WebSocket, which speaks `chat.v1.json`.

use super::encode;
use super::member::{BrowserMember, News};
use super::request::Request;
use super::socket;
use crate::close::Close;
use crate::handler::notification::Notification;
use crate::protocol::ws::CloseCode;
use crate::services::chat::directory::Directory;
use crate::services::chat::hold::Hold;
use crate::services::chat::rate::{LINE_BYTES, Rate};
use crate::services::ws::{WsContext, WsHandler};

pub(super) struct BrowserSocket {
    place: Place,
    hold: Hold,
    text_max: usize,
}

enum Place {
    /// Connected and not yet welcomed.
    Outside(Directory),
    Inside(BrowserMember),
}

impl BrowserSocket {
    pub(super) fn new(directory: Directory, rate: Rate, text_max: usize) -> BrowserSocket {
        BrowserSocket { place: Place::Outside(directory), hold: Hold::new(rate), text_max }
    }

    fn read_on(&mut self, ws: &mut WsContext<'_, '_>) {
        if let Place::Inside(member) = &mut self.place {
            member.read_on(ws);
        }
    }
}

impl WsHandler for BrowserSocket {
    fn on_open(&mut self, ws: &mut WsContext<'_, '_>) {
        if let Place::Outside(directory) = &self.place {
            let member = BrowserMember::enter(directory.clone(), self.text_max, ws);
            self.place = Place::Inside(member);
        }
    }

    fn on_text(&mut self, text: &str, ws: &mut WsContext<'_, '_>) -> Result<(), Close> {
        let Place::Inside(member) = &mut self.place else { return Ok(()) };
        let request = Request::parse(text);
        let len = match &request {
            Ok(Request::Say { text, .. }) => text.len(),
            // Each room costs as much as a message that joins it.
            Ok(Request::Resume { rooms }) => rooms.len().saturating_mul(LINE_BYTES),
            _ => 0,
        };
        match request {
            Ok(request) => member.obey(request, ws),
            Err(why) => ws.send_text(&encode::notice(why.code(), why, None, None)),
        }
        member.read_on(ws);
        #[cfg(feature = "backplane")]
        if member.awaits_name() {
            self.hold.wait(ws.cx());
        }
        self.hold.count(len, ws.cx());
        Ok(())
    }

    fn on_notify(&mut self, notification: Notification, ws: &mut WsContext<'_, '_>) {
        if notification.is::<News>() {
            self.read_on(ws);
            return;
        }
        #[cfg(feature = "backplane")]
        if let Place::Inside(member) = &mut self.place {
            let was_waiting = member.awaits_name();
            member.hear(notification, ws);
            if was_waiting && !member.awaits_name() {
                self.hold.on_answer(ws.cx());
            }
            member.read_on(ws);
        }
    }

    fn on_drain(&mut self, ws: &mut WsContext<'_, '_>) {
        self.read_on(ws);
    }

    fn on_timer(&mut self, _: u64, ws: &mut WsContext<'_, '_>) {
        self.hold.on_timer(ws.cx());
    }

    fn on_stop(&mut self, ws: &mut WsContext<'_, '_>) {
        self.read_on(ws);
        ws.send_text(&encode::notice("stopping", "the server is stopping", None, None));
        socket::close_for_stop(ws);
    }

    fn on_close(&mut self, _: CloseCode, _: &str, ws: &mut WsContext<'_, '_>) {
        if let Place::Inside(member) = &self.place {
            member.leave(ws.cx());
        }
    }
}
