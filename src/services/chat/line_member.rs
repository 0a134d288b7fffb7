//! A member on a connection of lines, as with `nc` or `telnet`.

use super::directory::Directory;
use super::event::notice;
use super::member::{Answer, Delivery, Member};
use super::rate::{Pace, Rate};
use crate::close::Close;
use crate::handler::context::Context;
use crate::handler::framed::MessageHandler;
use crate::protocol::telnet::{TelnetLine, TelnetLines};

/// The timer that ends the pause of a member whose lines come too fast.
const NEXT_LINE: u64 = 0;

pub(super) struct LineMember {
    place: Place,
    pace: Pace,
}

enum Place {
    /// Connected and not yet welcomed.
    Outside(Directory),
    Inside(Member),
}

impl LineMember {
    pub(super) fn new(directory: Directory, rate: Rate) -> LineMember {
        LineMember { place: Place::Outside(directory), pace: Pace::new(rate) }
    }

    /// Counts a line, and reads no further one before its time. The peer is held up by its own
    /// socket, so that no line is lost, and no other member is closed for the flood.
    fn keep_pace(&mut self, len: usize, cx: &mut Context<'_>) {
        let wait = self.pace.count(len, cx.now().elapsed());
        if wait.is_zero() {
            return;
        }
        if cx.is_stopping() {
            return self.on_stop(cx);
        }
        cx.pause();
        cx.set_timer(NEXT_LINE, wait);
    }
}

impl MessageHandler<TelnetLines> for LineMember {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        if let Place::Outside(directory) = &self.place {
            let (member, greeting) = Member::enter(directory.clone(), Delivery::Output, cx);
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
        }
        self.keep_pace(len, cx);
        Ok(())
    }

    fn on_timer(&mut self, _: u64, cx: &mut Context<'_>) {
        match cx.is_stopping() {
            true => self.on_stop(cx),
            false => cx.resume(),
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
