//! Passes generated inputs to the oracle `address`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| socketserver_fuzz::address::check(bytes));
