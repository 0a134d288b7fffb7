//! Passes generated inputs to the oracle `web`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| socketserver_fuzz::web::check(bytes));
