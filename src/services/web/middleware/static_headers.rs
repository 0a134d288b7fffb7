//! A mapper that adds the same fields to all answers. Knows no connection.

use http::{HeaderName, HeaderValue};

use super::super::request::Request;
use super::super::response::Response;

/// Returns a mapper that adds these fields to each answer that does not have them, so that
/// the fields of a route stay.
///
/// If a field is malformed, every answer is replaced by one with status 500, and the reason is
/// logged, as for a malformed field of a route.
///
/// ```
/// use socketserver::services::web::Web;
/// use socketserver::services::web::middleware::static_headers;
/// use socketserver::testkit::WebClient;
///
/// let web = Web::new()
///     .get("/", |_, reply| reply.text("hello"))
///     .get("/frame", |_, reply| reply.header("x-frame-options", "SAMEORIGIN").text("hello"))
///     .map_response(static_headers([
///         ("strict-transport-security", "max-age=31536000"),
///         ("x-content-type-options", "nosniff"),
///         ("x-frame-options", "DENY"),
///     ]));
/// let mut client = WebClient::new(web);
/// assert_eq!(client.get("/").header("x-frame-options"), Some("DENY"));
/// assert_eq!(client.get("/frame").header("x-frame-options"), Some("SAMEORIGIN"));
/// assert_eq!(client.get("/none").header("x-content-type-options"), Some("nosniff"));
/// ```
pub fn static_headers<S, N, V>(
    fields: impl IntoIterator<Item = (N, V)>,
) -> impl Fn(&Request<'_, S>, &mut Response) + Send + Sync + 'static
where
    S: 'static,
    HeaderName: TryFrom<N>,
    HeaderValue: TryFrom<V>,
    N: 'static,
    V: 'static,
{
    let parse = |(name, value)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    };
    let fields: Option<Vec<(HeaderName, HeaderValue)>> = fields.into_iter().map(parse).collect();
    move |_: &Request<'_, S>, response: &mut Response| match &fields {
        Some(fields) => {
            for (name, value) in fields {
                if response.lines.iter().find(name.as_str()).is_none() {
                    response.add::<HeaderName, HeaderValue>(name.clone(), value.clone());
                }
            }
        }
        None => response.note_defect("a field of static_headers is malformed"),
    }
}
