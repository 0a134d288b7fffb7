//! The welcome page of `reactor_web`: its files, which are part of the program, and the numbers
//! that it shows besides those of the library.

mod counters;

use std::fmt::Write;

use socketserver::services::web::{Answered, Reply, Web};
use socketserver::{Metrics, ServerHandle};

use counters::Counters;

/// Nothing of others, and no text of the page that runs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// Adds the page for any method at `/`, its parts, and the counters that it draws.
pub(crate) fn add_to(web: Web, handle: &ServerHandle) -> Web {
    let counters = Counters::new(handle.clone());
    web.any("/", |_, reply| {
        let reply = reply.header("content-security-policy", POLICY);
        sniffless(reply).html(include_str!("index.html"))
    })
    .get("/welcome/style.css", |_, reply| part(reply, "text/css", include_str!("style.css")))
    .get("/welcome/script.js", |_, reply| {
        part(reply, "text/javascript; charset=utf-8", include_str!("script.js"))
    })
    .get("/welcome/icon.svg", |_, reply| part(reply, "image/svg+xml", include_str!("icon.svg")))
    .get("/events/counters", move |_, reply| counters.show(reply))
}

fn part(reply: Reply<'_>, content_type: &str, text: &str) -> Answered {
    sniffless(reply).header("cache-control", "no-cache").bytes(content_type, text)
}

fn sniffless(reply: Reply<'_>) -> Reply<'_> {
    reply.header("x-content-type-options", "nosniff")
}

/// Answers with the metrics of the server, and the memory of its process if the system tells it.
pub(crate) fn show_metrics(handle: &ServerHandle, reply: Reply<'_>) -> Answered {
    let mut page = handle.metrics().prometheus();
    if let Some(bytes) = memory() {
        // The name that client libraries of Prometheus use. Writing to a string does not fail.
        let _ = write!(
            page,
            "# HELP process_resident_memory_bytes Resident memory of the process.\n\
             # TYPE process_resident_memory_bytes gauge\n\
             process_resident_memory_bytes {bytes}\n"
        );
    }
    reply.bytes(Metrics::PROMETHEUS, page)
}

/// Reads the resident memory of the process: on Linux some microseconds, without a disk.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
