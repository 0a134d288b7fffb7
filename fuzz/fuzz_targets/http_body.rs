//! Passes generated inputs to the oracle `http_body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| socketserver_fuzz::http_body::check(bytes));
