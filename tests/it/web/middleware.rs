//! The ready-made guards and mappers: request ids, CORS, fields of all answers, passwords, and the
//! rate of each peer.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use socketserver::Subnet;
use socketserver::services::web::Web;
use socketserver::services::web::middleware::{
    BasicAuth, Cors, RateLimit, RequestIds, static_headers,
};
use socketserver::testkit::{WebAnswer, WebClient};

fn proxies() -> [Subnet; 1] {
    ["unix".parse().unwrap()]
}

fn hello() -> Web {
    Web::new().get("/", |_, reply| reply.text("hello"))
}

/// Sends a request with these fields.
fn ask(client: &mut WebClient, method: Method, path: &str, fields: &[(&str, &str)]) -> WebAnswer {
    let mut request = client.request(method, path);
    for (name, value) in fields {
        request = request.header(name, value);
    }
    request.send()
}

#[test]
fn ids_are_unique_and_in_the_record_of_every_kind_of_answer() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let records = Arc::clone(&seen);
    let web = hello()
        .get("/fails", |_, _| Err(socketserver::services::web::Failure::new(409, "no")))
        .get("/panics", |_, _| panic!("a route panics"))
        .get("/late", |_, reply| reply.after(Duration::from_millis(5)).text("late"))
        .get("/work", |_, reply| reply.offload(|| Ok(Default::default())))
        .get("/pieces", |_, reply| reply.pieces("a/b", vec![b"x".to_vec()]))
        .put("/body", |_, reply| reply.empty())
        .get("/own", |_, reply| reply.header("x-request-id", "mine").empty())
        .map_response(RequestIds::new().mapper())
        .on_answer(move |record| {
            let id = record.answer_header("X-Request-Id").unwrap_or_default().to_vec();
            records.lock().unwrap().push(String::from_utf8(id).unwrap());
        });
    let mut client = WebClient::new(web);
    let mut ids = HashSet::new();
    for path in ["/", "/fails", "/panics", "/late", "/work", "/pieces", "/own", "/none"] {
        let exchange = client.request(Method::GET, path).start();
        client.advance(Duration::from_millis(20));
        let answer = client.answer(exchange).expect(path);
        let id = answer.header("x-request-id").expect(path).to_owned();
        assert_eq!(seen.lock().unwrap().pop().as_deref(), Some(&*id), "{path}");
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert!(ids.insert(id), "{path}");
    }
    let answer = client.request(Method::PUT, "/body").body("abc").send();
    assert!(ids.insert(answer.header("x-request-id").unwrap().to_owned()));
}

#[test]
fn an_id_is_taken_from_a_trusted_proxy_only_and_only_if_it_is_sound() {
    let web = || hello().map_response(RequestIds::new().mapper());
    let id = |client: &mut WebClient, fields: &[(&str, &str)]| {
        ask(client, Method::GET, "/", fields).header("x-request-id").unwrap().to_owned()
    };
    let mut untrusting = WebClient::new(web());
    assert_ne!(id(&mut untrusting, &[("x-request-id", "abc")]), "abc");
    // The proxy need not name a client.
    let mut client = WebClient::new(web().trust_proxies(proxies()));
    let longest = "x".repeat(128);
    for good in ["abc", "0af7651916cd43dd8448eb211c80319c", "a-b_c.d~e+f/g=h:i@j", &longest] {
        assert_eq!(id(&mut client, &[("X-REQUEST-ID", good)]), good);
        let fields = [("x-request-id", good), ("x-forwarded-for", "192.0.2.7")];
        assert_eq!(id(&mut client, &fields), good);
    }
    for bad in ["", "a b", "a,b", "a\"b", "é", &"x".repeat(129)] {
        assert_eq!(id(&mut client, &[("x-request-id", bad)]).len(), 32, "{bad}");
    }
    assert_eq!(id(&mut client, &[("x-request-id", "a"), ("x-request-id", "b")]).len(), 32);
}

const ORIGIN: &str = "https://app.example";

fn preflight(origin: &str) -> [(&str, &str); 2] {
    [("origin", origin), ("access-control-request-method", "PUT")]
}

