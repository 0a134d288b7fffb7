//! Addresses: a parsed address prints as it was read, and an error is one line.

use std::str;

use socketserver::{Address, AddressError, Destination, Listen};

/// Parses an input as an address, as a destination, and as an address to listen on.
pub fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let address = text.parse::<Address>();
    let destination = text.parse::<Destination>();
    let listen = text.parse::<Listen>();
    match (address, destination) {
        (Ok(address), destination) => {
            match destination {
                Ok(destination) => assert_eq!(destination, Destination::Address(address.clone())),
                Err(error) => {
                    assert!(address.is_datagram(), "{address}");
                    check_error(&error);
                }
            }
            assert_eq!(listen, Ok(Listen::on(address.clone())));
            assert_eq!(address.to_string().parse(), Ok(address));
        }
        (Err(error), Ok(destination)) => {
            check_error(&error);
            check_host(&destination);
            assert_eq!(listen.map(|listen| listen.to_string()), Ok(destination.to_string()));
            assert_eq!(destination.to_string().parse(), Ok(destination));
        }
        (Err(error), Err(of_destination)) => {
            check_error(&error);
            check_error(&of_destination);
            check_error(&listen.expect_err("neither an address nor a host"));
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
    let advice = [": write ", "has a port above 65535"];
    assert!(advice.iter().any(|advice| line.contains(advice)), "{line:?} does not say what to do");
    assert!(!line.contains(char::is_control), "{line:?} is not one line");
}
