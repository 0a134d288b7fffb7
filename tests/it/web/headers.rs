//! Fields and statuses of routes that would break the framing of their answer.

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, StatusCode};
use socketserver::services::web::Web;

use crate::support::http::ask;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";

fn with(name: HeaderName, value: &'static str) -> (String, bool) {
    let value = HeaderValue::from_static(value);
    let web = Web::new()
        .get("/", move |_, reply| reply.header(name.clone(), value.clone()).text("hello"));
    let (said, closed) = ask(web, REQUEST);
    (String::from_utf8(said).unwrap(), closed)
}

#[test]
fn a_route_does_not_tell_where_its_answer_ends() {
    for (name, value) in
        [(CONTENT_LENGTH, "0"), (TRANSFER_ENCODING, "chunked"), (DATE, "yesterday")]
    {
        let (said, closed) = with(name, value);
        let expected = "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                        Content-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!((said.as_str(), closed), (expected, false));
    }
}

#[test]
fn a_route_that_says_close_closes() {
    let (said, closed) = with(CONNECTION, "Close");
    assert!(said.contains("\r\nConnection: close\r\n") && closed, "{said}");
    let (said, closed) = with(CONNECTION, "keep-alive");
    assert!(!said.to_lowercase().contains("connection:") && !closed, "{said}");
}

#[test]
fn a_content_type_of_its_own_replaces_that_of_the_method() {
    let (said, _) = with(CONTENT_TYPE, "text/csv");
    assert_eq!(said.to_lowercase().matches("content-type").count(), 1, "{said}");
    assert!(said.contains("\r\nContent-Type: text/csv\r\n"), "{said}");
}

#[test]
fn an_interim_status_is_not_an_answer() {
    let web = Web::new().get("/", |_, reply| reply.status(StatusCode::CONTINUE).text("go on"));
    let (said, _) = ask(web, REQUEST);
    assert!(said.starts_with(b"HTTP/1.1 500 "));
}
