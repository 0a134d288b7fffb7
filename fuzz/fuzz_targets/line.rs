//! Passes generated inputs to the oracle `line`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| socketserver_fuzz::line::check(bytes));
