//! A line that is being typed, and the lines before it. Must not know the terminal.

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};
use unicode_width::UnicodeWidthStr;

use super::keys::Key;

/// The longest line in bytes. Further characters are not taken.
const LINE_MAX: usize = 64 * 1024;
/// The number of lines that are remembered.
const HISTORY_MAX: usize = 500;

/// The effect of a key outside of the line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A line was entered. It has no line end and no control characters.
    Line(String),
    /// Ctrl-D on an empty line.
    End,
    Interrupt,
    Suspend,
    ClearScreen,
}

/// The part of the line that is visible.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) text: String,
    /// The columns before the cursor.
    pub(crate) cursor: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Editor {
    line: String,
    /// The index of the cursor in bytes, at the start of a grapheme.
    at: usize,
    history: Vec<String>,
    /// The index of the line in the history that is shown; its length for a new line.
    shown: usize,
    /// The new line while one of the history is shown.
    draft: String,
    /// The text that was cut last.
    cut: String,
}

impl Editor {
    pub(crate) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// Handles a key.
    pub(crate) fn press(&mut self, key: Key) -> Option<Event> {
        match key {
            Key::Enter => return Some(Event::Line(self.enter())),
            Key::Interrupt => return Some(Event::Interrupt),
            Key::Suspend => return Some(Event::Suspend),
            Key::ClearScreen => return Some(Event::ClearScreen),
            Key::DeleteOrEnd if self.is_empty() => return Some(Event::End),
            Key::Char(c) => self.insert(c.encode_utf8(&mut [0; 4])),
            Key::Paste => self.insert(&self.cut.clone()),
            Key::Backspace => self.remove(self.left(), self.at),
            Key::Delete | Key::DeleteOrEnd => self.remove(self.at, self.right()),
            Key::CutToStart => self.cut(0, self.at),
            Key::CutToEnd => self.cut(self.at, self.line.len()),
            Key::CutWord => self.cut(self.word_left(), self.at),
            Key::Left => self.at = self.left(),
            Key::Right => self.at = self.right(),
            Key::WordLeft => self.at = self.word_left(),
            Key::WordRight => self.at = self.word_right(),
            Key::Home => self.at = 0,
            Key::End => self.at = self.line.len(),
            Key::Up => self.show(self.shown.checked_sub(1)),
            Key::Down => self.show(Some(self.shown + 1)),
        }
        None
    }

    /// Returns the part of the line around the cursor that fits into this many columns.
    pub(crate) fn view(&self, columns: usize) -> View {
        // The cursor may be behind the last character.
        let room = columns.saturating_sub(1);
        let (before, after) = self.line.split_at(self.at);
        let mut cursor = 0;
        let fits = |width: &mut usize, part: &str| {
            *width += part.width();
            *width <= room
        };
        let shown = before.graphemes(true).rev().take_while(|part| fits(&mut cursor, part));
        let start = self.at - shown.map(str::len).sum::<usize>();
        let text = &self.line[start..self.at];
        cursor = text.width();
        let mut end = cursor;
        let rest = after.graphemes(true).take_while(|part| fits(&mut end, part));
        View { text: text.chars().chain(rest.flat_map(str::chars)).collect(), cursor }
    }

    fn enter(&mut self) -> String {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() && self.history.last() != Some(&line) {
            self.history.push(line.clone());
        }
        if self.history.len() > HISTORY_MAX {
            self.history.remove(0);
        }
        (self.at, self.shown) = (0, self.history.len());
        self.draft.clear();
        line
    }

    /// Shows a line of the history, or the new line after the last one.
    fn show(&mut self, index: Option<usize>) {
        let Some(index) = index.filter(|index| *index <= self.history.len()) else { return };
        if self.shown == self.history.len() {
            self.draft = std::mem::take(&mut self.line);
        }
        self.line = self.history.get(index).unwrap_or(&self.draft).clone();
        (self.at, self.shown) = (self.line.len(), index);
    }

    fn insert(&mut self, text: &str) {
        if self.line.len() + text.len() <= LINE_MAX {
            self.line.insert_str(self.at, text);
            self.at += text.len();
            self.settle();
        }
    }

    fn remove(&mut self, from: usize, to: usize) {
        self.line.replace_range(from..to, "");
        self.at = from;
        self.settle();
    }

    fn cut(&mut self, from: usize, to: usize) {
        if from < to {
            self.cut = self.line[from..to].to_owned();
            self.remove(from, to);
        }
    }

    /// Moves the cursor out of a grapheme that a change has joined.
    fn settle(&mut self) {
        let mut cursor = GraphemeCursor::new(self.at, self.line.len(), true);
        if !cursor.is_boundary(&self.line, 0).unwrap_or(true) {
            self.at = self.right();
        }
    }

    fn left(&self) -> usize {
        self.at - self.line[..self.at].graphemes(true).next_back().map_or(0, str::len)
    }

    fn right(&self) -> usize {
        let mut cursor = GraphemeCursor::new(self.at, self.line.len(), true);
        cursor.next_boundary(&self.line, 0).ok().flatten().unwrap_or(self.line.len())
    }

    fn word_left(&self) -> usize {
        let before = self.line[..self.at].trim_end();
        before
            .rfind(char::is_whitespace)
            .map_or(0, |space| space + before[space..].chars().next().map_or(0, char::len_utf8))
    }

    fn word_right(&self) -> usize {
        let after = &self.line[self.at..];
        let start = after.len() - after.trim_start().len();
        let word = after[start..].find(char::is_whitespace);
        self.at + word.map_or(after.len(), |len| start + len)
    }
}
