//! A mapper that gives each answer an id. Knows no connection.

use std::hash::{BuildHasher, RandomState};
use std::str;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderName;

use super::super::request::Request;
use super::super::response::Response;

/// Gives each answer an id in the field `X-Request-Id`, by which a client, a proxy and the log can
/// talk about one request.
///
/// The id is the one in that field of the request, if the connection is from a
/// [trusted](super::super::Web::trust_proxies) proxy, there is one such field, and it has 1 to 128
/// letters, digits and characters of `-_.~+/=:@`. Otherwise a new id is made, of 32 hexadecimal
/// digits: unique in the process, and not to be guessed from earlier ones by arithmetic. It is
/// not a secret.
///
/// The record of the request has it as a
/// [field of the answer](super::super::RequestRecord::answer_header). A route has the id that a
/// proxy has given, as a field of the request. Answers to bytes that are not a request have none,
/// because no mapper sees them.
///
/// ```
/// use socketserver::Subnet;
/// use socketserver::services::web::middleware::RequestIds;
/// use socketserver::services::web::{Method, Web};
/// use socketserver::testkit::WebClient;
/// use std::sync::mpsc;
///
/// let (sender, ids) = mpsc::channel();
/// let web = Web::new()
///     .get("/", |_, reply| reply.text("hello"))
///     .trust_proxies(["unix".parse::<Subnet>()?])
///     .map_response(RequestIds::new().mapper())
///     .on_answer(move |record| {
///         let id = record.answer_header("x-request-id").unwrap_or_default();
///         let _ = sender.send(id.to_vec());
///     });
/// let mut client = WebClient::new(web);
/// let answer = client.request(Method::GET, "/").header("x-request-id", "proxy-1:7").send();
/// assert_eq!(answer.header("x-request-id"), Some("proxy-1:7"));
/// assert_eq!(ids.recv()?, b"proxy-1:7");
/// let answer = client.request(Method::GET, "/").header("x-request-id", "<script>").send();
/// assert_eq!(answer.header("x-request-id").unwrap().len(), 32);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RequestIds {
    /// Has a key from the system.
    keyed: RandomState,
    count: AtomicU64,
}

const FIELD: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a proxy, in bytes.
const GIVEN_MAX: usize = 128;

impl RequestIds {
    /// Creates ids with a new random key.
    #[must_use]
    pub fn new() -> RequestIds {
        RequestIds { keyed: RandomState::new(), count: AtomicU64::new(0) }
    }

    /// Returns the function for [`Web::map_response`](super::super::Web::map_response).
    pub fn mapper<S: 'static>(
        self,
    ) -> impl Fn(&Request<'_, S>, &mut Response) + Send + Sync + 'static {
        move |request, response| match given(request) {
            Some(id) => response.set_header(FIELD, id),
            None => response.set_header(FIELD, self.next()),
        }
    }

    fn next(&self) -> String {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        // Two hashes of one number, which no two numbers share in practice.
        let [high, low] = [0_u8, 1].map(|half| self.keyed.hash_one((number, half)));
        format!("{high:016x}{low:016x}")
    }
}

impl Default for RequestIds {
    fn default() -> RequestIds {
        RequestIds::new()
    }
}

/// Returns the id that a trusted proxy has given the request.
fn given<'a, S>(request: &Request<'a, S>) -> Option<&'a str> {
    if !request.is_from_proxy() {
        return None;
    }
    let mut fields =
        request.headers().filter(|(name, _)| name.eq_ignore_ascii_case(FIELD.as_str()));
    let (_, id) = fields.next()?;
    let is_fit = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~+/=:@".contains(byte);
    let is_good =
        fields.next().is_none() && (1..=GIVEN_MAX).contains(&id.len()) && id.iter().all(is_fit);
    str::from_utf8(id).ok().filter(|_| is_good)
}
