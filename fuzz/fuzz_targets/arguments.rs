//! Passes generated inputs to the oracle `arguments`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| socketserver_fuzz::arguments::check(bytes));
