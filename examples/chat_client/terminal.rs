//! The terminal in raw mode: output above a last row with a prompt and the line that is being
//! typed. Must not know the server.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Read, Stdout, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::{env, mem};

use rustix::process::{Signal, kill_current_process_group};
use rustix::termios::{self, InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use signal_hook::consts::signal::SIGWINCH;
use signal_hook::low_level::pipe;
use unicode_width::UnicodeWidthStr;

use super::editor::Editor;
use super::shown::Styles;

/// Columns of a terminal that does not tell them.
const COLUMNS: usize = 80;
/// The fewest columns for the line; with less, the prompt is short.
const LINE_MIN: usize = 12;

/// Returns true if a person sits at both ends of this program, at a terminal that can move its
/// cursor.
pub(crate) fn is_there() -> bool {
    let is_able = env::var_os("TERM").is_some_and(|term| term != "dumb" && !term.is_empty());
    is_able && io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// The terminal in raw mode. Dropping it restores the mode before.
pub(crate) struct Terminal {
    out: Stdout,
    before: Termios,
    /// The last row contains text that was typed and not entered.
    has_line: bool,
}

impl Terminal {
    pub(crate) fn open() -> io::Result<Terminal> {
        let terminal = Terminal {
            out: io::stdout(),
            before: termios::tcgetattr(io::stdin())?,
            has_line: false,
        };
        terminal.enter_raw_mode()?;
        Ok(terminal)
    }

    /// Each key is read at once, without an echo, and none becomes a signal. Output is as before.
    fn enter_raw_mode(&self) -> io::Result<()> {
        let mut raw = self.before.clone();
        raw.local_modes -=
            LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
        raw.input_modes -= InputModes::ICRNL | InputModes::INLCR | InputModes::IXON;
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        Ok(termios::tcsetattr(io::stdin(), OptionalActions::Now, &raw)?)
    }

    /// Prints whole lines above the last row, and draws that row again.
    pub(crate) fn show(
        &mut self,
        above: &str,
        prompt: &str,
        editor: &Editor,
        styles: Styles,
    ) -> io::Result<()> {
        let columns = self.columns();
        let short = if columns < LINE_MIN { "" } else { "> " };
        let prompt = if prompt.width() + LINE_MIN > columns { short } else { prompt };
        let view = editor.view(columns - prompt.width().min(columns));
        let Styles { bold, plain, .. } = styles;
        let mut text = format!("\r\x1b[K{above}{bold}{prompt}{plain}{}\r", view.text);
        let cursor = prompt.width() + view.cursor;
        if cursor > 0 {
            // Writing to a string cannot fail.
            let _ = write!(text, "\x1b[{cursor}C");
        }
        self.has_line = !editor.is_empty();
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.out.write_all(b"\x1b[H\x1b[2J")
    }

    /// Stops this process and those around it, as Ctrl-Z does, until the shell continues them.
    pub(crate) fn suspend(&mut self) -> io::Result<()> {
        self.leave()?;
        kill_current_process_group(Signal::TSTP)?;
        self.enter_raw_mode()
    }

    /// Restores the mode. Text that was typed and not entered stays visible.
    fn leave(&mut self) -> io::Result<()> {
        let end: &[u8] = if mem::take(&mut self.has_line) { b"\n" } else { b"\r\x1b[K" };
        let written = self.out.write_all(end).and_then(|()| self.out.flush());
        termios::tcsetattr(io::stdin(), OptionalActions::Now, &self.before)?;
        written
    }

    fn columns(&self) -> usize {
        match termios::tcgetwinsize(&self.out) {
            Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
            _ => COLUMNS,
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A terminal that is gone needs no mode.
        let _ = self.leave();
    }
}

/// Calls `tell` in a thread, after each change of the size of the window, until it returns false.
pub(crate) fn on_resize(tell: impl Fn() -> bool + Send + 'static) -> io::Result<()> {
    let (mut events, signals) = UnixStream::pair()?;
    pipe::register(SIGWINCH, signals)?;
    thread::Builder::new()
        .name("resize".into())
        .spawn(move || while events.read(&mut [0; 64]).is_ok_and(|len| len > 0) && tell() {})
        .map(drop)
}
