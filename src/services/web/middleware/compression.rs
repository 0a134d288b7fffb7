//! A mapper that compresses answers. Knows no connection.

use http::{StatusCode, header};

use super::super::coding::{self, Coding};
use super::super::request::Request;
use super::super::response::{Body, Response};
use crate::protocol::compressor;

/// Compresses text answers with gzip for clients that accept it (RFC 9110, section 12.5.3).
///
/// An answer is compressed if it is one of text (`text/…`, JSON, JavaScript, XML, SVG), has from
/// 1 KiB to 256 KiB, and becomes shorter by it. A shorter one fits into one packet anyway, and the
/// loop must not stop for a longer one: 256 KiB take about a millisecond. Bodies in pieces, files
/// that are not in memory, ranges (206), answers with a `Content-Encoding` or a digest, and those
/// with `Cache-Control: no-transform` stay as they are.
///
/// An answer that a client might get compressed has `Vary: Accept-Encoding`, also when it is not,
/// and so has each 304. A strong `ETag` of a compressed answer becomes weak, because the bytes are
/// others (RFC 9110, section 8.8.1). An answer to `HEAD` has the fields of the one to `GET`.
///
/// Add it after mappers that change bodies. A thread that compresses takes 380 KB, and shares that
/// with the compressor of WebSockets.
///
/// # Security
///
/// The length of a compressed answer tells how often its parts repeat. If an answer over TLS has
/// both a secret, such as a token against forged requests, and text from its request, an attacker
/// who makes a browser send requests and sees their lengths can guess the secret byte by byte
/// (BREACH, CVE-2013-3587). Send such answers with `Cache-Control: no-transform`, or
/// [nest](super::super::Web::nest) the others into a service that compresses.
///
/// ```
/// use socketserver::services::web::middleware::Compression;
/// use socketserver::services::web::{Method, Web};
/// use socketserver::testkit::WebClient;
///
/// let web = Web::new()
///     .get("/", |_, reply| reply.text(&"hello ".repeat(1000)))
///     .map_response(Compression::new().mapper());
/// let mut client = WebClient::new(web);
/// let answer = client.request(Method::GET, "/").header("accept-encoding", "gzip, br").send();
/// assert_eq!(answer.header("content-encoding"), Some("gzip"));
/// assert!(answer.body().len() < 100);
///
/// let plain = client.get("/");
/// assert_eq!((plain.header("content-encoding"), plain.body().len()), (None, 6000));
/// assert_eq!(plain.header("vary"), Some("accept-encoding"));
/// ```
#[derive(Clone, Debug)]
pub struct Compression {
    min: usize,
    max: usize,
}

impl Compression {
    /// Compresses bodies from 1 KiB to 256 KiB.
    #[must_use]
    pub fn new() -> Compression {
        Compression { min: 1024, max: 256 * 1024 }
    }

    /// Sets the shortest body that is compressed, in bytes.
    ///
    /// ```
    /// use socketserver::services::web::middleware::Compression;
    ///
    /// let compression = Compression::new().min_bytes(4096).max_bytes(1024 * 1024);
    /// ```
    #[must_use]
    pub fn min_bytes(self, min: usize) -> Compression {
        Compression { min, ..self }
    }

    /// Sets the longest body that is compressed, in bytes: the time of the loop for one answer.
    /// [`min_bytes`](Compression::min_bytes) has an example.
    #[must_use]
    pub fn max_bytes(self, max: usize) -> Compression {
        Compression { max, ..self }
    }

    /// Returns the function for [`Web::map_response`](super::super::Web::map_response).
    pub fn mapper<S: 'static>(
        self,
    ) -> impl Fn(&Request<'_, S>, &mut Response) + Send + Sync + 'static {
        move |request, response| self.apply(request, response)
    }

    fn apply<S>(&self, request: &Request<'_, S>, response: &mut Response) {
        if response.status == StatusCode::NOT_MODIFIED {
            note_vary(response);
            // The client may have the compressed answer, with a weak tag.
            if let Some(tag) = weak_tag(response)
                && lists(request.headers(), "if-none-match").any(|known| known == tag)
            {
                response.set_header(header::ETAG, tag);
            }
            return;
        }
        let Body::Bytes(bytes) = &response.body else { return };
        if !(self.min..=self.max).contains(&bytes.len()) || !is_compressible(response) {
            return;
        }
        let accepts = lists(request.headers(), "accept-encoding").collect::<Vec<_>>().join(",");
        let is_accepted = coding::accepted(&accepts).contains(&Coding::Gzip);
        let packed = is_accepted.then(|| compressor::gzip(bytes)).flatten();
        note_vary(response);
        if let Some(packed) = packed {
            response.body = Body::Bytes(packed);
            response.set_header(header::CONTENT_ENCODING, Coding::Gzip.name());
            // Ranges are of the bytes that were not compressed.
            response.remove_header("accept-ranges");
            if let Some(tag) = weak_tag(response) {
                response.set_header(header::ETAG, tag);
            }
        }
    }
}

impl Default for Compression {
    fn default() -> Compression {
        Compression::new()
    }
}

/// Returns the elements of the lists in all fields with this name (RFC 9110, section 5.6.1).
fn lists<'a>(
    fields: impl Iterator<Item = (&'a str, &'a [u8])>,
    name: &str,
) -> impl Iterator<Item = &'a str> {
    let fields = fields.filter(move |(other, _)| other.eq_ignore_ascii_case(name));
    let values = fields.filter_map(|(_, value)| str::from_utf8(value).ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn is_compressible(response: &Response) -> bool {
    let may_be = !matches!(
        response.status,
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::PARTIAL_CONTENT
    );
    let has = |name| response.header_value(name).is_some();
    let is_final = lists(response.lines.iter(), "cache-control")
        .any(|directive| directive.eq_ignore_ascii_case("no-transform"));
    may_be
        && is_text(&response.content_type)
        && !has("content-encoding")
        && !has("content-range")
        && !has("content-digest")
        && !is_final
}

/// Returns true for the types that become much shorter.
fn is_text(content_type: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media.starts_with("text/")
        || media.ends_with("+json")
        || media.ends_with("+xml")
        || matches!(
            media.as_str(),
            "application/json"
                | "application/javascript"
                | "application/xml"
                | "application/x-ndjson"
        )
}

/// Says that the answer depends on `Accept-Encoding`, once.
fn note_vary(response: &mut Response) {
    let is_known = lists(response.lines.iter(), "vary")
        .any(|name| name == "*" || name.eq_ignore_ascii_case("accept-encoding"));
    if !is_known {
        response.add(header::VARY, "accept-encoding");
    }
}

/// Returns the weak form of a strong `ETag`.
fn weak_tag(response: &Response) -> Option<String> {
    let tag = response.header_value("etag")?;
    tag.starts_with('"').then(|| format!("W/{tag}"))
}
