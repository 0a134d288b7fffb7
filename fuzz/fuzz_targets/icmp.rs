//! Passes generated inputs to the oracle `icmp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| socketserver_fuzz::icmp::check(bytes));
