//! Which of several patterns wins, catch-all patterns, and routers within routers.

use socketserver::services::web::{Response, Web};
use socketserver::testkit::WebClient;

/// Routes that answer with their pattern and their parameters.
fn named(web: Web, patterns: &[&'static str]) -> Web {
    patterns.iter().fold(web, |web, &pattern| {
        let names: Vec<_> = pattern
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| name.trim_start_matches('*'))
            .collect();
        web.get(pattern, move |request, reply| {
            let values = names.iter().map(|name| request.param(name).unwrap_or("missing"));
            let values: Vec<_> = std::iter::once(pattern).chain(values).collect();
            reply.text(values.join(" "))
        })
    })
}

const PATTERNS: &[&str] =
    &["/{*all}", "/{a}/{b}", "/x/{*rest}", "/x/{a}", "/x/y", "/{a}/y", "/x/{a}/z", "/x/y/{*rest}"];

const FOUND: &[(&str, &str)] = &[
    ("/x/y", "/x/y"),
    ("/x/q", "/x/{a} q"),
    ("/q/y", "/{a}/y q"),
    ("/q/r", "/{a}/{b} q r"),
    ("/x/q/z", "/x/{a}/z q"),
    ("/x/y/z", "/x/y/{*rest} z"),
    ("/x/q/r", "/x/{*rest} q/r"),
    ("/x/y/z/", "/x/y/{*rest} z/"),
    ("/x//", "/x/{*rest} /"),
    ("/q", "/{*all} q"),
    ("/q/r/s/t%20u", "/{*all} q/r/s/t u"),
    ("/x/", "/{*all} x/"),
    ("/../etc", "/{a}/{b} .. etc"),
];

#[test]
fn the_most_specific_pattern_wins_in_whatever_order_they_were_added() {
    let mut patterns = PATTERNS.to_vec();
    for _ in 0..patterns.len() {
        patterns.rotate_left(1);
        let mut client = WebClient::new(named(Web::new(), &patterns));
        for (path, found) in FOUND {
            assert_eq!(client.get(path).text(), *found, "{path}");
        }
        // A catch-all does not match nothing.
        assert_eq!(client.get("/").status(), 404);
    }
}

#[test]
fn nested_routes_are_below_their_prefix() {
    let inner = named(Web::new(), &["/", "/new", "/{n}", "/deep/{*path}"]);
    let web = Web::new()
        .get("/shelves/{shelf}", |_, reply| reply.text("a shelf"))
        .nest("/shelves/{shelf}/books", inner);
    let mut client = WebClient::new(web);
    for (path, text) in [
        ("/shelves/7", "a shelf"),
        ("/shelves/7/books", "/"),
        ("/shelves/7/books/new", "/new"),
        ("/shelves/7/books/3", "/{n} 3"),
        ("/shelves/7/books/deep/a/b", "/deep/{*path} a/b"),
    ] {
        assert_eq!(client.get(path).text(), text, "{path}");
    }
    for path in ["/new", "/shelves/7/books/", "/shelves/7/books/3/4", "/books"] {
        assert_eq!(client.get(path).status(), 404, "{path}");
    }
}

fn service(name: &'static str) -> Web<&'static str> {
    Web::with_state(name)
        .get("/state", |request, reply| reply.text(request.state()))
        .get("/fails", |_, _| Err("on purpose".into()))
        .guard(|request| match request.query_param("stop").as_str() == Some(request.state()) {
            true => Err(Response::new(403).text(format!("stopped by {}", request.state()))),
            false => Ok(()),
        })
        .map_response(|request, response| {
            let path = response.header_value("x-through").unwrap_or_default();
            let path = format!("{path}{}", request.state());
            response.set_header("x-through", path);
        })
}

#[test]
fn guards_and_mappers_of_a_router_hold_for_those_nested_in_it() {
    let inner = service("c").not_found(|request, reply| reply.text(request.state()));
    let middle = service("b").nest("/c", inner);
    let outer = service("a")
        .nest("/b", middle)
        .on_failure(|request, failure| Response::new(failure.status()).text(*request.state()));
    let mut client = WebClient::new(outer);
    for (path, status, text, through) in [
        ("/state", 200, "a", "a"),
        ("/b/state", 200, "b", "ba"),
        ("/b/c/state", 200, "c", "cba"),
        ("/b/c/state?stop=c", 403, "stopped by c", "cba"),
        ("/b/c/state?stop=b", 403, "stopped by b", "cba"),
        ("/b/c/state?stop=a", 403, "stopped by a", "cba"),
        ("/b/state?stop=c", 200, "b", "ba"),
        ("/state?stop=a", 403, "stopped by a", "a"),
        ("/b/c/fails", 500, "a", "cba"),
        ("/b/c/nothing", 404, "c", "cba"),
        // A guard is for routes.
        ("/b/c/nothing?stop=a", 404, "c", "cba"),
        ("/b/nothing", 404, "404 Not Found\n", "ba"),
        ("/bb", 404, "404 Not Found\n", "a"),
    ] {
        let answer = client.get(path);
        assert_eq!((answer.status(), answer.text()), (status, text), "{path}");
        assert_eq!(answer.header("x-through"), Some(through), "{path}");
    }
}

#[test]
fn the_order_of_adding_means_nothing_to_guards() {
    let refuse = |_: &socketserver::services::web::Request<'_>| Err(Response::new(401));
    let api = || Web::new().get("/x", |_, reply| reply.empty());
    for web in
        [Web::new().guard(refuse).nest("/api", api()), Web::new().nest("/api", api()).guard(refuse)]
    {
        assert_eq!(WebClient::new(web).get("/api/x").status(), 401);
    }
}
