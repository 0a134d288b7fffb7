//! A chat at a terminal: incoming lines appear above the line that is being typed.

use std::io;
use std::time::Duration;

use socketserver::{Close, Context, Handler, Notification, ServerHandle};

use super::chunk;
use super::common::client::Report;
use super::common::input::{Input, Piece};
use super::editor::{Editor, Event};
use super::keys::Keys;
use super::shown::{Shown, Styles};
use super::terminal::{Terminal, on_resize};

/// Shows text without a line end, if no more follows.
const SHOW_PART: u64 = 0;
const PART_TIME: Duration = Duration::from_millis(200);
/// Ends the program, if the server does not end its output.
const GIVE_UP: u64 = 1;
const GIVE_UP_TIME: Duration = Duration::from_secs(1);

/// The notification of another size of the window.
struct Resized;

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Talking,
    /// The user has ended the input.
    Leaving,
}

/// Copies in both directions until either ends.
pub(crate) struct TerminalTalk {
    input: Input,
    keys: Keys,
    editor: Editor,
    /// Raw mode begins with the connection, so that Ctrl-C has its usual effect before.
    terminal: Option<Terminal>,
    stage: Stage,
    shown: Shown,
    report: Report,
}

impl TerminalTalk {
    /// `offset` is that of the local time from UTC in seconds, if it is known.
    pub(crate) fn new(report: Report, offset: Option<i32>) -> TerminalTalk {
        TerminalTalk {
            input: Input::new(report.handle.clone(), chunk),
            keys: Keys::default(),
            editor: Editor::default(),
            terminal: None,
            stage: Stage::Talking,
            shown: Shown::new(Styles::of_environment(), offset),
            report,
        }
    }

    fn open(&mut self, cx: &Context<'_>) -> io::Result<()> {
        self.terminal = Some(Terminal::open()?);
        let (handle, id): (ServerHandle, _) = (self.report.handle.clone(), cx.id());
        on_resize(move || handle.notify(id, Resized).is_ok())?;
        self.input.start(cx)
    }

    /// Prints whole lines above the line that is being typed. Returns true if the terminal accepted
    /// them.
    fn show(&mut self, above: &str) -> bool {
        let Some(terminal) = &mut self.terminal else { return true };
        let (prompt, styles) = (self.shown.prompt(), self.shown.styles);
        let result = terminal.show(above, &prompt, &self.editor, styles);
        result.inspect_err(|error| self.report.output_failed(error)).is_ok()
    }

    /// Handles keys, even if there is no room for lines: Ctrl-C always has its effect.
    fn pull(&mut self, cx: &mut Context<'_>) {
        loop {
            match self.input.next() {
                Ok(Piece::Bytes(bytes)) => self.typed(&bytes, cx),
                Ok(Piece::NotYet) => return,
                Ok(Piece::End) => return self.leave(cx),
                Err(error) => return self.report.input_failed(&error),
            }
        }
    }

    fn typed(&mut self, bytes: &[u8], cx: &mut Context<'_>) {
        let (mut above, mut refused) = (String::new(), 0);
        for key in self.keys.push(bytes) {
            match self.editor.press(key) {
                Some(Event::Line(_)) if cx.is_done() => refused += 1,
                Some(Event::Line(line)) if self.stage == Stage::Talking => {
                    if !line.is_empty() {
                        above += &self.shown.own(&line, cx.now());
                    }
                    cx.write(line.as_bytes());
                    cx.write(b"\n");
                }
                Some(Event::Interrupt) if self.stage == Stage::Leaving => {
                    return self.report.give_up(Ok(()));
                }
                Some(Event::Interrupt | Event::End) => self.leave(cx),
                Some(Event::Suspend) => self.on_terminal(Terminal::suspend),
                Some(Event::ClearScreen) => self.on_terminal(Terminal::clear),
                Some(Event::Line(_)) | None => {}
            }
        }
        if refused > 0 {
            let text = format!("not sent: {refused} lines, because the server does not read");
            above += &self.shown.remark(&text, cx.now());
        }
        self.show(&above);
    }

    fn on_terminal(&mut self, act: impl FnOnce(&mut Terminal) -> io::Result<()>) {
        if let Some(Err(error)) = self.terminal.as_mut().map(act) {
            self.report.output_failed(&error);
        }
    }

    /// Ends the output. The server has some time to end its output as well.
    fn leave(&mut self, cx: &mut Context<'_>) {
        if self.stage == Stage::Talking {
            self.stage = Stage::Leaving;
            cx.finish();
            cx.set_timer(GIVE_UP, GIVE_UP_TIME);
        }
    }
}

impl Handler for TerminalTalk {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        match self.open(cx) {
            Ok(()) => {
                self.show("");
            }
            Err(error) => self.report.input_failed(&error),
        }
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let lines = self.shown.lines(input, cx.now());
        match self.shown.has_part() {
            true => cx.set_timer(SHOW_PART, PART_TIME),
            false => cx.cancel_timer(SHOW_PART),
        }
        match lines.is_empty() || self.show(&lines) {
            true => Ok(input.len()),
            false => Err(Close::Done),
        }
    }

    fn on_timer(&mut self, key: u64, cx: &mut Context<'_>) {
        match key {
            SHOW_PART => {
                let part = self.shown.part(cx.now());
                self.show(&part);
            }
            _ => self.report.give_up(Ok(())),
        }
    }

    fn on_eof(&mut self, cx: &mut Context<'_>) {
        let mut above = self.shown.part(cx.now());
        if self.stage == Stage::Talking {
            above += &self.shown.remark("the server has closed the connection", cx.now());
        }
        self.show(&above);
        cx.close(Close::Eof);
    }

    /// New input, or a new size.
    fn on_notify(&mut self, notification: Notification, cx: &mut Context<'_>) {
        match notification.downcast::<Resized>() {
            Ok(Resized) => {
                self.show("");
            }
            Err(_) => self.pull(cx),
        }
    }

    /// A signal.
    fn on_stop(&mut self, _: &mut Context<'_>) {
        self.report.give_up(Ok(()));
    }

    fn on_unreachable(&mut self, error: &io::Error, _: &mut Context<'_>) {
        self.report.unreachable(error);
    }

    fn on_close(&mut self, why: &Close, _: &mut Context<'_>) {
        self.report.closed(why);
    }
}
