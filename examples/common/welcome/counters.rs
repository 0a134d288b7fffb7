//! The counters that the page draws: a server-sent event each second, from one thread that runs
//! while there is a client for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use socketserver::ServerHandle;
use socketserver::services::web::{Answered, BodyWriter, Reply, WriteError};

const INTERVAL: Duration = Duration::from_secs(1);

/// The clients of the counters.
#[derive(Clone)]
pub(super) struct Counters {
    handle: ServerHandle,
    clients: Arc<Mutex<Vec<BodyWriter>>>,
}

impl Counters {
    pub(super) fn new(handle: ServerHandle) -> Counters {
        Counters { handle, clients: Arc::default() }
    }

    /// Answers with the counters of now, and with those of each second from now on.
    pub(super) fn show(&self, reply: Reply<'_>) -> Answered {
        let reply = reply.header("cache-control", "no-store").header("x-accel-buffering", "no");
        let (writer, answered) = reply.stream("text/event-stream");
        writer.write(event(&self.handle))?;
        let mut clients = self.clients();
        // The thread ends, under the same lock, when there is no client.
        if clients.is_empty() {
            let counters = self.clone();
            let thread = thread::Builder::new().name("counters".to_owned());
            thread.spawn(move || counters.run())?;
        }
        clients.push(writer);
        answered
    }

    fn run(&self) {
        loop {
            thread::park_timeout(INTERVAL);
            let event = event(&self.handle);
            let mut clients = self.clients();
            for client in std::mem::take(&mut *clients) {
                // A client that reads too slowly misses this one.
                match client.write(&event) {
                    Err(WriteError::Gone) => {}
                    _ if client.is_stopping() => drop(client.finish()),
                    _ => clients.push(client),
                }
            }
            if clients.is_empty() {
                return;
            }
        }
    }

    fn clients(&self) -> MutexGuard<'_, Vec<BodyWriter>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns an event with the samples of `/metrics` that the page shows, by the same names.
fn event(handle: &ServerHandle) -> String {
    let metrics = handle.metrics();
    let memory = super::memory().map_or_else(|| "null".to_owned(), |bytes| bytes.to_string());
    format!(
        "data: {{\"messages_total\":{},\"connections\":{},\"sent_bytes_total\":{},\
         \"longest_lag_seconds\":{},\"process_resident_memory_bytes\":{memory}}}\n\n",
        metrics.messages,
        metrics.open(),
        metrics.bytes_out,
        metrics.longest_lag.as_secs_f64(),
    )
}
