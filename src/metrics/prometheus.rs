//! Metrics in the text format of Prometheus. Knows the format; must not know its readers.

use std::fmt::{Display, Write};

use crate::metrics::Metrics;

impl Metrics {
    /// The content type of [`prometheus`](Metrics::prometheus).
    pub const PROMETHEUS: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// Returns all metrics in the text format of Prometheus, version 0.0.4: each number with its
    /// meaning and type, every name prefixed with `socketserver_`, times in seconds.
    ///
    /// A route of the web service that serves them (feature `http`):
    ///
    /// ```
    /// # #[cfg(feature = "http")] {
    /// use socketserver::{Metrics, Server, services::web::Web};
    ///
    /// let server = Server::bind("127.0.0.1:0")?;
    /// let handle = server.handle();
    /// let web = Web::new().get("/metrics", move |_, reply| {
    ///     reply.bytes(Metrics::PROMETHEUS, handle.metrics().prometheus().as_bytes())
    /// });
    /// # server.handle().stop();
    /// server.serve(web)?;
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn prometheus(&self) -> String {
        let mut page = Page(String::with_capacity(8 * 1024));
        self.connections(&mut page);
        self.traffic(&mut page);
        self.the_loop(&mut page);
        page.gauge(
            "unready",
            "Whether a load balancer should send no clients: 1 or 0.",
            u8::from(self.unready.is_some()),
        );
        #[cfg(feature = "backplane")]
        self.the_backplane(&mut page);
        page.0
    }

    fn connections(&self, page: &mut Page) {
        page.counter("accepted_total", "Connections taken from the listen queues.", self.accepted);
        page.begin("refused_total", "counter", "Connections closed at once, by cause.");
        page.labelled("refused_total", "by", "service", self.refused_by_service);
        page.labelled("refused_total", "by", "panic", self.refused_by_panic);
        page.labelled("refused_total", "by", "limit", self.refused_by_limit);
        page.labelled("refused_total", "by", "system", self.refused_by_system);
        page.counter("connected_total", "Outgoing connections.", self.connected);
        page.counter(
            "unreachable_total",
            "Outgoing connections that could not be made.",
            self.unreachable,
        );
        page.counter("opened_total", "Connections that were given a handler.", self.opened);
        page.gauge("connections", "Open connections.", self.open());
        page.begin("closed_total", "counter", "Connections that have ended, by reason.");
        for (why, count) in self.closes() {
            page.labelled("closed_total", "reason", why, count);
        }
        page.counter(
            "accept_pauses_total",
            "Pauses of accepting because descriptors or memory ran out.",
            self.accept_pauses,
        );
    }

    fn traffic(&self, page: &mut Page) {
        page.counter("received_bytes_total", "Bytes read from connections.", self.bytes_in);
        page.counter("sent_bytes_total", "Bytes written to connections.", self.bytes_out);
        page.counter("messages_total", "Complete messages handed to handlers.", self.messages);
        page.counter("published_total", "Messages published to topics.", self.published);
        page.counter("datagrams_received_total", "Datagrams received.", self.datagrams_in);
        page.counter("datagrams_sent_total", "Datagrams sent.", self.datagrams_out);
        page.counter(
            "datagrams_lost_total",
            "Datagrams that were too long or could not be sent.",
            self.datagrams_lost,
        );
    }

    fn the_loop(&self, page: &mut Page) {
        page.counter("calls_total", "Calls of handlers.", self.calls);
        page.counter("panics_total", "Panics that were caught.", self.panics);
        page.counter("turns_total", "Turns of the loop.", self.turns);
        page.counter("jobs_total", "Calls and offloaded work given to workers.", self.jobs);
        page.begin(
            "slow_calls_total",
            "counter",
            "Calls that took longer than the limit, by the thread they held.",
        );
        page.labelled("slow_calls_total", "held", "loop", self.slow_calls);
        page.labelled("slow_calls_total", "held", "worker", self.slow_jobs);
        page.gauge(
            "longest_call_seconds",
            "The longest time that calls held the loop, in seconds.",
            self.longest_call.as_secs_f64(),
        );
        page.gauge(
            "longest_lag_seconds",
            "The longest delay of the loop after the due time of an event, in seconds.",
            self.longest_lag.as_secs_f64(),
        );
    }
}

#[cfg(feature = "backplane")]
impl Metrics {
    fn the_backplane(&self, page: &mut Page) {
        let Some(numbers) = &self.backplane else { return };
        page.gauge(
            "backplane_age_seconds",
            "The time since a probe has returned from the engine, in seconds.",
            numbers.age.as_secs_f64(),
        );
        page.gauge(
            "backplane_unaccepted",
            "Published messages that the engine has not accepted yet.",
            numbers.unaccepted,
        );
        page.gauge(
            "backplane_holds_publishers",
            "Whether publishers wait for the engine: 1 or 0.",
            u8::from(numbers.holds_publishers),
        );
        page.counter(
            "backplane_marks_total",
            "Marks where messages may be missing.",
            numbers.marks,
        );
        page.counter(
            "backplane_refused_total",
            "Published messages that were not shared.",
            numbers.refused,
        );
        page.counter(
            "backplane_deliveries_total",
            "Messages of other nodes that were delivered.",
            numbers.deliveries,
        );
        page.counter(
            "backplane_connections_total",
            "Connections to the engine that became ready.",
            numbers.connections,
        );
    }
}

/// The page written so far. Names, labels and texts are constants of this crate that need no
/// escaping.
struct Page(String);

impl Page {
    fn begin(&mut self, name: &str, kind: &str, meaning: &str) {
        self.line(format_args!("# HELP socketserver_{name} {meaning}"));
        self.line(format_args!("# TYPE socketserver_{name} {kind}"));
    }

    fn counter(&mut self, name: &str, meaning: &str, value: u64) {
        self.begin(name, "counter", meaning);
        self.line(format_args!("socketserver_{name} {value}"));
    }

    fn gauge(&mut self, name: &str, meaning: &str, value: impl Display) {
        self.begin(name, "gauge", meaning);
        self.line(format_args!("socketserver_{name} {value}"));
    }

    fn labelled(&mut self, name: &str, label: &str, is: &str, value: u64) {
        self.line(format_args!("socketserver_{name}{{{label}=\"{is}\"}} {value}"));
    }

    fn line(&mut self, line: impl Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{line}");
    }
}
