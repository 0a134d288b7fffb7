//! The prose in a file of Rust or Markdown. Knows nothing of its words.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{LineColumn, Literal, Span, TokenStream, TokenTree};

use crate::repo::tidy::source::Source;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The first paragraph of a doc comment.
    Doc,
    /// Any other paragraph, list item, or cell of a table.
    Plain,
    Heading,
    /// A string literal.
    Text,
    /// The name of a test.
    Name,
}

/// Lines that belong together, each with its number.
pub(super) struct Passage {
    pub(super) kind: Kind,
    pub(super) lines: Vec<(usize, String)>,
}

/// Returns the prose of a file, with its string literals if `with_texts`.
pub(super) fn passages(file: &Source, with_texts: bool) -> Vec<Passage> {
    if file.path.ends_with(".md") {
        let lines = file.text.lines().enumerate().map(|(at, text)| (at + 1, text.to_owned()));
        return paragraphs(Kind::Plain, lines, false);
    }
    let code = Code::of(file);
    let mut found = Vec::new();
    for (is_doc, block) in code.comments(file) {
        let kind = if is_doc { Kind::Doc } else { Kind::Plain };
        found.extend(paragraphs(kind, block.into_iter(), true));
    }
    if with_texts {
        found.extend(code.texts.iter().map(text));
    }
    found.extend(code.tests.iter().map(|(line, name)| {
        let lines = vec![(*line, name.replace('_', " "))];
        Passage { kind: Kind::Name, lines }
    }));
    found
}

/// Returns the lines of comments that have more than `max` columns and no link.
pub(super) fn long_comments(file: &Source, max: usize) -> Vec<usize> {
    let lines = file.text.lines().enumerate();
    let is_long = |line: &str| {
        line.chars().count() > max && line.trim_start().starts_with("//") && !line.contains("://")
    };
    let is_rust = file.path.ends_with(".rs");
    lines.filter(|(_, line)| is_rust && is_long(line)).map(|(at, _)| at + 1).collect()
}

/// The tokens of a file that contain prose, and the columns of all tokens.
#[derive(Default)]
struct Code {
    /// For each line, the columns of its tokens: first, and one past the last.
    taken: BTreeMap<usize, Vec<(usize, usize)>>,
    /// Lines of doc comments.
    docs: BTreeSet<usize>,
    texts: Vec<Literal>,
    tests: Vec<(usize, String)>,
}

impl Code {
    fn of(file: &Source) -> Code {
        let mut code = Code::default();
        let tokens = file.text.parse::<TokenStream>();
        let tokens = tokens.unwrap_or_else(|error| panic!("{}: {error}", file.path));
        let lines: Vec<&str> = file.text.lines().collect();
        code.add(tokens, &lines);
        code
    }

    fn add(&mut self, tokens: TokenStream, lines: &[&str]) {
        // The last two words: `fn` and the name that follows `#[test]`.
        let mut is_test = false;
        let mut last = String::new();
        for token in tokens {
            match &token {
                TokenTree::Group(group) => {
                    self.take(group.span_open());
                    self.take(group.span_close());
                    is_test |= last == "#" && group.stream().to_string() == "test";
                    self.add(group.stream(), lines);
                }
                TokenTree::Literal(literal) => {
                    let at = literal.span().start();
                    let is_doc = lines[at.line - 1].chars().nth(at.column) == Some('/');
                    if is_doc {
                        self.docs.insert(at.line);
                    } else {
                        self.take(literal.span());
                        self.texts.push(literal.clone());
                    }
                }
                TokenTree::Ident(name) if is_test && last == "fn" => {
                    self.take(name.span());
                    self.tests.push((name.span().start().line, name.to_string()));
                    is_test = false;
                }
                token => self.take(token.span()),
            }
            last = token.to_string();
        }
    }

    fn take(&mut self, span: Span) {
        let (LineColumn { line: first, column: start }, end) = (span.start(), span.end());
        for line in first..=end.line {
            let from = if line == first { start } else { 0 };
            let to = if line == end.line { end.column } else { usize::MAX };
            self.taken.entry(line).or_default().push((from, to));
        }
    }

