//! Passes generated inputs to the oracle `chat`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| socketserver_fuzz::chat::check(bytes));
