//! The welcome page of `reactor_web`: its files, which are part of the program, and the numbers
//! that it shows besides those of the library.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use socketserver::services::web::{Answered, BodyWriter, Reply, Web, WriteError};
use socketserver::{Metrics, ServerHandle};

/// Nothing of others, and no text of the page that runs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// Adds the page for any method at `/`, and its parts.
pub(crate) fn add_to(web: Web) -> Web {
    web.any("/", |_, reply| {
        let reply = reply.header("content-security-policy", POLICY);
        sniffless(reply).html(include_str!("index.html"))
    })
    .get("/welcome/style.css", |_, reply| part(reply, "text/css", include_str!("style.css")))
    .get("/welcome/script.js", |_, reply| {
        part(reply, "text/javascript; charset=utf-8", include_str!("script.js"))
    })
    .get("/welcome/icon.svg", |_, reply| part(reply, "image/svg+xml", include_str!("icon.svg")))
}

fn part(reply: Reply<'_>, content_type: &str, text: &str) -> Answered {
    sniffless(reply).header("cache-control", "no-cache").bytes(content_type, text)
}

fn sniffless(reply: Reply<'_>) -> Reply<'_> {
    reply.header("x-content-type-options", "nosniff")
}

/// Answers with the metrics of the server, and the memory of its process if the system tells it.
pub(crate) fn show_metrics(handle: &ServerHandle, reply: Reply<'_>) -> Answered {
    reply.bytes(Metrics::PROMETHEUS, metrics(handle))
}

/// The pages that are open: each gets the metrics as server-sent events.
#[derive(Clone, Default)]
pub(crate) struct Watchers {
    pages: Arc<Mutex<Vec<BodyWriter>>>,
}

impl Watchers {
    /// Answers with the metrics of now, and with later ones as [`tell`](Watchers::tell) sends them.
    pub(crate) fn add(&self, handle: &ServerHandle, reply: Reply<'_>) -> Answered {
        let reply = reply.header("cache-control", "no-store").header("x-accel-buffering", "no");
        let (page, answered) = reply.stream("text/event-stream");
        // A new body has room.
        let _ = page.write(event(handle));
        self.pages.lock().unwrap_or_else(PoisonError::into_inner).push(page);
        answered
    }

    /// Sends the metrics to all pages. Costs nothing without a page.
    pub(crate) fn tell(&self, handle: &ServerHandle) {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if pages.is_empty() {
            return;
        }
        for page in pages.extract_if(.., |page| page.is_stopping()) {
            page.finish();
        }
        let event = event(handle);
        // A page that reads too slowly misses this one.
        pages.retain(|page| page.write(&event) != Err(WriteError::Gone));
    }
}

/// Returns the metrics as an event: each line is one of its data (WHATWG HTML, section 9.2.6).
fn event(handle: &ServerHandle) -> String {
    let mut event = String::new();
    for line in metrics(handle).lines().filter(|line| !line.starts_with('#')) {
        let _ = writeln!(event, "data: {line}");
    }
    event.push('\n');
    event
}

fn metrics(handle: &ServerHandle) -> String {
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
    page
}

/// Reads the resident memory of the process: on Linux some microseconds, without a disk.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
