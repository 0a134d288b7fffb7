//! Passes generated inputs to the oracle `netstring`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| socketserver_fuzz::netstring::check(bytes));
