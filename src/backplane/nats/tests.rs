//! A connection to NATS, answer by answer.

use super::*;

const INFO: &str = "INFO {\"headers\":true,\"max_payload\":1048576} \r\n";

fn settings(login: Option<Login>) -> Settings {
    Settings { node: 7, generation: 3, login, log_messages: 100, retention_ms: 1_000_000 }
}

/// Returns the news of an input, and the end.
fn told(nats: &mut JetStream, input: &str) -> (Vec<String>, Result<usize, Close>) {
    let mut told = Vec::new();
    let end = nats.on_data(input.as_bytes(), &mut |news| told.push(format!("{news:?}")));
    (told, end)
}

/// An answer to the connection.
fn answer(request: &str, payload: &str) -> String {
    let length = payload.len();
    format!("MSG _INBOX.bp.0000000000000007.3.{request} 1 {length}\r\n{payload}\r\n")
}

fn description() -> String {
    let config = stream::config(100, 1_000_000);
    answer(
        "info.0",
        &format!("{{\"config\":{config},\"created\":\"1970-01-01T00:00:00.000000009Z\"}}"),
    )
}

fn with_headers(line: &str, headers: &str, payload: &str) -> String {
    let headers = format!("NATS/1.0{headers}\r\n\r\n");
    let (length, whole) = (headers.len(), headers.len() + payload.len());
    format!("HMSG {line} {length} {whole}\r\n{headers}{payload}\r\n")
}

/// The headers of a copy.
fn copied(subject: &str, seq: u64, before: u64) -> String {
    format!(
        "\r\nNats-Stream: bp\r\nNats-Subject: bp.{subject}\r\nNats-Sequence: {seq}\r\n\
         Nats-Last-Sequence: {before}"
    )
}

/// The copy of a message of a topic.
fn copy(seq: u64, before: u64) -> String {
    with_headers("bp_live.t.t 3", &copied("t.t", seq, before), "x")
}

fn ready() -> JetStream {
    let mut nats = JetStream::new(settings(None));
    nats.opening(&mut Vec::new());
    let created = answer("create.", "{\"did_create\":true}");
    let (news, end) = told(&mut nats, &[INFO, &created, &description()].concat());
    assert!(end.is_ok() && news == ["Ready"], "{end:?} {news:?}");
    nats
}

