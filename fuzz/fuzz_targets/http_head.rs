//! Passes generated inputs to the oracle `http_head`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| socketserver_fuzz::http_head::check(bytes));
