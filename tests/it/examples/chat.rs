//! The `reactor_chat` example as users run it: many concurrent members, its options, its signals,
//! and the simple chat tool of the tutorial.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::support::real::{Example, read_to_end, run_example};

const NAME: &str = "reactor_chat";

/// A member of the chat.
struct Person {
    name: String,
    stream: BufReader<TcpStream>,
}

impl Person {
    /// Connects, and reads the welcome.
    fn enter(example: &Example) -> Person {
        let mut person = Person { name: String::new(), stream: BufReader::new(example.client()) };
        let greeting = person.hear();
        let name = greeting.strip_prefix("* welcome: you are ").expect("a greeting");
        person.name = name.split(' ').next().unwrap().to_owned();
        person
    }

    fn send(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// Reads the next complete line.
    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line
    }

    /// Reads up to `line`, which must come.
    fn until(&mut self, line: &str) {
        loop {
            let heard = self.hear();
            assert!(!heard.is_empty(), "{} was let go before '{line}'", self.name);
            if heard.trim_end() == line {
                return;
            }
        }
    }
}

#[test]
fn each_of_a_thousand_lines_reaches_all_others_once_and_in_order() {
    const PEOPLE: usize = 50;
    const LINES: usize = 20;
    let example = Example::start(NAME, &["--log", "off"]);
    let mut people: Vec<Person> = (0..PEOPLE).map(|_| Person::enter(&example)).collect();
    // After the notice of the last member no more notices follow.
    let last = format!("* {} joined", people[PEOPLE - 1].name);
    people[..PEOPLE - 1].iter_mut().for_each(|person| person.until(&last));
    let names: Vec<String> = people.iter().map(|person| person.name.clone()).collect();
    let talking = people.into_iter().map(|mut person| {
        let names = names.clone();
        std::thread::spawn(move || {
            for n in 0..LINES {
                person.send(&format!("第{n}句 of {}\r\n", person.name));
            }
            let mut next = [0; PEOPLE];
            for _ in 0..(PEOPLE - 1) * LINES {
                let heard = person.hear();
                let (name, text) = heard.split_once(": ").expect("nobody says anything else");
                let who = names.iter().position(|other| other == name).unwrap();
                assert_ne!(name, person.name);
                assert_eq!(text, format!("第{}句 of {name}\n", next[who]));
                next[who] += 1;
            }
            // If the answer comes next, no other line was on its way.
            person.send("/nick \n");
            assert_eq!(person.hear(), "* a name needs at least one character\n");
            person
        })
    });
    let talking: Vec<_> = talking.collect();
    let heard: Vec<Person> = talking.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(heard.len(), PEOPLE);
}

#[test]
fn a_name_is_free_once_its_owner_has_left() {
    let example = Example::start(NAME, &["--log", "off"]);
    let mut one = Person::enter(&example);
    let mut two = Person::enter(&example);
    assert_eq!(one.hear(), "* guest-2 joined\n");
    one.send("/nick 小明\n");
    assert_eq!(one.hear(), "* you are now 小明\n");
    assert_eq!(two.hear(), "* guest-1 is now 小明\n");
    two.send("/nick 小明\n");
    assert_eq!(two.hear(), "* 小明 is taken: choose another name\n");
    drop(one);
    assert_eq!(two.hear(), "* 小明 left\n");
    two.send("/nick 小明\n/who\n/quit\n");
    assert_eq!(two.hear(), "* you are now 小明\n");
    assert_eq!(two.hear(), "* 1 in lobby: 小明\n");
    assert_eq!(two.hear(), "* bye\n");
    assert_eq!(two.hear(), "");
}

#[test]
fn the_lines_of_a_pipe_arrive() {
    let example = Example::start(NAME, &["--log", "off"]);
    let mut one = Person::enter(&example);
    let mut pipe = example.client();
    pipe.write_all(b"hello\n/who\n").unwrap();
    pipe.shutdown(Shutdown::Write).unwrap();
    let said = String::from_utf8(read_to_end(&mut pipe)).unwrap();
    assert!(said.ends_with("* 2 in lobby: guest-1, guest-2\n"), "{said}");
    for line in ["* guest-2 joined\n", "guest-2: hello\n", "* guest-2 left\n"] {
        assert_eq!(one.hear(), line);
    }
}

