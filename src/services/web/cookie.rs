//! A cookie that an answer sets (RFC 6265, section 4.1). Knows no answer.

use std::time::Duration;

use http::HeaderValue;

/// A cookie to set by [`Response::cookie`](super::Response::cookie). It lasts until the browser is
/// closed unless [`max_age`](Cookie::max_age) says otherwise.
///
/// ```
/// use socketserver::services::web::{Cookie, Response, SameSite};
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
/// ```
///
/// A name must be a token, a value visible ASCII without `"`, `,`, `;` and `\`, and a path visible
/// ASCII without `;`. An answer with a cookie that breaks these rules is replaced by one with status
/// 500, and the log says why. Text of any kind must be encoded first.
#[derive(Clone, Debug)]
#[must_use]
pub struct Cookie {
    text: String,
    /// The rule that it breaks.
    defect: Option<&'static str>,
}

/// Whether a browser sends a cookie with requests that other sites cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// It does not.
    Strict,
    /// Only if the user follows a link.
    Lax,
    /// It does; such a cookie must be [`secure`](Cookie::secure).
    None,
}

impl Cookie {
    /// A cookie with this name and value.
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

    /// A cookie that removes the one of this name and path from the browser.
    pub fn removal(name: &str) -> Cookie {
        Cookie::new(name, "").max_age(Duration::ZERO)
    }

    /// Keeps it from scripts.
    pub fn http_only(self) -> Cookie {
        self.with("HttpOnly")
    }

    /// Has it sent by HTTPS only.
    pub fn secure(self) -> Cookie {
        self.with("Secure")
    }

    /// Says when it is sent with requests that other sites cause.
    pub fn same_site(self, same_site: SameSite) -> Cookie {
        self.with(match same_site {
            SameSite::Strict => "SameSite=Strict",
            SameSite::Lax => "SameSite=Lax",
            SameSite::None => "SameSite=None",
        })
    }

    /// Says for how long it lasts, in whole seconds.
    pub fn max_age(self, age: Duration) -> Cookie {
        self.with(&format!("Max-Age={}", age.as_secs()))
    }

    /// Has it sent to this path and those below it, instead of the path of the request.
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

    /// Returns the value of its Set-Cookie field.
    ///
    /// # Errors
    ///
    /// The rule that it breaks.
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
