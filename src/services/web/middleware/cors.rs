//! A mapper that lets pages of other origins use the answers. Knows no connection.

use std::fmt::Write;
use std::str;
use std::time::Duration;

use http::{HeaderName, Method, StatusCode, header};

use super::super::request::Request;
use super::super::response::{Body, Response};

/// Lets pages of other origins use the answers: cross-origin resource sharing (Fetch, section 3.2,
/// "CORS protocol").
///
/// An answer to a permitted origin gets `Access-Control-Allow-Origin`. A preflight, which is an
/// `OPTIONS` request with `Origin` and `Access-Control-Request-Method`, is answered with 204 and
/// the permitted methods and fields, also for a path with a guard, since browsers send preflights
/// without credentials. A route for `OPTIONS` or for any method is called first.
///
/// An answer to another origin gets nothing, and the browser keeps it from the page. That is all
/// that CORS does: it does not protect the server from other clients.
///
/// Answers that depend on the origin have `Vary: Origin`, so that caches tell them apart.
///
/// ```
/// use socketserver::services::web::middleware::Cors;
/// use socketserver::services::web::{Method, Web};
/// use socketserver::testkit::WebClient;
/// use std::time::Duration;
///
/// let cors = Cors::origins(["https://app.example", "http://localhost:5173"])
///     .headers(["content-type", "authorization"])
///     .expose(["x-request-id"])
///     .max_age(Duration::from_secs(600));
/// let web = Web::new()
///     .get("/items", |_, reply| reply.text("tea"))
///     .put("/items", |_, reply| reply.empty())
///     .map_response(cors.mapper());
/// let mut client = WebClient::new(web);
///
/// let preflight = client
///     .request(Method::OPTIONS, "/items")
///     .header("origin", "https://app.example")
///     .header("access-control-request-method", "PUT")
///     .header("access-control-request-headers", "content-type")
///     .send();
/// assert_eq!(preflight.status(), 204);
/// assert_eq!(preflight.header("access-control-allow-origin"), Some("https://app.example"));
/// assert_eq!(preflight.header("access-control-allow-methods"), Some("GET, HEAD, PUT, OPTIONS"));
/// let headers = preflight.header("access-control-allow-headers");
/// assert_eq!(headers, Some("content-type, authorization"));
///
/// let request = client.request(Method::GET, "/items").header("origin", "https://evil.example");
/// let answer = request.send();
/// assert_eq!(answer.header("access-control-allow-origin"), None);
/// assert_eq!(answer.header("vary"), Some("origin"));
/// ```
#[derive(Debug)]
pub struct Cors {
    origins: Origins,
    /// Empty for those of the path.
    methods: String,
    headers: String,
    exposed: String,
    max_age: Option<Duration>,
}

#[derive(Debug)]
enum Origins {
    Any,
    Listed(Vec<String>),
    /// Pages of these may send cookies and the like.
    Trusted(Vec<String>),
}

/// Whose pages may use the answers, and how.
impl Cors {
    /// Permits every origin, without credentials: for answers that are public.
    #[must_use]
    pub fn any() -> Cors {
        Cors::of(Origins::Any)
    }

    /// Permits these origins, without credentials. An origin is a scheme, a host, and a port unless
    /// it is the usual one: `https://app.example`. It is compared as browsers send it: in lower
    /// case, without a path.
    #[must_use]
    pub fn origins<O: Into<String>>(list: impl IntoIterator<Item = O>) -> Cors {
        Cors::of(Origins::Listed(list.into_iter().map(Into::into).collect()))
    }

    /// Permits these origins with credentials: cookies, passwords that the browser knows, client
    /// certificates. Their pages can do all that their user can do at this server. There is no such
    /// permission for any origin.
    ///
    /// ```
    /// use socketserver::services::web::middleware::Cors;
    /// use socketserver::services::web::{Method, Web};
    /// use socketserver::testkit::WebClient;
    ///
    /// let cors = Cors::origins_with_credentials(["https://app.example"]);
    /// let web = Web::new().get("/", |_, reply| reply.text("hello")).map_response(cors.mapper());
    /// let mut client = WebClient::new(web);
    /// let request = client.request(Method::GET, "/").header("origin", "https://app.example");
    /// assert_eq!(request.send().header("access-control-allow-credentials"), Some("true"));
    /// ```
    #[must_use]
    pub fn origins_with_credentials<O: Into<String>>(list: impl IntoIterator<Item = O>) -> Cors {
        Cors::of(Origins::Trusted(list.into_iter().map(Into::into).collect()))
    }