#[test]
fn an_answer_names_a_permitted_origin_and_no_other() {
    let web = hello().map_response(Cors::origins([ORIGIN, "null"]).expose(["a", "b"]).mapper());
    let mut client = WebClient::new(web);
    for origin in [ORIGIN, "null"] {
        let answer = ask(&mut client, Method::GET, "/", &[("origin", origin)]);
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert_eq!(answer.header("access-control-expose-headers"), Some("a, b"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert_eq!((answer.header("vary"), answer.text()), (Some("origin"), "hello"));
    }
    for origin in ["", "https://app.example.evil", "https://APP.example", "*", "http://app.example"]
    {
        let answer = ask(&mut client, Method::GET, "/", &[("origin", origin)]);
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
        assert_eq!((answer.header("vary"), answer.text()), (Some("origin"), "hello"));
    }
    // A cache must know it even of an answer to no origin; 404 is for the page to read, too.
    assert_eq!(client.get("/").header("vary"), Some("origin"));
    let answer = ask(&mut client, Method::GET, "/none", &[("origin", ORIGIN)]);
    assert_eq!(answer.status(), 404);
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
}

#[test]
fn a_preflight_is_answered_before_guards_and_without_a_body() {
    let cors = Cors::origins_with_credentials([ORIGIN])
        .methods([Method::PUT, Method::PATCH])
        .headers(["x-token"])
        .expose(["x-shown"])
        .max_age(Duration::from_millis(90_500));
    let web = hello()
        .any("/any", |_, reply| reply.text("called"))
        .guard(BasicAuth::new("r").user("a", "b").guard())
        .map_response(cors.mapper());
    let mut client = WebClient::new(web);
    for path in ["/", "/any", "/none"] {
        let answer = ask(&mut client, Method::OPTIONS, path, &preflight(ORIGIN));
        assert_eq!((answer.status(), answer.text()), (204, ""), "{path}");
        assert_eq!(answer.header("www-authenticate"), None);
        assert_eq!(answer.header("content-type"), None);
        assert_eq!(answer.header("access-control-allow-methods"), Some("PUT, PATCH"));
        assert_eq!(answer.header("access-control-allow-headers"), Some("x-token"));
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert_eq!(answer.header("access-control-max-age"), Some("90"));
        assert_eq!(answer.header("access-control-expose-headers"), None);
    }
    // Of another origin it is an ordinary request, and so is OPTIONS without the fields.
    let answer = ask(&mut client, Method::OPTIONS, "/any", &preflight("https://evil.example"));
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let answer = ask(&mut client, Method::OPTIONS, "/any", &[("origin", ORIGIN)]);
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
}

#[test]
fn any_origin_is_a_star_and_the_answer_does_not_vary() {
    let mut client = WebClient::new(hello().map_response(Cors::any().mapper()));
    let answer = ask(&mut client, Method::GET, "/", &[("origin", "https://a.example")]);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("vary"), None);
    assert_eq!(client.get("/").header("access-control-allow-origin"), None);
    let answer = ask(&mut client, Method::OPTIONS, "/", &preflight("https://a.example"));
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, HEAD, OPTIONS"));
}

#[test]
fn a_malformed_field_for_all_answers_is_500_and_not_a_second_line() {
    let web = hello().map_response(static_headers([("x-a", "b\r\nSet-Cookie: c")]));
    let answer = WebClient::new(web).get("/");
    assert_eq!((answer.status(), answer.header("set-cookie")), (500, None));
}

#[test]
fn only_the_exact_name_and_password_are_admitted() {
    let users =
        BasicAuth::new("ré\nalm").user("ann", "pass:word").user("jörg", "").user("a:b", "c");
    let mut client = WebClient::new(hello().guard(users.guard()));
    let answer = client.get("/");
    assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"ralm\", charset=\"UTF-8\""));
    let mut status =
        |value: &str| ask(&mut client, Method::GET, "/", &[("authorization", value)]).status();
    // ann:pass:word, jörg:
    for good in ["Basic YW5uOnBhc3M6d29yZA==", "basic  YW5uOnBhc3M6d29yZA== ", "BASIC asO2cmc6"] {
        assert_eq!(status(good), 200, "{good}");
    }
    for bad in [
        "",
        "Basic",
        "Basic ",
        "Basic YW5uOnBhc3M6d29yZA",
        "Basic YW5uOnBhc3M6d29yZA=",
        "Basic YW5uOnBhc3M6d29yZB==", // stray bits
        "Basic YW5uOnBhc3M 6d29yZA==",
        "Bearer YW5uOnBhc3M6d29yZA==",
        "Basic YW5uOnBhc3M=",         // ann:pass
        "Basic QW5uOnBhc3M6d29yZA==", // Ann:pass:word
        "Basic YW5u",                 // ann
        "Basic YTpiOmM=",             // a:b:c
        "Basic Og==",                 // :
        "Basic YW5uOnBhc3M6d29yZA==, Basic YW5uOnBhc3M6d29yZA==",
    ] {
        assert_eq!(status(bad), 401, "{bad}");
    }
    let twice = [("authorization", "Basic YW5uOnBhc3M6d29yZA=="); 2];
    assert_eq!(ask(&mut client, Method::GET, "/", &twice).status(), 401);
    let mut none = WebClient::new(hello().guard(BasicAuth::new("r").guard()));
    assert_eq!(ask(&mut none, Method::GET, "/", &[("authorization", "Basic Og==")]).status(), 401);
}

