//! Directories: their pages, the slash, lists; and the methods of files.

use std::os::unix::fs::symlink;

use socketserver::services::files::Files;
use socketserver::services::web::{Method, Web};
use socketserver::testkit::WebClient;

use super::{ask, client, client_of, directory};

#[test]
fn a_directory_is_its_index() {
    let dir = directory(&[("index.html", "root"), ("sub/index.html", "sub"), ("no/a", "a")]);
    let mut client = client(dir.path());
    for (path, status, body) in
        [("/f/", 200, "root"), ("/f/sub/", 200, "sub"), ("/f/sub/index.html", 200, "sub")]
    {
        let answer = client.get(path);
        assert_eq!((answer.status(), answer.text()), (status, body), "{path}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
    }
    for path in ["/f/no/", "/f/sub/index.html/", "/f/missing/", "/f//", "/f/sub//"] {
        assert_eq!(client.get(path).status(), 404, "{path}");
    }
}

#[test]
fn a_missing_slash_is_added_by_a_relative_redirect() {
    let dir = directory(&[("sub/index.html", "sub"), ("a:b/x", ""), ("ä/x", "")]);
    let mut client = client(dir.path());
    for (path, location) in [
        ("/f", "./f/"),
        ("/f/sub", "./sub/"),
        ("/f/sub?a=b/c", "./sub/?a=b/c"),
        ("/f/a:b", "./a:b/"),
        ("/f/%C3%A4", "./%C3%A4/"),
    ] {
        let answer = client.get(path);
        assert_eq!((answer.status(), answer.header("location")), (301, Some(location)), "{path}");
    }
}

#[test]
fn the_redirect_never_names_another_host() {
    let dir = directory(&[("evil.com/index.html", "")]);
    let mut client = WebClient::new(Web::new().files("/", Files::new(dir.path()).unwrap()));
    for path in ["//evil.com", "//evil.com/", "/%2Fevil.com", "/.//evil.com"] {
        assert_eq!(client.get(path).status(), 404, "{path}");
    }
    assert_eq!(client.get("/evil.com").header("location"), Some("./evil.com/"));
}

#[test]
fn the_redirect_can_be_switched_off() {
    let dir = directory(&[("index.html", "root"), ("sub/index.html", "sub")]);
    let mut client = client_of(Files::new(dir.path()).unwrap().without_slash_redirect());
    assert_eq!(client.get("/f/sub").text(), "sub");
    assert_eq!(client.get("/f").text(), "root");
}

#[test]
fn lists_are_escaped_and_have_only_served_files() {
    let dir =
        directory(&[("<b>&\"'.txt", "12345"), (".env", ""), ("z/a", ""), ("a\\\n\u{2028}", "")]);
    symlink("z", dir.path().join("link")).unwrap();
    let files = || Files::new(dir.path()).unwrap().list_directories();
    let mut client = client_of(files());
    let answer = client.get("/f/");
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    let page = answer.text();
    let row = "<a href=\"./%3Cb%3E%26%22%27.txt\">&lt;b&gt;&amp;&quot;&#39;.txt</a></td><td>5</td>";
    assert!(page.contains(row), "{page}");
    assert!(page.contains("<a href=\"./z/\">z/</a>"), "{page}");
    assert!(!page.contains(".env") && !page.contains("link") && !page.contains("../"), "{page}");
    assert!(client.get("/f/z/").text().contains("<a href=\"../\">"));

    let json = [("accept", "application/json")];
    let answer = ask(&mut client, Method::GET, "/f/", &json);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("vary"), Some("accept"));
    let value: serde_json::Value = serde_json::from_str(answer.text()).unwrap();
    assert_eq!(value["complete"], true);
    let names: Vec<&str> = value["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["z", "<b>&\"'.txt", "a\\\n\u{2028}"]);
    assert!(!answer.text().contains('<'));

    let mut client = client_of(files().follow_links());
    let shows_link = client.get("/f/").text().contains("<a href=\"./link/\">link/</a>");
    assert_eq!(shows_link, cfg!(target_os = "linux"));
}

#[test]
fn files_have_two_methods() {
    let dir = directory(&[("a.txt", "hello")]);
    let mut client = client(dir.path());
    let answer = client.post("/f/a.txt", "x");
    assert_eq!((answer.status(), answer.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    let files = Files::new(dir.path()).unwrap();
    let mut client = WebClient::new(Web::new().any("/g/{*path}", files.route()));
    let answer = ask(&mut client, Method::DELETE, "/g/a.txt", &[]);
    assert_eq!((answer.status(), answer.header("allow")), (405, Some("GET, HEAD")));
    assert_eq!(client.get("/g/a.txt").text(), "hello");
}

#[test]
fn a_root_that_is_a_file_is_named() {
    let dir = directory(&[("a.txt", "hello")]);
    let path = dir.path().join("a.txt");
    let error = Files::new(&path).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot serve the files of {}: ", path.display())));
    let error = Files::new(dir.path().join("no")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}
