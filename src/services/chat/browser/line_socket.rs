//! A member with lines over a WebSocket, one line a text message.

use super::socket;
use crate::close::Close;
use crate::handler::notification::Notification;
use crate::protocol::ws::CloseCode;
use crate::services::chat::directory::Directory;
use crate::services::chat::event::{Form, notice};
use crate::services::chat::hold::Hold;
use crate::services::chat::member::{Answer, Member};
#[cfg(feature = "backplane")]
use crate::services::chat::nodes::question::Heard;
use crate::services::chat::rate::Rate;
use crate::services::ws::{WsContext, WsHandler};

pub(super) struct LineSocket {
    place: Place,
    hold: Hold,
    line_limit: usize,
}

enum Place {
    /// Connected and not yet welcomed.
    Outside(Directory),
    Inside(Member),
}

impl LineSocket {
    pub(super) fn new(directory: Directory, rate: Rate, line_limit: usize) -> LineSocket {
        LineSocket { place: Place::Outside(directory), hold: Hold::new(rate), line_limit }
    }
}

/// Sends each line as a message, without its end.
fn send(lines: &str, ws: &mut WsContext<'_, '_>) {
    for line in lines.lines() {
        ws.send_text(line);
    }
}

impl WsHandler for LineSocket {
    fn on_open(&mut self, ws: &mut WsContext<'_, '_>) {
        if let Place::Outside(directory) = &self.place {
            let (member, greeting) = Member::enter(directory.clone(), Form::Messages, ws.cx());
            send(&greeting, ws);
            self.place = Place::Inside(member);
        }
    }

    fn on_text(&mut self, text: &str, ws: &mut WsContext<'_, '_>) -> Result<(), Close> {
        let Place::Inside(member) = &mut self.place else { return Ok(()) };
        // `websocat` sends the end of the line as well.
        let line = text.strip_suffix('\n').unwrap_or(text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let answer = match line.len() > self.line_limit {
            true => Answer::Text(notice("that line was too long and was not sent")),
            false => member.say(line.as_bytes(), ws.cx()),
        };
        match answer {
            Answer::Nothing => {}
            Answer::Text(text) => send(&text, ws),
            Answer::Bye(text) => {
                send(&text, ws);
                ws.close(CloseCode::NORMAL, "");
            }
            #[cfg(feature = "backplane")]
            Answer::Later => self.hold.wait(ws.cx()),
        }
        self.hold.count(line.len(), ws.cx());
        Ok(())
    }

    fn on_notify(&mut self, notification: Notification, ws: &mut WsContext<'_, '_>) {
        match notification {
            Notification::Published(_, line) => send(&String::from_utf8_lossy(&line), ws),
            #[cfg(feature = "backplane")]
            other => {
                let Place::Inside(member) = &mut self.place else { return };
                match member.hear(other, ws.cx()) {
                    Heard::Nothing => {}
                    Heard::Notice(text) => send(&text, ws),
                    Heard::Answer(text) => {
                        send(&text, ws);
                        self.hold.on_answer(ws.cx());
                    }
                }
            }
            #[cfg(not(feature = "backplane"))]
            _ => {}
        }
    }

    fn on_timer(&mut self, _: u64, ws: &mut WsContext<'_, '_>) {
        self.hold.on_timer(ws.cx());
    }

    fn on_stop(&mut self, ws: &mut WsContext<'_, '_>) {
        send(&notice("the server is stopping"), ws);
        socket::close_for_stop(ws);
    }

    fn on_close(&mut self, _: CloseCode, _: &str, ws: &mut WsContext<'_, '_>) {
        if let Place::Inside(member) = &self.place {
            member.leave(ws.cx());
        }
    }
}
