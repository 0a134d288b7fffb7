//! `/metrics` of `reactor_web`, read as Prometheus reads it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};

use socketserver::Metrics;

use crate::support::real::{Example, get, read_to_end};
#[cfg(target_os = "linux")]
use crate::support::waiting::until_equal;

/// Parses a page in the text format: each sample, by its name and labels.
///
/// Enforces the rules of the format: one HELP and one TYPE line for each name, before its samples,
/// which are consecutive; the last line has an end as well.
fn parse(page: &str) -> HashMap<String, f64> {
    let mut samples = HashMap::new();
    let mut kinds: HashMap<&str, &str> = HashMap::new();
    let (mut helped, mut current) = ("", "");
    assert!(page.ends_with('\n') && !page.contains('\r'));
    for line in page.lines() {
        assert_eq!(line.trim(), line);
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, meaning) = help.split_once(' ').expect("a meaning");
            assert!(!meaning.contains('\\') && !kinds.contains_key(name), "{line}");
            helped = name;
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a kind");
            assert_eq!(name, helped, "HELP comes first");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            assert_eq!(kinds.insert(name, kind), None, "{line}");
            current = name;
        } else {
            let (sample, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
            assert_eq!(name, current, "samples of a name stand together");
            let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
            let is_ours = ["socketserver_", "process_"].iter().any(|ours| name.starts_with(ours));
            assert!(is_ours && name.chars().all(is_name), "{line}");
            for label in labels.strip_suffix('}').expect("a brace").split_terminator(',') {
                let (label, is) = label.split_once('=').expect("a label");
                assert!(label.chars().all(is_name), "{line}");
                let is = is.strip_prefix('"').and_then(|is| is.strip_suffix('"')).expect("quotes");
                assert!(is.chars().all(is_name), "{line}");
            }
            assert_eq!(samples.insert(sample.to_owned(), value.parse().unwrap()), None, "{line}");
        }
    }
    assert!(kinds.keys().all(|name| samples.keys().any(|sample| sample.starts_with(name))));
    samples
}

fn fetch(example: &Example) -> HashMap<String, f64> {
    let answer = get(&mut example.client(), "/metrics");
    assert_eq!(answer.status, 200);
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(answer.field("content-type"), Some(content_type));
    parse(answer.text())
}

#[test]
fn every_number_has_its_line_even_if_nothing_has_happened() {
    let samples = parse(&Metrics::default().prometheus());
    assert!(samples.values().all(|value| *value == 0.0));
    let reasons = Metrics::default().closes().count();
    assert_eq!(samples.len(), 26 + reasons);
}

#[test]
fn the_page_tells_what_has_happened() {
    for mode in ["multiplex", "threads", "reactors"] {
        let arguments = ["--faults", "--log", "off", "--mode", mode, "--workers", "2"];
        let example = Example::start("reactor_web", &arguments);
        let mut client = example.client();
        for _ in 0..3 {
            assert_eq!(get(&mut client, "/plaintext").status, 200);
        }
        let mut bad = example.client();
        bad.write_all(b"rubbish\r\n\r\n").unwrap();
        assert!(read_to_end(&mut bad).starts_with(b"HTTP/1.1 400 "));
        drop(bad);
        let mut panicking = example.client();
        assert_eq!(get(&mut panicking, "/panic").status, 500);
        assert_eq!(read_to_end(&mut panicking), b"");
        // A connection leaves the table a little after its peer has seen its end.
        let samples = std::iter::repeat_with(|| fetch(&example))
            .take(10_000)
            .find(|samples| {
                let closed =
                    |why| samples[&format!("socketserver_closed_total{{reason=\"{why}\"}}")];
                closed("malformed") == 1.0 && closed("panicked") == 1.0
            })
            .expect("both have ended");
        let of = |name: &str| samples[&format!("socketserver_{name}")];
        assert!(of("accepted_total") >= 4.0);
        assert!(of("connections") >= 2.0, "the first one, and the one that asks");
        assert!(of("messages_total") >= 5.0 && of("calls_total") > of("accepted_total"));
        assert!(of("received_bytes_total") > 100.0 && of("sent_bytes_total") > 500.0);
        assert_eq!(of("refused_total{by=\"service\"}"), 0.0);
        assert_eq!(of("jobs_total") > 0.0, mode == "threads");
        assert!(of("turns_total") > 0.0 && of("longest_lag_seconds") < 1000.0);
        if cfg!(target_os = "linux") {
            assert!(samples["process_resident_memory_bytes"] > 100_000.0);
        }
    }
}

#[test]
fn a_worker_process_tells_its_own() {
    let arguments = ["--mode", "processes", "--workers", "1", "--log", "off"];
    let example = Example::start("reactor_web", &arguments);
    assert_eq!(get(&mut example.client(), "/plaintext").status, 200);
    assert!(fetch(&example)["socketserver_accepted_total"] >= 2.0);
}

/// Asks for the counters that the page draws.
fn watch(example: &Example) -> impl Iterator<Item = serde_json::Value> + use<> {
    let mut client = example.client();
    client.write_all(b"GET /events/counters HTTP/1.0\r\nHost: h\r\n\r\n").unwrap();
    let lines = BufReader::new(client).lines().map(Result::unwrap);
    lines.filter_map(|line| Some(serde_json::from_str(line.strip_prefix("data: ")?).unwrap()))
}

#[test]
fn the_counters_come_each_second_with_the_names_of_the_page() {
    for mode in ["multiplex", "threads", "reactors", "processes"] {
        let arguments = ["--log", "off", "--mode", mode, "--workers", "1"];
        let example = Example::start("reactor_web", &arguments);
        // The first ones come at once, and those of a second client, too.
        let (mut events, mut others) = (watch(&example), watch(&example));
        let (first, _) = (events.next().unwrap(), others.next().unwrap());
        let second = events.next().unwrap();
        drop(others);
        let third = events.next().unwrap();
        let samples = fetch(&example);
        for (name, value) in first.as_object().unwrap() {
            let is_there = [name.clone(), format!("socketserver_{name}")]
                .iter()
                .any(|name| samples.contains_key(name));
            assert!(is_there || value.is_null(), "{name}");
        }
        let sent = |event: &serde_json::Value| event["sent_bytes_total"].as_u64().unwrap();
        assert!(sent(&first) < sent(&second) && sent(&second) < sent(&third), "{mode}");
        assert!(third["connections"].as_u64().unwrap() >= 1);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn no_counters_are_collected_without_a_client() {
    let example = Example::start("reactor_web", &["--log", "off"]);
    let tasks = format!("/proc/{}/task", example.child.id());
    let is_collecting = || {
        std::fs::read_dir(&tasks).unwrap().any(|task| {
            let name = std::fs::read_to_string(task.unwrap().path().join("comm"));
            name.is_ok_and(|name| name == "counters\n")
        })
    };
    assert!(!is_collecting());
    for _ in 0..2 {
        let mut events = watch(&example);
        // The second one is from the thread.
        assert!(events.next().is_some() && events.next().is_some());
        assert!(is_collecting());
        drop(events);
        // It ends at its next second.
        until_equal("the end of the thread", false, is_collecting);
    }
}

#[test]
fn a_stop_ends_the_counters() {
    let example = Example::start("reactor_web", &["--log", "off"]);
    let mut client = example.client();
    client.write_all(b"GET /events/counters HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    client.read_exact(&mut [0; 20]).unwrap();
    example.signal("TERM");
    assert!(read_to_end(&mut client).ends_with(b"\r\n0\r\n\r\n"));
    assert_eq!(example.join().0, Some(0));
}
