//! Passes generated inputs to the oracle `resp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| socketserver_fuzz::resp::check(bytes));
