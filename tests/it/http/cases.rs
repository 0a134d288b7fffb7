//! The cases of the testkit, on the web service: in memory in all modes, whole and in parts, and on
//! sockets.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use socketserver::services::web::Web;
use socketserver::testkit::http_cases::{HttpCase, http_cases};
use socketserver::testkit::{Network, Random};
use socketserver::{Limits, Server};

use crate::support::http::connect;
use crate::support::real::Running;

fn web() -> Web {
    Web::new()
        .any("/", |_, reply| reply.text("welcome"))
        .get("/plaintext", |_, reply| reply.text("Hello, World!"))
}

#[test]
fn every_line_of_the_tables_is_a_case_with_its_own_name_and_input() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/testkit/http_cases");
    let tables = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let tables = tables.filter(|path| path.extension().is_some_and(|end| end == "txt"));
    let is_case = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let lines = |path| fs::read_to_string(path).unwrap().lines().filter(is_case).count();
    assert_eq!(tables.map(lines).sum::<usize>(), http_cases().count());
    let (mut names, mut inputs) = (HashSet::new(), HashSet::new());
    for case in http_cases() {
        assert!(case.section.starts_with("RFC 9") || case.section.starts_with("WHATWG"));
        assert!(names.insert(case.name.clone()), "{} is there twice", case.name);
        assert!(inputs.insert(case.input), "the input of {} is there twice", case.name);
    }
    assert!(names.len() > 400, "{} cases", names.len());
}

/// The ends of the parts in which a case is sent.
type Cuts = fn(&HttpCase, usize) -> Vec<usize>;

fn whole(_: &HttpCase, len: usize) -> Vec<usize> {
    vec![len]
}

fn byte_by_byte(_: &HttpCase, len: usize) -> Vec<usize> {
    (1..=len).collect()
}

fn at_random(case: &HttpCase, len: usize) -> Vec<usize> {
    // The same for a case in every run.
    let mut random =
        Random::new(case.input.iter().fold(len as u64, |sum, b| sum * 31 % 7919 + u64::from(*b)));
    let cuts = (1..len).filter(|_| random.one_in(8)).collect::<Vec<_>>();
    [cuts, vec![len]].concat()
}

fn check(make: fn() -> Network, cuts: Cuts) {
    let mut web = web();
    let mut wrong = Vec::new();
    for case in http_cases() {
        let mut network = make();
        let client = connect(&mut network, &mut web);
        let bytes = case.bytes();
        let mut at = 0;
        for end in cuts(&case, bytes.len()) {
            network.send(client, &bytes[at..end]);
            network.settle();
            at = end;
        }
        let received = network.received(client);
        if let Err(error) = case.judge(&received) {
            let (name, received) = (case.name, received.escape_ascii());
            wrong.push(format!("{name} ({}): {error}: {received}", case.section));
        }
        assert!(network.is_closed(client) && !network.is_reset(client));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn multiplexed() -> Network {
    Network::new(Limits::default())
}

fn with_workers() -> Network {
    Network::with_workers(Limits::default())
}

fn with_reactors() -> Network {
    Network::with_reactors(Limits::default(), 2)
}

#[test]
fn the_cases_pass_whole() {
    for make in [multiplexed, with_workers, with_reactors] {
        check(make, whole);
    }
}

#[test]
fn the_cases_pass_byte_by_byte() {
    for make in [multiplexed, with_workers, with_reactors] {
        check(make, byte_by_byte);
    }
}

#[test]
fn the_cases_pass_cut_at_random() {
    for make in [multiplexed, with_workers, with_reactors] {
        check(make, at_random);
    }
}

#[test]
fn the_cases_pass_on_sockets() {
    let running = Running::serve(Server::bind("127.0.0.1:0").unwrap(), web());
    let patience = Duration::from_secs(20);
    let wrong: Vec<String> = http_cases()
        .filter_map(|case| {
            case.run(running.tcp(0), patience).err().map(|e| format!("{}: {e}", case.name))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
