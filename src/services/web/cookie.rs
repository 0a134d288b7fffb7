//! A cookie that an answer sets (RFC 6265, section 4.1). Knows no answer.

use std::time::Duration;

use http::HeaderValue;

/// A cookie to set by [`Response::cookie`](super::Response::cookie). The browser keeps it until it
/// is closed, unless the cookie has a [`max_age`](Cookie::max_age).
///
/// ```
/// use socketserver::services::web::{Cookie, Response, SameSite};
/// use std::time::Duration;
///
/// let cookie = Cookie::new("sid", "31d4d96e407aad42")
///     .path("/")
///     .http_only()
///     .secure()
///     .same_site(SameSite::Lax);
/// let response = Response::new(204).cookie(cookie);
/// assert_eq!(
///     response.header_value("set-cookie"),
///     Some("sid=31d4d96e407aad42; Path=/; HttpOnly; Secure; SameSite=Lax")
/// );
///
/// let lasting = Cookie::new("theme", "dark").max_age(Duration::from_secs(86_400));
/// let response = Response::new(204).cookie(lasting);
/// assert_eq!(response.header_value("set-cookie"), Some("theme=dark; Max-Age=86400"));
/// ```
///
/// A name must be a token, a value visible ASCII without `"`, `,`, `;` and `\`, and a path visible
/// ASCII or spaces without `;`. An answer with a cookie that breaks these rules is replaced by one
/// with status 500, and the reason is logged. Other text must be encoded first.
#[derive(Clone, Debug)]
#[must_use]
pub struct Cookie {
    text: String,
    /// The rule that the cookie breaks.
    defect: Option<&'static str>,
}

/// The requests from other sites with which a browser sends a cookie: see [`Cookie`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SameSite {
    /// No requests from other sites.
    Strict,
    /// Requests of users who follow a link from another site.
    Lax,
    /// All requests. Such a cookie must be [`secure`](Cookie::secure).
    None,
}

impl Cookie {
    /// Creates a cookie with this name and value.
    pub fn new(name: &str, value: &str) -> Cookie {
        let defect = if !is_token(name) {
            Some("the name of a cookie is not a token")
        } else if !value.bytes().all(is_cookie_byte) {
            Some("the value of a cookie has a byte that it may not have")
        } else {
            None
        };
        Cookie { text: format!("{name}={value}"), defect }
    }

    /// Creates a cookie that removes the one with this name and path from the browser.
    ///
    /// ```
    /// use socketserver::services::web::{Cookie, Response};
    ///
    /// let logout = Response::redirect("/").cookie(Cookie::removal("sid").path("/"));
    /// assert_eq!(logout.header_value("set-cookie"), Some("sid=; Max-Age=0; Path=/"));
    /// ```
    pub fn removal(name: &str) -> Cookie {
        Cookie::new(name, "").max_age(Duration::ZERO)
    }

    /// Hides the cookie from scripts.
    pub fn http_only(self) -> Cookie {
        self.with("HttpOnly")
    }

    /// Limits the cookie to HTTPS.
    pub fn secure(self) -> Cookie {
        self.with("Secure")
    }

    /// Sets the requests from other sites with which the browser sends the cookie.
    pub fn same_site(self, same_site: SameSite) -> Cookie {
        self.with(match same_site {
            SameSite::Strict => "SameSite=Strict",
            SameSite::Lax => "SameSite=Lax",
            SameSite::None => "SameSite=None",
        })
    }

    /// Sets the time for which the browser keeps the cookie, in whole seconds. [`Cookie`] has an
    /// example.
    pub fn max_age(self, age: Duration) -> Cookie {
        self.with(&format!("Max-Age={}", age.as_secs()))
    }

    /// Limits the cookie to this path and the paths below it. The default is the folder of the
    /// request's path.
    pub fn path(mut self, path: &str) -> Cookie {
        if !path.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b';') {
            self.defect = Some("the path of a cookie has a byte that it may not have");
        }
        self.with(&format!("Path={path}"))
    }

    fn with(mut self, attribute: &str) -> Cookie {
        self.text.push_str("; ");
        self.text.push_str(attribute);
        self
    }

    /// Returns the value of the Set-Cookie field.
    ///
    /// # Errors
    ///
    /// The rule that the cookie breaks.
    pub(super) fn into_value(self) -> Result<HeaderValue, &'static str> {
        match self.defect {
            Some(defect) => Err(defect),
            None => HeaderValue::try_from(self.text).map_err(|_| "a malformed cookie"),
        }
    }
}

fn is_token(name: &str) -> bool {
    http::HeaderName::from_bytes(name.as_bytes()).is_ok()
}

/// `cookie-octet` of RFC 6265.
fn is_cookie_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e)
}
