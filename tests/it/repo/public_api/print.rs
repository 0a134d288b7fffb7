//! Prints tokens as rustfmt would, on one line.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// Prints a part of the syntax tree.
pub(super) fn print(part: &impl ToTokens) -> String {
    let mut text = String::new();
    add(&mut text, part.to_token_stream());
    // A list that is broken into lines ends in a comma.
    text.replace(",)", ")").replace(",>", ">").trim_end_matches(',').to_owned()
}

fn add(text: &mut String, tokens: TokenStream) {
    let (mut is_joined, mut is_lifetime) = (false, false);
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let is_apart = ["->", "mut", "dyn", "const", ",", ":", "=", "+"];
                let is_apart = is_apart.iter().any(|end| text.ends_with(end));
                if is_lifetime || is_apart && !text.ends_with("::") {
                    space(text);
                }
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => (" { ", " }"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                add(text, group.stream());
                text.push_str(close);
            }
            TokenTree::Punct(punct) => {
                add_punct(text, punct.as_char(), is_joined);
                is_joined = punct.spacing() == Spacing::Joint;
                is_lifetime = punct.as_char() == '\'';
                continue;
            }
            word => {
                // There is no space between a word and the mark before or after it.
                let is_led = text
                    .ends_with(['(', '[', '<', '&', '\'', '#', '!', '?', '*', '.', ' '])
                    || text.ends_with("::");
                if !text.is_empty() && !is_led {
                    space(text);
                }
                text.push_str(&word.to_string());
                is_joined = false;
                continue;
            }
        }
        (is_joined, is_lifetime) = (false, false);
    }
}

fn add_punct(text: &mut String, punct: char, is_joined: bool) {
    let needs_space = match punct {
        _ if is_joined => false,
        '=' | '+' | '-' | '|' => true,
        '&' | '\'' | '#' | '?' | '*' | '!' => {
            !text.is_empty() && !text.ends_with(['(', '[', '<', '&', ' '])
        }
        // The beginning of a path from the root, or of a qualified one.
        '<' => text.ends_with([',', '=', ':', '+', '>']) && !text.ends_with("::"),
        _ => false,
    };
    if needs_space {
        space(text);
    }
    text.push(punct);
}

fn space(text: &mut String) {
    if !text.ends_with(' ') {
        text.push(' ');
    }
}

#[test]
fn tokens_are_printed_as_people_write_them() {
    for text in [
        "fn f(self, a: &'a mut [u8], b: &'b [u8]) -> Result<Option<usize>, Close>",
        "fn g<F>(&self, f: F) -> impl Iterator<Item = (&'static str, u64)>",
        "fn h(&mut self, f: impl FnOnce() -> T + Send + 'static, x: [u8; 4]) -> io::Result<()>",
        "fn i(x: Box<dyn Any + Send>, y: Arc<[u8]>, z: <T as Into<U>>::Error)",
        "fn j<T: ?Sized>(x: *const T) -> !",
    ] {
        let parsed: syn::Signature = syn::parse_str(text).unwrap();
        assert_eq!(print(&parsed), text);
    }
}
