//! Addresses: a parsed address prints as it was read, and an error is one line.

use std::str;

use socketserver::{Address, AddressError, Destination, Listen};

/// Parses an input as an address, as a destination, and as an address to listen on.
pub fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let address = text.parse::<Address>();
    let destination = text.parse::<Destination>();
    assert_eq!(Listen::try_from(text), address.clone().map(Listen::on));
    match (address, destination) {
        (Ok(address), destination) => {
            assert_eq!(destination, Ok(Destination::Address(address.clone())));
            assert_eq!(address.to_string().parse(), Ok(address));
        }
        (Err(error), Ok(destination)) => {
            check_error(&error);
            check_host(&destination);
            assert_eq!(destination.to_string().parse(), Ok(destination));
        }
        (Err(error), Err(same)) => {
            assert_eq!(error, same);
            check_error(&error);
        }
    }
}

fn check_host(destination: &Destination) {
    let Destination::Host { name, .. } = destination else {
        panic!("{destination} is an address for one and not for the other");
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    assert!(name.chars().all(is_plain) && name.len() < 254 && !name.is_empty(), "{name:?}");
}

fn check_error(error: &AddressError) {
    let line = error.to_string();
    let advice = [": write 127.0.0.1:8080", ": write udp:ADDR"];
    assert!(advice.iter().any(|advice| line.contains(advice)), "{line:?} does not say what to do");
    assert!(!line.contains(char::is_control), "{line:?} is not one line");
}