/// A client whose requests are limited, with the peers in `X-Forwarded-For`.
fn limited(limit: RateLimit) -> impl FnMut(&str, u64) -> (u16, Option<u64>) {
    let web = hello().guard(limit.guard()).trust_proxies(proxies());
    let mut client = WebClient::new(web);
    move |peer, later| {
        client.advance(Duration::from_millis(later));
        let answer = ask(&mut client, Method::GET, "/", &[("x-forwarded-for", peer)]);
        let wait = answer.header("retry-after").map(|wait| wait.parse().unwrap());
        (answer.status(), wait)
    }
}

#[test]
fn a_peer_has_a_burst_and_then_a_request_in_each_interval() {
    let mut ask = limited(RateLimit::new(3, Duration::from_millis(1_500)));
    for _ in 0..3 {
        assert_eq!(ask("192.0.2.7", 0), (200, None));
    }
    assert_eq!(ask("192.0.2.7", 0), (429, Some(2)));
    assert_eq!(ask("192.0.2.8", 0), (200, None));
    assert_eq!(ask("192.0.2.7", 1_499), (429, Some(1)));
    assert_eq!(ask("192.0.2.7", 1), (200, None));
    assert_eq!(ask("192.0.2.7", 0), (429, Some(2)));
    // Silence restores the burst, and no more.
    assert_eq!(ask("192.0.2.7", 1_000_000), (200, None));
    assert_eq!([(); 3].map(|()| ask("192.0.2.7", 0).0), [200, 200, 429]);
}

#[test]
fn a_network_of_64_bits_is_one_peer_and_a_mapped_address_is_its_ipv4_address() {
    let mut ask = limited(RateLimit::new(1, Duration::from_secs(10)));
    assert_eq!(ask("2001:db8:0:7::1", 0).0, 200);
    assert_eq!(ask("2001:db8:0:7:ffff::2", 0).0, 429);
    assert_eq!(ask("2001:db8:0:8::1", 0).0, 200);
    assert_eq!(ask("192.0.2.7", 0).0, 200);
    assert_eq!(ask("::ffff:192.0.2.7", 0).0, 429);
    // A Unix socket without a client has no address to count by.
    assert_eq!([(); 3].map(|()| ask("unknown", 0).0), [200; 3]);
}

#[test]
fn the_table_is_bounded_and_forgets_the_peers_with_the_oldest_requests() {
    let mut ask = limited(RateLimit::new(1, Duration::from_secs(1_000)).peers(20));
    assert_eq!(ask("192.0.2.1", 0).0, 200);
    for other in 0..200 {
        assert_eq!(ask(&format!("198.51.100.{other}"), 0).0, 200);
        // An attentive one is remembered, although many others come.
        assert_eq!(ask("192.0.2.1", 0).0, 429, "{other}");
    }
    assert_eq!(ask("198.51.100.195", 0).0, 429);
    assert_eq!(ask("198.51.100.3", 0).0, 200);
    let mut ask = limited(RateLimit::new(0, Duration::ZERO).peers(0));
    assert_eq!([(); 5].map(|()| ask("192.0.2.7", 0).0), [200; 5]);
    let mut ask = limited(RateLimit::new(u32::MAX, Duration::MAX).peers(usize::MAX));
    assert_eq!([(); 2].map(|()| ask("192.0.2.7", 0).0), [200; 2]);
}
