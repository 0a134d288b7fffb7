//! A few fields of JSON objects, without a tree. Knows no field.

/// Returns the text of the value of a field at the top level of an object; `None` if the field is
/// missing, or the text is not an object. The text after the field is not looked at.
pub(super) fn field<'a>(object: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut rest = object.trim_ascii_start().strip_prefix(b"{")?.trim_ascii_start();
    loop {
        let key = rest.get(..string_end(rest)?)?;
        rest = after(rest, key)?.strip_prefix(b":")?.trim_ascii_start();
        let value = rest.get(..value_end(rest)?)?;
        if key.get(1..key.len() - 1) == Some(name.as_bytes()) {
            return Some(value);
        }
        rest = after(rest, value)?.strip_prefix(b",")?.trim_ascii_start();
    }
}

/// Returns the values of an array; those before a fault, if it has one.
pub(super) fn elements(array: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = array.strip_prefix(b"[");
    std::iter::from_fn(move || {
        let text = rest?.trim_ascii_start();
        let value = text.get(..value_end(text)?)?;
        rest = after(text, value).and_then(|rest| rest.strip_prefix(b","));
        Some(value)
    })
}

pub(super) fn number(value: &[u8]) -> Option<u64> {
    str::from_utf8(value).ok()?.parse().ok()
}

/// Returns the text of a string.
pub(super) fn text(value: &[u8]) -> Option<String> {
    let value = str::from_utf8(value).ok()?.strip_prefix('"')?.strip_suffix('"')?;
    let mut text = String::with_capacity(value.len());
    let mut rest = value.chars();
    while let Some(char) = rest.next() {
        text.push(match char {
            '\\' => match rest.next()? {
                'n' => '\n',
                't' => '\t',
                'u' => {
                    let digits = rest.as_str().get(..4)?;
                    rest = rest.as_str().get(4..)?.chars();
                    char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
                }
                char @ ('"' | '\\' | '/') => char,
                _ => return None,
            },
            char => char,
        });
    }
    Some(text)
}

/// Appends a string, as JSON has it.
pub(super) fn append_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend_from_slice(&[b'\\', char as u8]),
            '\0'..' ' => out.extend_from_slice(format!("\\u{:04x}", char as u32).as_bytes()),
            _ => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

fn after<'a>(rest: &'a [u8], part: &[u8]) -> Option<&'a [u8]> {
    rest.get(part.len()..).map(<[u8]>::trim_ascii_start)
}

/// Returns the length of the string at the front.
fn string_end(rest: &[u8]) -> Option<usize> {
    let mut bytes = rest.strip_prefix(b"\"")?.iter().enumerate();
    while let Some((index, byte)) = bytes.next() {
        match byte {
            b'"' => return Some(index + 2),
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    None
}

/// Returns the length of the value at the front. Brackets are counted: nesting costs nothing.
fn value_end(rest: &[u8]) -> Option<usize> {
    let (mut depth, mut place) = (0usize, 0);
    loop {
        match rest.get(place)? {
            b'"' => place += string_end(rest.get(place..)?)?,
            b'{' | b'[' => (depth, place) = (depth + 1, place + 1),
            b'}' | b']' if depth > 0 => (depth, place) = (depth - 1, place + 1),
            b',' | b'}' | b']' if depth == 0 => return (place > 0).then_some(place),
            byte if byte.is_ascii_whitespace() && depth == 0 => {
                return (place > 0).then_some(place);
            }
            _ => {
                place += 1;
                // A number or a word that ends the text.
                if depth == 0 && place == rest.len() {
                    return Some(place);
                }
                continue;
            }
        }
        if depth == 0 {
            return Some(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_at_the_top_level_only() {
        let object = br#" { "a" : {"b": [1, "}"], "seq": 7}, "seq":12 ,"t":"x\"\u003e\\", "e":{}}"#;
        assert_eq!(field(object, "seq").and_then(number), Some(12));
        let inner = field(object, "a").unwrap();
        assert_eq!(field(inner, "seq").and_then(number), Some(7));
        assert_eq!(field(object, "t").and_then(text).unwrap(), "x\">\\");
        assert_eq!((field(object, "e"), field(object, "b")), (Some(&b"{}"[..]), None));
        let array = field(inner, "b").unwrap();
        assert_eq!(elements(array).collect::<Vec<_>>(), [&b"1"[..], b"\"}\""]);
        let mut out = Vec::new();
        append_text(&mut out, "a\"\\\u{1}\u{e4}");
        assert_eq!(out, "\"a\\\"\\\\\\u0001\u{e4}\"".as_bytes());
        assert_eq!(text(&out).unwrap(), "a\"\\\u{1}\u{e4}");
    }

    #[test]
    fn a_text_that_is_not_an_object_has_no_fields() {
        let whole = br#"{"a":[{"b":"c"},true],"x":1}"#;
        for end in 0..whole.len() - 1 {
            assert_eq!(field(&whole[..end], "y"), None, "{end}");
        }
        for bad in ["", "[]", "{", "{}", "{a:1}", "{\"a\"1}", "{\"a\":}", "{\"a\":1 \"x\":2}"] {
            assert_eq!(field(bad.as_bytes(), "x"), None, "{bad}");
        }
        let deep = ["{\"a\":", &"[".repeat(1_000_000)].concat();
        assert_eq!(field(deep.as_bytes(), "x"), None);
        assert!(text(b"\"\\q\"").is_none() && text(b"\"\\u00\"").is_none() && text(b"7").is_none());
    }
}
