//! The words of a passage, without code and quotations. Knows nothing of files, nor which words are
//! good.

use super::extract::{Kind, Passage};

/// Stands for code or a quotation.
const OPAQUE: char = '\u{fffc}';

/// A word in lower case, without punctuation.
pub(super) struct Word {
    pub(super) text: String,
    pub(super) line: usize,
    /// The punctuation after it.
    tail: String,
}

impl Word {
    /// Returns true if a clause ends after the word.
    pub(super) fn ends_clause(&self) -> bool {
        self.tail.contains([',', ';', ':']) || self.ends_sentence()
    }

    pub(super) fn ends_sentence(&self) -> bool {
        self.tail.contains(['.', '!', '?'])
    }

    /// Returns true if a question ends after the word.
    pub(super) fn asks(&self) -> bool {
        self.tail.contains('?')
    }
}

/// Returns the words of a passage.
pub(super) fn split(passage: &Passage) -> Vec<Word> {
    let chars = shown(passage);
    let is_space = |(c, _): &(char, usize)| c.is_whitespace() || "–—".contains(*c);
    chars.split(is_space).filter_map(word).collect()
}

fn word(chars: &[(char, usize)]) -> Option<Word> {
    let is_letter = |(c, _): &(char, usize)| c.is_alphanumeric() || *c == OPAQUE;
    let first = chars.iter().position(is_letter)?;
    let end = chars.iter().rposition(is_letter)? + 1;
    let text: String = chars[first..end].iter().map(|(c, _)| *c).collect();
    // A path or a command.
    let is_path = chars.iter().find(|(c, _)| !"('".contains(*c)).is_some_and(|(c, _)| *c == '/');
    let text = if is_path { OPAQUE.to_string() } else { text.to_lowercase() };
    let tail = chars[end..].iter().map(|(c, _)| *c).collect();
    Some(Word { text, line: chars[first].1, tail })
}

/// The characters of a passage with their lines; one `OPAQUE` for each piece of code, quotation,
/// placeholder and target of a link.
fn shown(passage: &Passage) -> Vec<(char, usize)> {
    let lines = passage.lines.iter();
    let all: Vec<(char, usize)> =
        lines.flat_map(|(line, text)| text.chars().chain([' ']).map(move |c| (c, *line))).collect();
    let mut found = Vec::new();
    let mut rest = &all[..];
    while let Some((&(c, line), after)) = rest.split_first() {
        let close = match c {
            '`' | '"' => Some(c),
            '{' if passage.kind == Kind::Text => Some('}'),
            '(' if found.last().is_some_and(|(before, _)| *before == ']') => Some(')'),
            _ => None,
        };
        match close.and_then(|close| after.iter().position(|(c, _)| *c == close)) {
            Some(end) => {
                // The target of a link follows its text; code and quotations stand for themselves.
                if c != '(' {
                    found.push((OPAQUE, line));
                }
                rest = &after[end + 1..];
            }
            None => {
                found.push((c, line));
                rest = after;
            }
        }
    }
    found
}
