//! The option `--health`: routes for health checks, at an address that clients do not reach.

use std::io;

use lexopt::Parser;
use socketserver::services::web;
use socketserver::{Listen, Server};

use super::exit::{Exit, usage};
use super::options::{Options, has_port};
use super::seconds::value;

const TAKES: &str = "an address: 127.0.0.1:9090, [::1]:9090, unix:/path";

/// Parses the value of the option.
pub(crate) fn address(parser: &mut Parser) -> Result<Listen, Exit> {
    let text = value("health", TAKES, parser, |text| Some(text.to_owned()))?;
    match text.parse::<Listen>() {
        Ok(listen) if listen.is_datagram() => Err(usage(format!("--health needs {TAKES}"))),
        parsed => parsed.map_err(|error| usage(format!("--health {error}"))),
    }
}

/// Shares the port with other processes if the others are shared.
pub(crate) fn shared(at: Option<Listen>, options: &Options) -> Option<Listen> {
    at.map(|at| if options.shares_port && has_port(&at) { at.reuse_port() } else { at })
}

/// Adds the routes at the address, if there is one.
pub(crate) fn add_to(server: Server, at: Option<&Listen>) -> io::Result<Server> {
    let handle = server.handle();
    match at {
        Some(at) => server.listen(at.clone(), web::health(move || handle.metrics())),
        None => Ok(server),
    }
}
