//! Tests the steps against the same searches byte by byte: an odd byte at each position, and each
//! pair of neighbours.

use super::{name_len, plain_len};
use crate::protocol::http::bytes::TOKEN;

type Search = fn(&[u8]) -> usize;

fn plain_len_by_bytes(input: &[u8]) -> usize {
    input.iter().take_while(|byte| matches!(byte, b' '..=b'~')).count()
}

/// Two steps of a value, and a byte.
const LEN: usize = 33;

const ALL: std::ops::RangeInclusive<u8> = 0..=255;

fn same(search: Search, by_bytes: Search, input: &[u8]) {
    let [found, expected] = [search(input), by_bytes(input)];
    assert_eq!(found, expected, "{}", input.escape_ascii());
}

/// Puts each byte at each position among bytes that are all `good`.
fn one_odd_byte(search: Search, by_bytes: Search, good: u8) {
    let mut input = [good; LEN];
    for place in 0..LEN {
        for odd in ALL {
            input[place] = odd;
            same(search, by_bytes, &input);
        }
        input[place] = good;
    }
}

/// Puts each pair of bytes at each position of a step: no byte may hide or invent another.
fn each_pair(search: Search, by_bytes: Search) {
    let mut input = [b'a'; 18];
    for place in 0..16 {
        for (one, other) in ALL.flat_map(|one| ALL.map(move |other| (one, other))) {
            input[place..place + 2].copy_from_slice(&[one, other]);
            same(search, by_bytes, &input);
        }
        input[place..place + 2].fill(b'a');
    }
}

/// Ends the input at each position, and begins the search at each.
fn each_length(search: Search, by_bytes: Search, good: u8) {
    let mut input = [good; LEN];
    for odd in [good, b':', b'\r', b'\0', b'\xff'] {
        for place in 0..LEN {
            input[place] = odd;
            for len in 0..=LEN {
                for from in 0..=len {
                    same(search, by_bytes, &input[from..len]);
                }
            }
            input[place] = good;
        }
    }
}

fn name_len_by_bytes(input: &[u8]) -> usize {
    input.iter().take_while(|byte| TOKEN.has(**byte)).count()
}

#[test]
fn a_name_ends_at_the_same_byte_in_steps() {
    for good in ALL.filter(|byte| TOKEN.has(*byte)) {
        one_odd_byte(name_len, name_len_by_bytes, good);
    }
    each_pair(name_len, name_len_by_bytes);
    each_length(name_len, name_len_by_bytes, b'a');
    each_length(name_len, name_len_by_bytes, b'7');
}

#[test]
fn a_plain_value_ends_at_the_same_byte_in_steps() {
    for good in b' '..=b'~' {
        one_odd_byte(plain_len, plain_len_by_bytes, good);
    }
    each_pair(plain_len, plain_len_by_bytes);
    each_length(plain_len, plain_len_by_bytes, b'a');
}
