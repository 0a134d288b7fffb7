//! Passes generated inputs to the oracle `ws`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| socketserver_fuzz::ws::check(bytes));
