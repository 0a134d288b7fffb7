//! A member on a connection of plain lines, as with `nc`.

use super::directory::Directory;
use super::member::{Member, notice};
use crate::close::Close;
use crate::handler::context::Context;
use crate::handler::framed::MessageHandler;
use crate::protocol::line::{Line, Lines};

pub(super) enum LineMember {
    /// Connected and not yet welcomed.
    Outside(Directory),
    Inside(Member),
}

impl MessageHandler<Lines> for LineMember {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        if let LineMember::Outside(directory) = self {
            let (member, greeting) = Member::enter(directory.clone(), cx);
            cx.write(greeting.as_bytes());
            *self = LineMember::Inside(member);
        }
    }

    fn on_message(&mut self, line: Line<'_>, cx: &mut Context<'_>) -> Result<(), Close> {
        let LineMember::Inside(member) = self else { return Ok(()) };
        let answer = match line {
            Line::Text(text) => member.say(text, cx),
            Line::TooLong => Some(notice("that line was too long and was not sent")),
        };
        if let Some(answer) = answer {
            cx.write(answer.as_bytes());
        }
        Ok(())
    }

    fn on_stop(&mut self, cx: &mut Context<'_>) {
        cx.write(notice("the server is stopping").as_bytes());
        cx.close(Close::Stopping);
    }

    fn on_close(&mut self, _: &Close, cx: &mut Context<'_>) {
        if let LineMember::Inside(member) = self {
            member.leave(cx);
        }
    }
}
