//! The routes by which others judge a server. Must not know the server: its numbers are handed in.

use super::reply::Reply;
use super::service::Web;
use crate::metrics::Metrics;

/// Enough for several that watch, each with a connection that stays open.
const OWN_PLACES: usize = 16;

/// Returns a web service for health checks, of the numbers that `metrics` returns:
/// [`ServerHandle::metrics`](crate::ServerHandle::metrics).
///
/// | path | answer |
/// |---|---|
/// | `/livez` | 200: the loop that serves this connection turns |
/// | `/readyz` | 200 if [`Metrics::unready`] is `None`, else 503 with the reason in one line |
/// | `/metrics` | the numbers for [Prometheus](Metrics::prometheus) |
///
/// It works in every mode. Give it a listener of its own, which clients do not reach. The listener
/// is one of the server that is judged, so the routes answer for as long as the server runs: from
/// the stop on, during [`Limits::drain_delay`](crate::Limits::drain_delay), `/readyz` is 503. A
/// worker process of `Mode::Processes` answers for itself: a check reaches any one of them.
///
/// 16 connections have [places of their own](crate::Service::own_places), so a server with
/// [`Limits::connections`](crate::Limits::connections) clients answers its checks.
///
/// ```
/// use socketserver::services::web::{self, Web};
/// use socketserver::{Limits, Server};
/// use std::time::Duration;
///
/// let web = Web::new().get("/", |_, reply| reply.text("welcome"));
/// let server = Server::new().limits(Limits::default().drain_delay(Duration::from_millis(1)));
/// let handle = server.handle();
/// let server = server
///     .listen("127.0.0.1:0", web)?
///     .listen("127.0.0.1:0", web::health(move || handle.metrics()))?;
/// # server.handle().stop();
/// server.run()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// A program may have reasons of its own:
///
/// ```
/// use socketserver::services::web::health;
/// use socketserver::testkit::WebClient;
/// use socketserver::Metrics;
///
/// let web = health(|| {
///     let mut metrics = Metrics::default();
///     metrics.unready = Some("the database is away".to_owned());
///     metrics
/// });
/// let mut client = WebClient::new(web);
/// let answer = client.get("/readyz");
/// assert_eq!((answer.status(), answer.text()), (503, "the database is away\n"));
/// assert_eq!(client.get("/livez").status(), 200);
/// ```
#[must_use]
pub fn health(metrics: impl Fn() -> Metrics + Clone + Send + Sync + 'static) -> Web {
    let judged = metrics.clone();
    Web::new()
        .with_own_places(OWN_PLACES)
        .get("/livez", |_, reply| uncached(reply).text("ok\n"))
        .get("/readyz", move |_, reply| match judged().unready {
            None => uncached(reply).text("ok\n"),
            Some(why) => uncached(reply).status(503).text(format!("{why}\n")),
        })
        .get("/metrics", move |_, reply| {
            uncached(reply).bytes(Metrics::PROMETHEUS, metrics().prometheus())
        })
}

fn uncached(reply: Reply<'_>) -> Reply<'_> {
    reply.header("cache-control", "no-store")
}
