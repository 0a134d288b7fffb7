//! Passes generated inputs to the oracle `nats`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| socketserver_fuzz::nats::check(bytes));