    /// Returns the comments of a file, consecutive lines together, and true for doc comments.
    fn comments(&self, file: &Source) -> Vec<(bool, Vec<(usize, String)>)> {
        let mut found: Vec<(bool, Vec<(usize, String)>)> = Vec::new();
        for (at, text) in file.text.lines().enumerate().map(|(at, text)| (at + 1, text)) {
            let is_doc = self.docs.contains(&at);
            let Some(comment) = self.comment(at, text, is_doc) else { continue };
            match found.last_mut() {
                Some((kind, block)) if *kind == is_doc && block.last().unwrap().0 + 1 == at => {
                    block.push((at, comment));
                }
                _ => found.push((is_doc, vec![(at, comment)])),
            }
        }
        found
    }

    /// Returns the comment of a line without its slashes.
    fn comment(&self, at: usize, text: &str, is_doc: bool) -> Option<String> {
        let no_tokens = Vec::new();
        let taken = self.taken.get(&at).unwrap_or(&no_tokens);
        let is_free = |column: usize| {
            is_doc || !taken.iter().any(|(start, end)| (*start..*end).contains(&column))
        };
        let (_, (start, _)) = text
            .char_indices()
            .enumerate()
            .find(|(column, (at, _))| text[*at..].starts_with("//") && is_free(*column))?;
        let comment = text[start..].trim_start_matches('/');
        let comment = comment.strip_prefix('!').unwrap_or(comment);
        Some(comment.strip_prefix(' ').unwrap_or(comment).to_owned())
    }
}

/// Cuts Markdown into paragraphs, list items and cells, without code. If `with_indented`, lines
/// indented by four columns are code as well.
fn paragraphs(
    first: Kind,
    lines: impl Iterator<Item = (usize, String)>,
    with_indented: bool,
) -> Vec<Passage> {
    let mut found: Vec<Passage> = Vec::new();
    let mut kind = first;
    let mut is_open = false;
    let mut is_code = false;
    for (at, line) in lines {
        let text = line.trim_start();
        let is_fence = text.starts_with("```");
        is_code ^= is_fence;
        if is_fence || is_code || text.is_empty() || with_indented && line.starts_with("    ") {
            is_open = false;
            continue;
        }
        if text.starts_with('|') {
            found.extend(text.split('|').map(|cell| one(Kind::Plain, at, cell)));
            is_open = false;
        } else if text.starts_with('#') {
            found.push(one(Kind::Heading, at, text));
            is_open = false;
        } else if is_open && !is_item(text) {
            found.last_mut().unwrap().lines.push((at, text.to_owned()));
        } else {
            found.push(one(kind, at, text));
            is_open = true;
        }
        kind = Kind::Plain;
    }
    found
}

fn one(kind: Kind, at: usize, text: &str) -> Passage {
    Passage { kind, lines: vec![(at, text.to_owned())] }
}

/// Returns true if a list item begins with `text`.
fn is_item(text: &str) -> bool {
    let digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
    text.starts_with("- ")
        || text.starts_with("* ")
        || digits.len() < text.len() && { digits.starts_with(". ") }
}

/// A string literal as prose: an escaped end of line ends a sentence.
fn text(literal: &Literal) -> Passage {
    let first = literal.span().start().line;
    let source = literal.to_string();
    let is_prose = source.contains('"') && source.contains(' ');
    let source = if is_prose { source } else { String::new() };
    let inner = source.split_once('"').map_or("", |(_, inner)| inner);
    let inner = inner.rsplit_once('"').map_or("", |(inner, _)| inner);
    let lines = inner.lines().enumerate().map(|(at, line)| {
        let line = line.strip_suffix('\\').unwrap_or(line);
        (first + at, line.replace("\\n", " . ").replace("\\\"", "\""))
    });
    Passage { kind: Kind::Text, lines: lines.collect() }
}
