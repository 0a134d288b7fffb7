//! A member on a connection of lines, as with `nc` or `telnet`.

use super::directory::Directory;
use super::event::{Form, notice};
use super::hold::Hold;
use super::member::{Answer, Member};
#[cfg(feature = "backplane")]
use super::nodes::question::Heard;
use super::rate::Rate;
use crate::close::Close;
use crate::handler::context::Context;
use crate::handler::framed::MessageHandler;
#[cfg(feature = "backplane")]
use crate::handler::notification::Notification;
use crate::protocol::telnet::{TelnetLine, TelnetLines};

pub(super) struct LineMember {
    place: Place,
    hold: Hold,
}

enum Place {
    /// Connected and not yet welcomed.
    Outside(Directory),
    Inside(Member),
}

impl LineMember {
    pub(super) fn new(directory: Directory, rate: Rate) -> LineMember {
        LineMember { place: Place::Outside(directory), hold: Hold::new(rate) }
    }
}

impl MessageHandler<TelnetLines> for LineMember {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        if let Place::Outside(directory) = &self.place {
            let (member, greeting) = Member::enter(directory.clone(), Form::Lines, cx);
            cx.write(greeting.as_bytes());
            self.place = Place::Inside(member);
        }
    }

    fn on_message(&mut self, line: TelnetLine<'_>, cx: &mut Context<'_>) -> Result<(), Close> {
        let Place::Inside(member) = &mut self.place else { return Ok(()) };
        let (len, answer) = match line {
            TelnetLine::Text(text) => (text.len(), member.say(&text, cx)),
            TelnetLine::TooLong => {
                (0, Answer::Text(notice("that line was too long and was not sent")))
            }
            TelnetLine::Refusal(bytes) => {
                cx.write(&bytes);
                return Ok(());
            }
        };
        match answer {
            Answer::Nothing => {}
            Answer::Text(text) => cx.write(text.as_bytes()),
            Answer::Bye(text) => {
                cx.close(Close::Done);
                cx.write(text.as_bytes());
            }
            #[cfg(feature = "backplane")]
            Answer::Later => self.hold.wait(cx),
        }
        if self.hold.count(len, cx) && cx.is_stopping() {
            self.on_stop(cx);
        }
        Ok(())
    }

    fn on_timer(&mut self, _: u64, cx: &mut Context<'_>) {
        match cx.is_stopping() {
            true => self.on_stop(cx),
            false => self.hold.on_timer(cx),
        }
    }

    #[cfg(feature = "backplane")]
    fn on_notify(&mut self, notification: Notification, cx: &mut Context<'_>) {
        let Place::Inside(member) = &mut self.place else { return };
        match member.hear(notification, cx) {
            Heard::Nothing => {}
            Heard::Notice(text) => cx.write(text.as_bytes()),
            Heard::Answer(text) => {
                cx.write(text.as_bytes());
                self.hold.on_answer(cx);
            }
        }
    }

    fn on_stop(&mut self, cx: &mut Context<'_>) {
        cx.write(notice("the server is stopping").as_bytes());
        cx.close(Close::Stopping);
    }

    fn on_close(&mut self, _: &Close, cx: &mut Context<'_>) {
        if let Place::Inside(member) = &self.place {
            member.leave(cx);
        }
    }
}
