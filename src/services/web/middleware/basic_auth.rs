//! A guard that asks for a name and a password. Knows no connection.

use std::fmt;
use std::hint::black_box;

use data_encoding::BASE64;
use http::{StatusCode, header};

use super::super::request::Request;
use super::super::response::Response;

/// Admits requests with the name and the password of a user, by the scheme `Basic` (RFC 7617).
/// Others get 401 and a challenge with the realm, which browsers show.
///
/// Names and passwords are UTF-8, which the challenge says; they are compared byte by byte, so both
/// sides must use one normal form of Unicode. The time of a comparison depends on the length of the
/// client's text and on the number of users, but not on their secrets. Without users nothing is
/// admitted.
///
/// The scheme sends the password in the clear: use it behind TLS only. A guess costs a guesser
/// nothing: put a [`RateLimit`](super::RateLimit) before it.
///
/// ```
/// use socketserver::services::web::middleware::BasicAuth;
/// use socketserver::services::web::{Method, Web};
/// use socketserver::testkit::WebClient;
///
/// let users = BasicAuth::new("the \"tea\" house").user("Aladdin", "open sesame");
/// let web = Web::new().get("/", |_, reply| reply.text("hello")).guard(users.guard());
/// let mut client = WebClient::new(web);
/// let refused = client.get("/");
/// assert_eq!(refused.status(), 401);
/// let challenge = r#"Basic realm="the \"tea\" house", charset="UTF-8""#;
/// assert_eq!(refused.header("www-authenticate"), Some(challenge));
/// let request = client.request(Method::GET, "/");
/// let request = request.header("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
/// assert_eq!(request.send().text(), "hello");
/// ```
pub struct BasicAuth {
    challenge: String,
    /// `name:password` of each user.
    users: Vec<Vec<u8>>,
}

impl BasicAuth {
    /// Creates a guard without users. Of the realm only the visible characters of ASCII and spaces
    /// are sent.
    #[must_use]
    pub fn new(realm: &str) -> BasicAuth {
        let mut quoted = String::new();
        for c in realm.chars().filter(|c| matches!(c, ' '..='~')) {
            // A quoted string (RFC 9110, section 5.6.4).
            if matches!(c, '"' | '\\') {
                quoted.push('\\');
            }
            quoted.push(c);
        }
        let challenge = format!("Basic realm=\"{quoted}\", charset=\"UTF-8\"");
        BasicAuth { challenge, users: Vec::new() }
    }

    /// Adds a user. A name with a colon is never admitted, because the colon ends it (RFC 7617,
    /// section 2).
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> BasicAuth {
        if !name.contains(':') {
            self.users.push(format!("{name}:{password}").into_bytes());
        }
        self
    }

    /// Returns the function for [`Web::guard`](super::super::Web::guard).
    pub fn guard<S: 'static>(
        self,
    ) -> impl Fn(&Request<'_, S>) -> Result<(), Response> + Send + Sync + 'static {
        move |request| match credentials(request) {
            Some(given) if self.knows(&given) => Ok(()),
            _ => {
                let response = Response::new(StatusCode::UNAUTHORIZED);
                let response = response.header(header::WWW_AUTHENTICATE, &*self.challenge);
                Err(response.text("401 Unauthorized\n"))
            }
        }
    }

    fn knows(&self, given: &[u8]) -> bool {
        // Every user is compared, also after a match.
        self.users.iter().fold(false, |known, user| known | is_equal(user, given))
    }
}

impl fmt::Debug for BasicAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicAuth").field("challenge", &self.challenge).finish_non_exhaustive()
    }
}

/// Compares a secret, which is not empty, with a text, in a time that depends on the text only.
fn is_equal(secret: &[u8], given: &[u8]) -> bool {
    let mut difference = secret.len() ^ given.len();
    for (byte, expected) in given.iter().zip(secret.iter().cycle()) {
        // The compiler must not end the loop at the first difference.
        difference = black_box(difference | usize::from(byte ^ expected));
    }
    difference == 0
}

/// Returns the decoded credentials of a request with exactly one field for them.
fn credentials<S>(request: &Request<'_, S>) -> Option<Vec<u8>> {
    let mut fields =
        request.headers().filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    let (_, value) = fields.next()?;
    let (scheme, rest) = value.split_at_checked(6)?;
    let is_basic = scheme.eq_ignore_ascii_case(b"basic ") && fields.next().is_none();
    // Only one text for the same bytes is accepted: with padding, and without stray bits.
    is_basic.then(|| BASE64.decode(rest.trim_ascii()).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::is_equal;

    #[test]
    fn texts_of_any_length_are_compared() {
        for (given, is_it) in
            [("a:b", true), ("", false), ("a:", false), ("a:ba:b", false), ("a:c", false)]
        {
            assert_eq!(is_equal(b"a:b", given.as_bytes()), is_it, "{given}");
        }
    }
}