fn asked(nats: &mut JetStream, ask: Ask<'_>) -> String {
    let mut out = Vec::new();
    nats.ask(ask, &mut out);
    nats.flush(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_login_is_sent_and_not_shown() {
    let user = Login::User { user: "me".into(), password: "sec\"ret".into() };
    for (login, sent) in [
        (user, ",\"user\":\"me\",\"pass\":\"sec\\\"ret\"}\r\nSUB "),
        (Login::Token("secret".into()), ",\"auth_token\":\"secret\"}\r\nSUB "),
    ] {
        let mut nats = JetStream::new(settings(Some(login)));
        let mut out = Vec::new();
        nats.opening(&mut out);
        let out = String::from_utf8(out).unwrap();
        assert!(out.starts_with("CONNECT {") && out.contains(sent), "{out}");
        assert!(!format!("{nats:?}").contains("sec"));
    }
}

#[test]
fn a_server_that_cannot_serve_ends_the_connection_with_the_reason() {
    let small = "INFO {\"headers\":true,\"max_payload\":40000}\r\n".to_owned();
    let tls =
        "INFO {\"headers\":true,\"tls_required\":true,\"max_payload\":1048576}\r\n".to_owned();
    let no_jetstream = with_headers("_INBOX.bp.0000000000000007.3.create. 1", " 503", "");
    let full = "{\"error\":{\"err_code\":10047,\"description\":\"insufficient storage\"}}";
    for (input, why) in [
        (small, "max_payload"),
        (tls, "TLS"),
        (INFO.to_owned() + "-ERR 'Authorization Violation'\r\n", ": Authorization Violation"),
        (INFO.to_owned() + &no_jetstream, "-js"),
        (INFO.to_owned() + &answer("create.", full), "insufficient storage"),
        (INFO.to_owned() + &answer("info.0", full), "insufficient storage"),
        (description(), "does not begin with INFO"),
        (INFO.to_owned() + "PONG\r\n", "a PONG to no PING"),
    ] {
        let mut nats = JetStream::new(settings(None));
        nats.opening(&mut Vec::new());
        let (news, end) = told(&mut nats, &input);
        let end = end.unwrap_err().to_string();
        assert!(news.is_empty() && end.contains(why) && !end.contains('\n'), "{end}");
    }
}

#[test]
fn messages_are_accepted_in_order_and_a_refusal_ends_the_connection() {
    let mut nats = ready();
    for seq in 4..=6 {
        let (topic, record) = ("a b", &b"hello"[..]);
        let sent = asked(&mut nats, Ask::Publish { topic, seq, lowest: 4, epoch: 9, record });
        let line = format!(
            "HPUB bp.t.a%20b _INBOX.bp.0000000000000007.3.publish.{seq} 45 50\r\n\
             NATS/1.0\r\nNats-Msg-Id: 0000000000000007-{seq}\r\n\r\nhello\r\n"
        );
        assert_eq!(sent, line);
    }
    let (news, _) = told(&mut nats, &answer("publish.4", "{\"stream\":\"bp\", \"seq\":3}"));
    assert_eq!(news, ["Accepted(4)"]);
    let again = "{\"stream\":\"bp\", \"seq\":3,\"duplicate\": true}";
    assert_eq!(told(&mut nats, &answer("publish.5", again)).0, ["Accepted(5)"]);
    let refused = answer("publish.6", "{\"error\":{\"description\":\"no\"},\"seq\":0}");
    assert_eq!(told(&mut nats, &refused).1, Err(Close::failed("NATS: no")));
    let mut nats = ready();
    let (topic, record) = ("a", &b"hello"[..]);
    for seq in 4..=5 {
        asked(&mut nats, Ask::Publish { topic, seq, lowest: 4, epoch: 9, record });
    }
    assert!(told(&mut nats, &answer("publish.5", again)).1.is_err(), "that before has no answer");
}

#[test]
fn copies_tell_what_was_before_and_a_lower_number_another_stream() {
    let mut nats = ready();
    assert_eq!(asked(&mut nats, Ask::Watch("t")), "SUB bp_live.t.t 3\r\n");
    let (news, _) = told(&mut nats, &[copy(5, 0), copy(9, 5)].concat());
    assert!(news[0].contains("after: None"), "{news:?}");
    assert!(news[1].contains("after: Some(Position(0000000000000009-5"), "{news:?}");
    assert!(told(&mut nats, &copy(9, 5)).1.is_err());
    let mut nats = ready();
    asked(&mut nats, Ask::Watch("t"));
    assert_eq!(asked(&mut nats, Ask::Unwatch("t")), "UNSUB 3\r\n");
    let late = told(&mut nats, &copy(5, 0));
    assert!(late.0.is_empty() && late.1.is_ok());
}

#[test]
fn a_read_asks_and_ends() {
    let mut nats = ready();
    let sent = asked(&mut nats, Ask::Since { topic: "t", from: Position::new(9, 4) });
    let get = "PUB $JS.API.DIRECT.GET.bp _INBOX.bp.0000000000000007.3.read.1.";
    let newest = format!("{get}0 25\r\n{{\"last_by_subj\":\"bp.t.t\"}}\r\n");
    assert_eq!(sent, format!("{newest}{get}1 9\r\n{{\"seq\":4}}\r\n"));
    let entry = |number, subject, seq| {
        let line = format!("_INBOX.bp.0000000000000007.3.read.1.{number} 1");
        with_headers(&line, &format!("\r\nNats-Subject: {subject}\r\nNats-Sequence: {seq}"), "x")
    };
    let gone = with_headers("_INBOX.bp.0000000000000007.3.read.1.1 1", " 404 Not Found", "");
    let (news, _) = told(&mut nats, &[entry(0, "bp.t.t", 4), gone].concat());
    assert!(news[0].starts_with("Past ") && news[0].contains("9-4"), "{news:?}");
    assert_eq!(news[1], "PastEnd { topic: \"t\", rest: Nothing }");
    let late = told(&mut nats, &entry(1, "bp.t.t", 4));
    assert!(late.0.is_empty() && late.1.is_ok(), "the read has ended");
}

#[test]
fn pings_and_requests_about_names_are_answered() {
    let mut nats = ready();
    let (news, end) = told(&mut nats, "PING\r\nINFO {\"ldm\":true}\r\n+OK\r\nPI");
    assert!(news.is_empty() && end == Ok(6 + 19 + 5), "{end:?}");
    let sign_in = Ask::SignIn { before: 0, lease: 1, known: 0 };
    assert_eq!(asked(&mut nats, sign_in), "PING\r\nPONG\r\n");
    assert_eq!(told(&mut nats, "PONG\r\n").0, ["SignedIn(Unsupported)"]);
    let probe = asked(&mut nats, Ask::Probe(4));
    assert!(probe.starts_with("PUB bp.n.0000000000000007 _INBOX.bp."), "{probe}");
    let headers = copied("n.0000000000000007", 5, 0);
    let back = with_headers("bp_live.n.0000000000000007 2", &headers, "4");
    assert_eq!(told(&mut nats, &back).0, ["Probed(4)"]);
}

/// Hands on the input in pieces, as a connection may.
fn told_in_pieces(nats: &mut JetStream, input: &str) -> (Vec<String>, Result<(), Close>) {
    let (mut told, mut kept) = (Vec::new(), Vec::new());
    for piece in input.as_bytes().chunks(if input.len() > 10_000 { 997 } else { 1 }) {
        kept.extend_from_slice(piece);
        match nats.on_data(&kept, &mut |news| told.push(format!("{news:?}"))) {
            Ok(used) => drop(kept.drain(..used)),
            Err(why) => return (told, Err(why)),
        }
    }
    assert!(kept.is_empty());
    (told, Ok(()))
}

#[test]
fn the_messages_of_another_program_are_ignored() {
    let mut nats = ready();
    asked(&mut nats, Ask::Watch("t"));
    let long = "x".repeat(100_000);
    let inbox = "_INBOX.bp.0000000000000007.3";
    for (line, payload) in [
        ("bp_live.t.t 3", ""),
        ("bp_live.t.t 3", &long),
        ("bp_live.n.0000000000000007 2", "1"),
        ("bp_live.n.0000000000000007 2", &long),
        ("other 1", ""),
        (&*format!("{inbox}.foo 1"), "x"),
        (&*format!("{inbox}.info.0 1"), "x"),
        (&*format!("{inbox}.publish.1 1"), "x"),
        (&*format!("{inbox}.publish.x 1"), ""),
        (&*format!("{inbox}.read.1 1"), &long),
        (&*format!("{inbox}.read.1.0 1"), &long),
    ] {
        let plain = format!("MSG {line} {}\r\n{payload}\r\n", payload.len());
        assert_eq!(told_in_pieces(&mut nats, &plain), (Vec::new(), Ok(())), "{line}");
        let forged = with_headers(line, "\r\nNats-Sequence: 1\r\nNats-Last-Sequence: 0", payload);
        assert_eq!(told_in_pieces(&mut nats, &forged), (Vec::new(), Ok(())), "{line}");
        let damaged = format!("HMSG {line} 3 {}\r\nabc{payload}\r\n", 3 + payload.len());
        assert_eq!(told_in_pieces(&mut nats, &damaged), (Vec::new(), Ok(())), "{line}");
    }
    assert_eq!(told(&mut nats, &copy(5, 0)).0.len(), 1);
    // The stream has it: its headers come last.
    let own = format!("\r\nNats-Sequence: 1{}", copied("t.t", 7, 5));
    let (news, end) = told(&mut nats, &with_headers("bp_live.t.t 3", &own, "x"));
    assert!(end.is_ok() && news[0].contains("0000000000000009-7"), "{news:?}");
    let (news, end) =
        told_in_pieces(&mut nats, &with_headers("bp_live.t.t 3", &copied("t.t", 8, 7), &long));
    assert!(end.is_ok() && news[0].ends_with("record: [] }"), "{news:?}");
}

#[test]
fn a_log_whose_entries_cannot_be_read_is_unusable() {
    let long = "x".repeat(100_000);
    for answer in [
        with_headers("_INBOX.bp.0000000000000007.3.read.1.0 1", &format!("\r\na: {long}"), "x"),
        "HMSG _INBOX.bp.0000000000000007.3.read.1.0 1 3 4\r\nabcd\r\n".to_owned(),
        with_headers("_INBOX.bp.0000000000000007.3.read.1.0 1", "\r\nNats-Subject: bp.t.t", "x"),
    ] {
        let mut nats = ready();
        asked(&mut nats, Ask::Since { topic: "t", from: Position::new(9, 4) });
        let (news, end) = told_in_pieces(&mut nats, &answer);
        assert_eq!(end, Ok(()));
        assert_eq!(news, ["Unusable(\"t\")", "PastEnd { topic: \"t\", rest: Nothing }"]);
        assert_eq!(told(&mut nats, &answer).0.len(), 0, "the read has ended");
    }
    // One with a long content is an entry of an unknown form.
    let mut nats = ready();
    asked(&mut nats, Ask::Newest { topic: "t", above: 0, mark: b"m", backlog: 0 });
    let headers = "\r\nNats-Subject: bp.t.t\r\nNats-Sequence: 9";
    let answer = with_headers("_INBOX.bp.0000000000000007.3.read.1.0 1", headers, &long);
    let (news, end) = told_in_pieces(&mut nats, &answer);
    assert!(end.is_ok() && news[0].starts_with("Past ") && news.len() == 2, "{news:?}");
}

/// The copy of a probe.
fn probed(seq: u64, number: u64) -> String {
    let headers = copied("n.0000000000000007", seq, seq - 1);
    with_headers("bp_live.n.0000000000000007 2", &headers, &number.to_string())
}

/// JetStream says nothing to a question that arrives while the stream is being made.
#[test]
fn a_question_without_an_answer_is_asked_again() {
    let mut nats = ready();
    let newest = Ask::Newest { topic: "t", above: 0, mark: b"mark", backlog: 0 };
    asked(&mut nats, Ask::Probe(1));
    assert!(asked(&mut nats, newest).contains(" _INBOX.bp.0000000000000007.3.read.1.0 "));
    asked(&mut nats, Ask::Probe(2));
    asked(&mut nats, Ask::Probe(3));
    let flushed = |nats: &mut JetStream, input: &str| {
        assert!(told(nats, input).1.is_ok());
        let mut out = Vec::new();
        nats.flush(&mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(flushed(&mut nats, &probed(4, 1)), "", "the server is slow, not silent");
    assert_eq!(flushed(&mut nats, &probed(5, 2)), "");
    let again = flushed(&mut nats, &probed(6, 3));
    assert!(again.contains(" _INBOX.bp.0000000000000007.3.read.2.0 "), "{again}");
    asked(&mut nats, Ask::Probe(4));
    assert_eq!(flushed(&mut nats, &probed(7, 4)), "", "it has time again");
    // The answer to the first one is late, and ignored.
    let entry = |read: &str| {
        let headers = "\r\nNats-Subject: bp.t.t\r\nNats-Sequence: 5";
        with_headers(&format!("_INBOX.bp.0000000000000007.3.read.{read}.0 1"), headers, "x")
    };
    assert_eq!(told(&mut nats, &entry("1")).0.len(), 0);
    let (news, end) = told(&mut nats, &entry("2"));
    assert!(end.is_ok() && news.len() == 2 && news[1].starts_with("PastEnd"), "{news:?}");
    asked(&mut nats, Ask::Probe(9));
    assert_eq!(flushed(&mut nats, &probed(8, 9)), "");
}

/// A cluster without a leader takes no message, and says nothing.
#[test]
fn a_message_without_an_answer_ends_the_connection() {
    let mut nats = ready();
    let publish = |seq| Ask::Publish { topic: "t", seq, lowest: 1, epoch: 0, record: b"x" };
    asked(&mut nats, Ask::Probe(1));
    asked(&mut nats, publish(1));
    asked(&mut nats, Ask::Probe(2));
    asked(&mut nats, publish(2));
    asked(&mut nats, Ask::Probe(3));
    assert!(told(&mut nats, &probed(4, 1)).1.is_ok(), "the server is slow");
    assert_eq!(told(&mut nats, &probed(5, 1)).0.len(), 0, "another program sent it");
    assert!(told(&mut nats, &probed(6, 2)).1.is_ok(), "the answer may come after the copy");
    let stored = answer("publish.1", "{\"stream\":\"bp\",\"seq\":3}");
    assert_eq!(told(&mut nats, &stored).0, ["Accepted(1)"]);
    assert!(told(&mut nats, &probed(7, 3)).1.is_ok());
    asked(&mut nats, Ask::Probe(4));
    let why = told(&mut nats, &probed(8, 4)).1.unwrap_err().to_string();
    assert!(why.contains("no answer to a message"), "{why}");
}
