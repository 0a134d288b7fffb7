//! Passes generated inputs to the oracle `session`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| socketserver_fuzz::session::check(bytes));