#[test]
fn a_signal_is_reported_to_all_members_and_exits_0() {
    for signal in ["TERM", "INT"] {
        let example = Example::start(NAME, &[]);
        let mut people: Vec<Person> = (0..3).map(|_| Person::enter(&example)).collect();
        example.signal(signal);
        for person in &mut people {
            person.until("* the server is stopping");
            assert_eq!(person.hear(), "");
        }
        drop(people);
        assert_eq!(example.join().0, Some(0));
    }
}

#[test]
fn the_client_of_the_tutorial_gets_its_one_answer() {
    const TEXT: &str = "不要回答,不要回答,不要回答";
    let example = Example::start(NAME, &["--auto-reply", TEXT, "--log", "off"]);
    for _ in 0..20 {
        let mut client = example.client();
        client.write_all(b"yaoyao").unwrap();
        // Python's `recv(1024)`: one read returns all of it.
        let mut reply = [0; 1024];
        let len = client.read(&mut reply).unwrap();
        assert_eq!(std::str::from_utf8(&reply[..len]), Ok(TEXT));
        assert_eq!(read_to_end(&mut client), b"");
    }
}

#[test]
fn help_tells_what_it_serves_and_every_option() {
    let output = run_example(NAME, &["--help"]);
    let help = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()));
    for known in [
        "/nick",
        "/join",
        "/who",
        "/quit",
        "--bind",
        "--auto-reply",
        "--slow-consumer",
        "--line-interval",
        "--mode",
        "--workers",
        "--max-connections",
        "--max-connections-per-peer",
        "--idle-timeout",
        "--drain-timeout",
        "--log",
        "--help",
        "in each worker process",
        "one IPv6 network of 64 bits",
        "127.0.0.1:9999",
        "nc ",
    ] {
        assert!(help.contains(known), "{known}");
    }
}

#[test]
fn bad_arguments_get_one_clear_line_and_exit_2() {
    for arguments in [
        &["--auto-reply"][..],
        &["--slow-consumer"],
        &["--line-interval", "soon"],
        &["--slow-consumer", "kick\nhim"],
        &["--head-timeout", "1"],
        &["--mode", "fork"],
    ] {
        let output = run_example(NAME, arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
        assert_eq!(output.stdout, b"", "{arguments:?}");
    }
}

/// The lines received by a member that does not read while another one sends `lines` long lines,
/// and then does; and true if it was closed.
fn overslept(policy: &str, lines: usize) -> (Vec<usize>, bool) {
    let options = ["--slow-consumer", policy, "--line-interval", "0", "--log", "off"];
    let example = Example::start(NAME, &options);
    let mut sleeper = Person::enter(&example);
    let mut talker = Person::enter(&example);
    assert_eq!(sleeper.hear(), "* guest-2 joined\n");
    for n in 0..lines {
        talker.send(&format!("{n} {}\n", "x".repeat(4000)));
    }
    // The answer shows that all lines before it have been handled.
    talker.send("/nick \n");
    talker.until("* a name needs at least one character");
    // A closed client may notice it here or below.
    let _ = sleeper.stream.get_mut().write_all(b"/nick awake\n");
    let mut heard = Vec::new();
    loop {
        let mut line = String::new();
        if sleeper.stream.read_line(&mut line).is_err() {
            return (heard, false);
        }
        match line.strip_prefix("guest-2: ").and_then(|text| text.split_once(' ')) {
            Some((n, _)) => heard.push(n.parse().unwrap()),
            None if line == "* you are now awake\n" => return (heard, true),
            None if line.is_empty() || !line.ends_with('\n') => return (heard, false),
            None => {}
        }
    }
}

#[test]
fn the_policy_for_slow_consumers_is_that_of_the_option() {
    // More than the kernel and the server buffer for a client that does not read.
    const LINES: usize = 5_000;
    for policy in ["drop-newest", "drop-oldest"] {
        let (heard, is_there) = overslept(policy, LINES);
        assert!(is_there, "{policy}");
        assert!(heard.len() < LINES, "{policy}: nothing was dropped");
        assert!(heard.is_sorted_by(|a, b| a < b), "{policy}");
        assert_eq!(heard.last() == Some(&(LINES - 1)), policy == "drop-oldest", "{policy}");
    }
    let (heard, is_there) = overslept("close", LINES);
    assert!(!is_there && heard.len() < LINES);
    assert!(heard.iter().copied().eq(0..heard.len()));
}
