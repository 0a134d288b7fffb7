//! Parameters of paths, queries and forms, and cookies in both directions.

use std::time::Duration;

use http::Method;
use socketserver::services::web::{Answered, Cookie, Reply, Request, Response, SameSite, Web};
use socketserver::testkit::WebClient;

fn numbers(request: &Request<'_>, reply: Reply<'_>) -> Answered {
    let shelf: u8 = request.param("shelf").parse()?;
    let page: u8 = request.query_param("page").parse_or(1)?;
    let size: u8 = request.query_param("size").parse()?;
    reply.text(format!("{shelf} {page} {size}"))
}

#[test]
fn a_parameter_that_does_not_parse_is_400_and_named() {
    let mut client = WebClient::new(
        Web::new()
            .get("/shelves/{shelf}", numbers)
            .get("/wrong", |request, reply| reply.text(request.param("no").parse::<String>()?)),
    );
    for (path, status, text) in [
        ("/shelves/7?size=3", 200, "7 1 3"),
        ("/shelves/7?size=3&page=2", 200, "7 2 3"),
        (
            "/shelves/x?size=3",
            400,
            "400 Bad Request: path parameter shelf: invalid digit found in string\n",
        ),
        (
            "/shelves/7?size=300",
            400,
            "400 Bad Request: query parameter size: number too large to fit in target type\n",
        ),
        ("/shelves/7", 400, "400 Bad Request: the query parameter size is missing\n"),
        (
            "/shelves/7?size=1&page=",
            400,
            "400 Bad Request: query parameter page: cannot parse integer from empty string\n",
        ),
        // The pattern has no such parameter: the client cannot help it.
        ("/wrong", 500, "500 Internal Server Error\n"),
    ] {
        let answer = client.get(path);
        assert_eq!((answer.status(), answer.text()), (status, text), "{path}");
    }
}

#[test]
fn a_value_lives_as_long_as_its_request() {
    let web = Web::new().get("/", |request, reply| {
        let a = request.query_param("a").unwrap_or("-");
        let values: Vec<&str> = (0..3).filter_map(|_| request.query_param("b").as_str()).collect();
        let Some(c) = request.query_param("c").as_str() else { return reply.text("no c") };
        reply.text(format!("{a} {values:?} {c}"))
    });
    let mut client = WebClient::new(web);
    assert_eq!(client.get("/?b=%20x&c=y+z").text(), "- [\" x\", \" x\", \" x\"] y z");
    assert_eq!(client.get("/").text(), "no c");
}

fn form(request: &Request<'_>, reply: Reply<'_>) -> Answered {
    let age: u8 = request.form("age").parse_or(0)?;
    reply.text(format!("{:?} {age}", request.form("name").as_str()))
}

#[test]
fn a_form_has_fields_and_other_bodies_have_none() {
    let mut client = WebClient::new(Web::new().post("/", form));
    let mut ask = |content_type: &str, body: &[u8]| {
        let request = client.request(Method::POST, "/").header("content-type", content_type);
        request.body(body).send().text().to_owned()
    };
    let is_form = "application/x-www-form-urlencoded";
    assert_eq!(ask(is_form, b"name=J%C3%BCrgen+M.&age=42"), "Some(\"J\u{fc}rgen M.\") 42");
    assert_eq!(ask("Application/X-WWW-Form-Urlencoded; charset=UTF-8", b"name=a"), "Some(\"a\") 0");
    assert_eq!(ask(is_form, b"age=1"), "None 1");
    assert_eq!(ask(is_form, b"\xff=1&name=a"), "None 0");
    assert_eq!(ask("text/plain", b"name=a"), "None 0");
    let said = ask(is_form, b"age=old");
    assert_eq!(said, "400 Bad Request: form field age: invalid digit found in string\n");
}

#[test]
fn cookies_are_found_by_name() {
    let web = Web::new().get("/{name}", |request, reply| {
        let name = request.param("name").unwrap_or("");
        reply.text(format!("{:?}", request.cookie(name).as_str()))
    });
    let mut client = WebClient::new(web);
    for (name, value) in [
        ("sid", Some("31d4")),
        ("theme", Some("dark=1")),
        ("empty", Some("")),
        ("last", Some("%20")),
        ("SID", None),
        ("id", None),
        ("flag", None),
    ] {
        let request = client.request(Method::GET, &format!("/{name}"));
        let request = request.header("cookie", "sid=31d4; theme=dark=1;empty=; flag; sid=other");
        assert_eq!(request.header("Cookie", "last=%20").send().text(), format!("{value:?}"));
    }
}

#[test]
fn a_cookie_is_set_with_its_attributes() {
    let cookies = [
        (Cookie::new("a", "1"), Some("a=1")),
        (Cookie::new("a", "").path("/x y"), Some("a=; Path=/x y")),
        (Cookie::new("a", "b").http_only().secure(), Some("a=b; HttpOnly; Secure")),
        (Cookie::new("a", "b").same_site(SameSite::Strict), Some("a=b; SameSite=Strict")),
        (Cookie::new("a", "b").same_site(SameSite::None), Some("a=b; SameSite=None")),
        (Cookie::new("a", "b").max_age(Duration::from_millis(2500)), Some("a=b; Max-Age=2")),
        (Cookie::removal("a"), Some("a=; Max-Age=0")),
        (Cookie::new("a b", "c"), None),
        (Cookie::new("", "c"), None),
        (Cookie::new("a=b", "c"), None),
        (Cookie::new("a", "b; Domain=evil"), None),
        (Cookie::new("a", "b\r\nx: y"), None),
        (Cookie::new("a", "\u{e4}"), None),
        (Cookie::new("a", "b").path("/; Secure"), None),
        (Cookie::new("a", "b").path("/\n"), None),
    ];
    for (cookie, set) in cookies {
        let sent = cookie.clone();
        let web = Web::new().get("/", move |_, reply| {
            reply.send(Response::new(200).cookie(sent.clone()).cookie(Cookie::new("z", "0")))
        });
        let answer = WebClient::new(web).get("/");
        assert_eq!(answer.header("set-cookie"), set, "{cookie:?}");
        assert_eq!(answer.status(), if set.is_some() { 200 } else { 500 });
    }
}
