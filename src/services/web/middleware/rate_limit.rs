//! A guard that limits the requests of each peer. Knows no connection; its clock is the time of the
//! request.

use std::collections::HashMap;
use std::mem;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{StatusCode, header};

use super::super::request::Request;
use super::super::response::Response;

/// Limits the requests of each peer: a number at once, and then one in each interval, as a bucket
/// of tokens does. Others get 429 (RFC 6585, section 4) with `Retry-After`, in whole seconds
/// (RFC 9110, section 10.2.3).
///
/// A peer is an IPv4 address or the first 64 bits of an IPv6 address, as
/// [`Peer::subscriber`](crate::Peer::subscriber) says: the client that a
/// [trusted](super::super::Web::trust_proxies) proxy names, or else the other end of the
/// connection. Peers of Unix sockets that name no client are not limited. Refused requests do not
/// count.
///
/// The peers of several loops and workers are counted together, those of several worker processes
/// apart. Of 65,536 peers the ones with the latest requests are remembered, in at most 5 MiB: see
/// [`peers`](RateLimit::peers).
///
/// ```
/// use socketserver::Subnet;
/// use socketserver::services::web::middleware::RateLimit;
/// use socketserver::services::web::{Method, Web};
/// use socketserver::testkit::WebClient;
/// use std::time::Duration;
///
/// let web = Web::new()
///     .post("/login", |_, reply| reply.text("welcome"))
///     .guard(RateLimit::new(2, Duration::from_secs(10)).guard())
///     .trust_proxies(["unix".parse::<Subnet>()?]);
/// let mut client = WebClient::new(web);
/// let mut login = |client: &mut WebClient| {
///     let request = client.request(Method::POST, "/login");
///     request.header("x-forwarded-for", "192.0.2.7").send()
/// };
/// assert_eq!([(); 2].map(|()| login(&mut client).status()), [200, 200]);
/// let refused = login(&mut client);
/// assert_eq!((refused.status(), refused.header("retry-after")), (429, Some("10")));
/// client.advance(Duration::from_secs(10));
/// assert_eq!(login(&mut client).status(), 200);
/// # Ok::<(), socketserver::AddressError>(())
/// ```
#[derive(Debug)]
pub struct RateLimit {
    interval: Duration,
    /// The time that the requests of a burst stand for, but for the last of them.
    credit: Duration,
    // Loops and workers share it. A guard holds the lock for two look-ups.
    table: Mutex<Table>,
}

/// The peers that are remembered unless the user says otherwise.
const PEERS: usize = 65_536;

/// The peers with recent requests, each with the time by which these would have come one in each
/// interval.
#[derive(Debug)]
struct Table {
    recent: HashMap<IpAddr, Duration>,
    /// The peers that were recent before `recent` was full. So the peers that are forgotten, all at
    /// once, are those with the oldest requests, and no request pays for a search.
    older: HashMap<IpAddr, Duration>,
    half: usize,
}

impl RateLimit {
    /// Permits `burst` requests at once, at least one, and then one in each `interval`. An interval
    /// of 0 sets no limit.
    #[must_use]
    pub fn new(burst: u32, interval: Duration) -> RateLimit {
        let table = Table { recent: HashMap::new(), older: HashMap::new(), half: PEERS / 2 };
        let credit = interval.saturating_mul(burst.saturating_sub(1));
        RateLimit { interval, credit, table: Mutex::new(table) }
    }

    /// Sets the number of peers that are remembered, at least 2. When half as many others have sent
    /// requests since its last one, a peer may be forgotten, and then has its whole burst again.
    ///
    /// ```
    /// use socketserver::services::web::Web;
    /// use socketserver::services::web::middleware::RateLimit;
    /// use std::time::Duration;
    ///
    /// let limit = RateLimit::new(100, Duration::from_millis(50)).peers(1_000_000);
    /// let web = Web::new().get("/", |_, reply| reply.text("hello")).guard(limit.guard());
    /// ```
    #[must_use]
    pub fn peers(mut self, max: usize) -> RateLimit {
        self.table.get_mut().unwrap_or_else(PoisonError::into_inner).half = (max / 2).max(1);
        self
    }

    /// Returns the function for [`Web::guard`](super::super::Web::guard).
    pub fn guard<S: 'static>(
        self,
    ) -> impl Fn(&Request<'_, S>) -> Result<(), Response> + Send + Sync + 'static {
        move |request| {
            let Some(peer) = request.peer().subscriber() else { return Ok(()) };
            match self.count(peer, request.now().elapsed()) {
                Duration::ZERO => Ok(()),
                wait => {
                    // Rounded up: a second that has begun is not over.
                    let seconds = wait.as_nanos().div_ceil(1_000_000_000);
                    let response = Response::new(StatusCode::TOO_MANY_REQUESTS);
                    let response = response.header(header::RETRY_AFTER, seconds.to_string());
                    Err(response.text("429 Too Many Requests\n"))
                }
            }
        }
    }

    /// Counts a request, unless it is too early. Returns the time until it is not.
    fn count(&self, peer: IpAddr, now: Duration) -> Duration {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let paid_until = table.get(peer);
        let since = now.max(*paid_until);
        let wait = since.saturating_sub(now.saturating_add(self.credit));
        if wait.is_zero() {
            *paid_until = since.saturating_add(self.interval);
        }
        wait
    }
}

impl Table {
    /// Returns the place of a peer among the recent ones.
    fn get(&mut self, peer: IpAddr) -> &mut Duration {
        if self.recent.len() >= self.half && !self.recent.contains_key(&peer) {
            self.older = mem::take(&mut self.recent);
        }
        let older = &mut self.older;
        self.recent.entry(peer).or_insert_with(|| older.remove(&peer).unwrap_or_default())
    }
}
