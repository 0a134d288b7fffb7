//! Tests the parser in steps against the one by bytes: both read the fields of random mutants in
//! the same way, and refuse them with the same words. `HEAD_MUTANTS` sets their number.

use super::{take, take_by_bytes};
use crate::protocol::http::framing::Facts;
use crate::protocol::http::target::Target;

const MUTANTS: u64 = 20_000;

/// Fields of good heads.
const GOOD: &[&[u8]] = &[
    b"Host: 127.0.0.1:38080\r\nConnection: keep-alive\r\nCache-Control: max-age=0\r\n\
      Upgrade-Insecure-Requests: 1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Chrome/156\r\n\
      Sec-Fetch-Site: none\r\nSec-Fetch-User: ?1\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
      Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; _ga=GA1.1.1234567890\r\n\r\n",
    b"content-length: 12\r\nEXPECT: 100-continue\r\nconnection: x ,\tclose\t\r\n\r\nabc\r\nd: e",
    b"Transfer-Encoding: chunked \r\nConnection:  keep-alive\r\nHOST: [::1]:80\r\n\r\n",
    b"A:\r\nB: \t \r\nC: \xc3\xbc\xff \tx\r\nX-!#$%&'*+-.^_`|~09: \"\\()<>@\r\nD:e\r\n\r\n",
    b"X-Field-00: v0\r\nX-Field-01: v1\r\nConnection: keep-alive, close\r\nh: b\r\nA: b\r\n\r\n",
];

/// Bytes with a meaning in some rule, and some that no rule allows.
const ODD: &[u8] = b"\0\t\n\r\r\n  !\"-0:::AZ@[_`az{~\x7f\x80\xa0\xff\x1f/\x0b\x2d";

/// A generator of numbers (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end.max(1)
    }

    fn byte(&mut self) -> u8 {
        match self.below(4) {
            0 => self.below(256) as u8,
            _ => ODD[self.below(ODD.len())],
        }
    }

    /// Returns fields with up to four edits.
    fn mutant(&mut self) -> Vec<u8> {
        let mut fields = GOOD[self.below(GOOD.len())].to_vec();
        for _ in 0..1 + self.below(4) {
            let at = self.below(fields.len());
            let end = fields.len().min(at + self.below(20));
            match self.below(8) {
                0..3 if at < fields.len() => fields[at] = self.byte(),
                3 | 4 => fields.insert(at, self.byte()),
                5 => drop(fields.drain(at..end)),
                6 => fields.splice(at..at, fields[at..end].to_vec()).for_each(drop),
                7 if self.below(4) == 0 => fields.truncate(at),
                _ if at < fields.len() => fields[at] ^= 0x20,
                _ => {}
            }
        }
        fields
    }
}

/// Returns the number of fields that both parsers accept.
fn same_fields(input: &[u8]) -> usize {
    let [mut facts, mut expected_facts] = [Facts::default(), Facts::default()];
    let (target, mut rest, mut count) = (Target::default(), input, 0);
    loop {
        let found = take(rest, &target, &mut facts);
        let expected = take_by_bytes(rest, &target, &mut expected_facts);
        let shown = || format!("{} of {}", rest.escape_ascii(), input.escape_ascii());
        assert_eq!(found, expected, "at {}", shown());
        assert_eq!(facts, expected_facts, "at {}", shown());
        match found {
            Ok(after) => rest = after,
            Err(_) => return count,
        }
        count += 1;
    }
}

#[test]
fn fields_are_read_in_steps_as_byte_by_byte() {
    let told = std::env::var("HEAD_MUTANTS").ok().and_then(|number| number.parse().ok());
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    let (mut accepted, mut whole) = (0, 0);
    let count = told.unwrap_or(MUTANTS);
    for _ in 0..count {
        let input = numbers.mutant();
        let fields = same_fields(&input);
        accepted += fields as u64;
        whole += u64::from(fields >= 5);
    }
    // Most fields are still good, and so are many heads.
    assert!(accepted > count && whole > count / 10, "{accepted} fields, {whole} heads");
}
