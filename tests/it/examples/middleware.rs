//! The `middleware` example: its answers on a network in memory, and the program on sockets.

use std::process::Command;

use socketserver::services::web::Method;
use socketserver::testkit::{WebAnswer, WebClient};

use crate::support::output::run_to_end;
use crate::support::real::{Example, example_path, get};

#[path = "../../../examples/middleware.rs"]
#[allow(dead_code, reason = "the program is run as a process")]
mod example;

use example::{NOTICE_MAX, web};

/// Writes a notice with `editor:secret`, as this client behind the proxy.
fn write(client: &mut WebClient, from: &str, auth: &str, notice: &str) -> WebAnswer {
    let request = client.request(Method::PUT, "/edit/notice").header("x-forwarded-for", from);
    request.header("authorization", auth).body(notice).send()
}

const RIGHT: &str = "Basic ZWRpdG9yOnNlY3JldA==";

#[test]
fn an_editor_writes_and_all_read() {
    let mut client = WebClient::new(web("secret", ["unix".parse().unwrap()]));
    assert_eq!(write(&mut client, "192.0.2.1", RIGHT, "back at noon").status(), 204);
    let answer = client.get("/notice");
    assert_eq!(answer.text(), "back at noon");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("x-request-id").unwrap().len(), 32);
    let long = "x".repeat(NOTICE_MAX as usize + 1);
    assert_eq!(write(&mut client, "192.0.2.1", RIGHT, &long).status(), 413);
}

#[test]
fn a_guesser_is_held_up_and_others_are_not() {
    let mut client = WebClient::new(web("secret", ["unix".parse().unwrap()]));
    for _ in 0..5 {
        assert_eq!(write(&mut client, "192.0.2.1", "Basic eDp5", "").status(), 401);
    }
    let answer = write(&mut client, "192.0.2.1", RIGHT, "");
    assert_eq!((answer.status(), answer.header("retry-after")), (429, Some("10")));
    assert_eq!(write(&mut client, "192.0.2.2", RIGHT, "").status(), 204);
}

#[test]
fn the_page_of_another_port_reads_the_notice() {
    let mut client = WebClient::new(web("secret", []));
    let request = client.request(Method::GET, "/notice");
    let answer = request.header("origin", "http://localhost:5173").send();
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://localhost:5173"));
    assert_eq!(answer.header("access-control-expose-headers"), Some("x-request-id"));
}

#[test]
fn a_long_notice_is_compressed_for_clients_that_accept_it() {
    let mut client = WebClient::new(web("secret", ["unix".parse().unwrap()]));
    assert_eq!(write(&mut client, "192.0.2.1", RIGHT, &"noon ".repeat(500)).status(), 204);
    let answer = client.request(Method::GET, "/notice").header("accept-encoding", "gzip").send();
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    assert!(answer.body().len() < 100);
    assert_eq!(client.get("/notice").body().len(), 2500);
}

#[test]
fn the_program_serves_and_refuses_to_start_without_a_password() {
    let mut command = Command::new(example_path("middleware"));
    command.arg("127.0.0.1:0").env("EDITOR_PASSWORD", "secret");
    let example = Example::spawn(command, 1);
    assert_eq!(get(&mut example.client(), "/notice").status, 200);
    example.signal("TERM");
    assert_eq!(example.join().0, Some(0));

    let mut command = Command::new(example_path("middleware"));
    command.env_remove("EDITOR_PASSWORD");
    let output = run_to_end(&mut command);
    assert_eq!(output.status.code(), Some(1));
    let error = "middleware: set EDITOR_PASSWORD to the password of the editor\n";
    assert_eq!(String::from_utf8_lossy(&output.stderr), error);
}
