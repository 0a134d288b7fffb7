//! Paths that try to leave the root, and things that are not files.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;

use socketserver::services::files::Files;
use socketserver::testkit::WebClient;

use super::{client, client_of, directory, put};

const SECRET: &str = "the secret outside";

/// Segments that name the parent, a link out of the root or something odd.
const STEPS: &[&str] = &[
    "..",
    "%2e%2e",
    ".%2e",
    "%2E.",
    "..%2f",
    "%2e%2e%2f",
    "..%5c",
    "..\\",
    "%252e%252e",
    "..;",
    "...",
    ".",
    "%2e",
    "",
    "sub",
    "out",
    "all",
    "sub/up",
    "%00",
    "..%00",
    "%c0%ae%c0%ae",
    "%ff",
    "%uff0e",
    "a%0d%0a",
    "~root",
    "*",
    "%20..",
];

/// Ends that name a file outside.
const ENDS: &[&str] = &[
    "secret",
    "/secret",
    "%2fsecret",
    "etc/passwd",
    "/etc/passwd",
    "%2Fetc%2Fpasswd",
    "proc/self/root/etc/passwd",
    "secret%00.txt",
    "sub/../../secret",
];

fn escapes() -> Vec<String> {
    let mut paths = Vec::new();
    for end in ENDS {
        for one in STEPS {
            paths.push(format!("{one}/{end}"));
            paths.push(format!("{one}{end}"));
            for two in &STEPS[..9] {
                paths.push(format!("{one}/{two}/{end}"));
            }
        }
    }
    let deep = |segment: &str, n: usize| format!("{}secret", format!("{segment}/").repeat(n));
    for n in 1..40 {
        paths.extend(["..", "%2e%2e", "sub/..", "."].map(|segment| deep(segment, n)));
    }
    paths.extend([1000, 4000, 7000].map(|n| "a".repeat(n)));
    paths.extend([100, 1000, 2000].map(|n| deep("a", n)));
    paths
}

/// A root in a directory with a secret, and links.
fn fort() -> tempfile::TempDir {
    let outer = directory(&[("secret", SECRET), ("root/a", "a"), ("root/sub/b", "b")]);
    let root = outer.path().join("root");
    symlink("..", root.join("out")).unwrap();
    symlink("/", root.join("all")).unwrap();
    symlink("../..", root.join("sub/up")).unwrap();
    symlink("../secret", root.join("secret")).unwrap();
    symlink("../secret", root.join("index.html")).unwrap();
    symlink("sub", root.join("within")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    symlink("/proc/self/fd", root.join("magic")).unwrap();
    outer
}

fn assert_closed(client: impl Fn() -> WebClient) {
    let paths = escapes();
    assert!(paths.len() >= 2000, "{}", paths.len());
    for some in paths.chunks(50) {
        // Each request leaves a connection, which all later turns check.
        assert_refused(&mut client(), some);
    }
    let mut client = client();
    for path in ["", "secret", "magic/0", "loop", "loop/x", "out/secret", "all/etc/passwd"] {
        assert_eq!(client.get(&format!("/f/{path}")).status(), 404, "{path}");
    }
    assert_eq!(client.get("/f/a").text(), "a");
}

fn assert_refused(client: &mut WebClient, paths: &[String]) {
    for path in paths {
        let answer = client.get(&format!("/f/{path}"));
        let status = answer.status();
        assert!(matches!(status, 301 | 400 | 404 | 414 | 431), "{path}: {status}");
        let body = String::from_utf8_lossy(answer.body());
        assert!(!body.contains(SECRET) && !body.contains("root:"), "{path}");
    }
}

#[test]
fn no_path_leaves_the_root() {
    let outer = fort();
    let root = outer.path().join("root");
    assert_closed(|| client(&root));
    assert_eq!(client(&root).get("/f/within/b").status(), 404);
    let open = || client_of(Files::new(&root).unwrap().follow_links().serve_hidden());
    assert_closed(open);
    if cfg!(target_os = "linux") {
        assert_eq!(open().get("/f/within/b").text(), "b");
    }
}

#[test]
fn an_encoded_slash_is_not_a_separator() {
    let dir = directory(&[("sub/b", "b"), ("a b+%.txt", "odd")]);
    let mut client = client(dir.path());
    assert_eq!(client.get("/f/sub/b").text(), "b");
    assert_eq!(client.get("/f/s%75b/%62").text(), "b");
    assert_eq!(client.get("/f/sub%2Fb").status(), 404);
    assert_eq!(client.get("/f/a%20b+%25.txt").text(), "odd");
}

#[test]
fn only_regular_files_are_served() {
    let dir = directory(&[("a", "a")]);
    let path = |name: &str| dir.path().join(name);
    let make = |tool: &str, arguments: &[&str], name: &str| {
        Command::new(tool).arg(path(name)).args(arguments).output().unwrap().status.success()
    };
    assert!(make("mkfifo", &[], "fifo"));
    let _socket = UnixListener::bind(path("socket")).unwrap();
    // Only root may make a device.
    let has_device = make("mknod", &["c", "1", "3"], "null");
    let mut client = client(dir.path());
    for name in ["fifo", "socket", "null"] {
        assert_eq!(client.get(&format!("/f/{name}")).status(), 404, "{name}: {has_device}");
    }
    assert_eq!(client.get("/f/a").text(), "a");
}

#[test]
fn names_with_a_dot_are_served_on_request() {
    let dir = directory(&[(".env", "key"), (".well-known/x", "x"), ("a/.git/config", "git")]);
    let mut client = client(dir.path());
    assert_eq!(client.get("/f/.env").status(), 404);
    assert_eq!(client.get("/f/a/.git/config").status(), 404);
    assert_eq!(client.get("/f/.well-known/x").text(), "x");
    let mut client = client_of(Files::new(dir.path()).unwrap().serve_hidden());
    assert_eq!(client.get("/f/.env").text(), "key");
}

#[test]
fn a_file_that_must_not_be_read_is_forbidden() {
    let dir = directory(&[("a", "a")]);
    let path = dir.path().join("a");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).unwrap();
    // Root reads everything.
    let expected = if std::fs::read(&path).is_ok() { 200 } else { 403 };
    assert_eq!(client(dir.path()).get("/f/a").status(), expected);
}

#[test]
fn the_root_stays_the_same_directory() {
    let outer = directory(&[("root/a", "old")]);
    let root = outer.path().join("root");
    let mut client = client(&root);
    std::fs::rename(&root, outer.path().join("moved")).unwrap();
    put(outer.path(), "root/a", "new");
    assert_eq!(client.get("/f/a").text(), "old");
}