    fn of(origins: Origins) -> Cors {
        let (methods, headers, exposed) = (String::new(), String::new(), String::new());
        Cors { origins, methods, headers, exposed, max_age: None }
    }

    /// Sets the methods that a preflight names. By default they are the methods of the path.
    ///
    /// ```
    /// use socketserver::services::web::Method;
    /// use socketserver::services::web::middleware::Cors;
    ///
    /// let cors = Cors::any().methods([Method::GET, Method::PUT]);
    /// ```
    #[must_use]
    pub fn methods(mut self, list: impl IntoIterator<Item = Method>) -> Cors {
        self.methods = joined(list.into_iter().map(|method| method.to_string()));
        self
    }

    /// Sets the fields that a request may have besides the few that every page may send (Fetch,
    /// "CORS-safelisted request-header"). There are none by default.
    #[must_use]
    pub fn headers<N: Into<String>>(mut self, list: impl IntoIterator<Item = N>) -> Cors {
        self.headers = joined(list);
        self
    }

    /// Sets the fields of answers that a page may read besides the few that every page may read
    /// (Fetch, "CORS-safelisted response-header name"). There are none by default.
    #[must_use]
    pub fn expose<N: Into<String>>(mut self, list: impl IntoIterator<Item = N>) -> Cors {
        self.exposed = joined(list);
        self
    }

    /// Sets the time that a browser may remember a preflight, in whole seconds. The default of
    /// browsers is 5 s.
    #[must_use]
    pub fn max_age(mut self, time: Duration) -> Cors {
        self.max_age = Some(time);
        self
    }

    /// Returns the function for [`Web::map_response`](super::super::Web::map_response).
    pub fn mapper<S: 'static>(
        self,
    ) -> impl Fn(&Request<'_, S>, &mut Response) + Send + Sync + 'static {
        move |request, response| self.apply(request, response)
    }
}

/// The fields of an answer.
impl Cors {
    fn apply<S>(&self, request: &Request<'_, S>, response: &mut Response) {
        let asked = is_preflight(request);
        if !matches!(self.origins, Origins::Any) {
            response.add(header::VARY, "origin");
        }
        if asked {
            response.add(header::VARY, "access-control-request-method");
            response.add(header::VARY, "access-control-request-headers");
        }
        let Some(origin) = request.header("origin").and_then(|origin| self.permitted(origin))
        else {
            return;
        };
        response.set_header(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if matches!(self.origins, Origins::Trusted(_)) {
            response.set_header(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
        match asked {
            true => self.answer_preflight(response),
            false => set(response, header::ACCESS_CONTROL_EXPOSE_HEADERS, &self.exposed),
        }
    }

    /// Returns the origin to name in an answer to `origin`, if it is permitted.
    fn permitted<'a>(&self, origin: &'a str) -> Option<&'a str> {
        match &self.origins {
            Origins::Any => Some("*"),
            Origins::Listed(list) | Origins::Trusted(list) => {
                list.iter().any(|known| known == origin).then_some(origin)
            }
        }
    }

    fn answer_preflight(&self, response: &mut Response) {
        response.set_status(StatusCode::NO_CONTENT);
        response.content_type = Box::default();
        response.body = Body::Bytes(Vec::new());
        // A guard may have refused the request, which has no credentials by design.
        response.remove_header("www-authenticate");
        let of_path = response.header_value("allow").unwrap_or_default().to_owned();
        let methods = if self.methods.is_empty() { &of_path } else { &self.methods };
        set(response, header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        set(response, header::ACCESS_CONTROL_ALLOW_HEADERS, &self.headers);
        if let Some(time) = self.max_age {
            response.set_header(header::ACCESS_CONTROL_MAX_AGE, time.as_secs());
        }
    }
}

fn is_preflight<S>(request: &Request<'_, S>) -> bool {
    request.method() == Method::OPTIONS
        && request.header("origin").is_some()
        && request.header("access-control-request-method").is_some()
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if !value.is_empty() {
        response.set_header(name, value);
    }
}

fn joined<N: Into<String>>(list: impl IntoIterator<Item = N>) -> String {
    let mut joined = String::new();
    for name in list {
        let separator = if joined.is_empty() { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(joined, "{separator}{}", name.into());
    }
    joined
}
