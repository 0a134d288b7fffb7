//! A connection to Redis, reply by reply.

use super::*;
use crate::history::Position;

fn redis(login: Option<Login>, database: u32) -> Redis {
    let (node, generation) = (7, 3);
    let (log_messages, retention_ms) = (100, 1000);
    Redis::new(Settings { node, generation, login, database, log_messages, retention_ms })
}

fn opening(redis: &mut Redis) -> String {
    let mut out = Vec::new();
    redis.opening(&mut out);
    String::from_utf8(out).unwrap()
}

/// Returns the news of an input, and the end.
fn told(redis: &mut Redis, input: &[u8]) -> (Vec<String>, Result<usize, Close>) {
    let mut told = Vec::new();
    let end = redis.on_data(input, &mut |news| told.push(format!("{news:?}")));
    (told, end)
}

/// Those of a server that does not tell its settings.
const OPENED: &[u8] = b"%1\r\n$4\r\nrole\r\n$6\r\nmaster\r\n-NOPERM no\r\n$1\r\na\r\n$1\r\nb\r\n\
      $1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n$1\r\ng\r\n:0\r\n\
      >3\r\n$9\r\nsubscribe\r\n$24\r\nbp:node:0000000000000007\r\n:1\r\n";

#[test]
fn a_login_and_a_database_are_sent_and_the_password_is_not_shown() {
    assert!(
        opening(&mut redis(None, 0))
            .starts_with("*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n*6\r\n$6\r\nCONFIG\r\n$3\r\nGET")
    );
    let login = Login { user: "me".into(), password: "secret".into() };
    let mut redis = redis(Some(login), 2);
    let sent = opening(&mut redis);
    assert!(sent.starts_with("*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$6\r\nsecret\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n"));
    assert!(!format!("{redis:?}").contains("secret"));
}

/// Redis sends a message to the subscribers of all databases.
#[test]
fn a_topic_has_another_channel_in_each_database() {
    for (database, channel) in [(0, "bp:{a{b}"), (1, "bp:1:{a{b}"), (12, "bp:12:{a{b}")] {
        let (mut redis, mut out) = (redis(None, database), Vec::new());
        redis.ask(Ask::Watch("a{b"), &mut out);
        let sent = String::from_utf8(out).unwrap();
        assert_eq!(sent, format!("*2\r\n$9\r\nSUBSCRIBE\r\n${}\r\n{channel}\r\n", channel.len()));
        let push =
            format!(">3\r\n$7\r\nmessage\r\n${}\r\n{channel}\r\n$5\r\n8-3 x\r\n", channel.len());
        let (news, _) = told(&mut redis, push.as_bytes());
        assert!(news[0].starts_with("Live { topic: \"a{b\""), "{news:?}");
    }
}

#[test]
fn an_error_during_the_opening_ends_the_connection() {
    for answer in [
        "-NOAUTH Authentication required.\r\n",
        "%1\r\n$4\r\nrole\r\n$7\r\nreplica\r\n",
        "%1\r\n$7\r\nversion\r\n$6\r\n6.2.14\r\n",
        "%0\r\n%0\r\n$1\r\na\r\n$1\r\nb\r\n-LOADING Redis is loading the dataset in memory\r\n",
        "%0\r\n%0\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n$1\r\ng\r\n:1\r\n\
         -NOPERM this user has no permissions to access one of the channels\r\n",
    ] {
        let mut redis = redis(None, 0);
        opening(&mut redis);
        let (told, end) = told(&mut redis, answer.as_bytes());
        assert!(told.is_empty() && matches!(end, Err(Close::Failed(_))), "{answer}: {end:?}");
    }
}

/// Redis before 6.0, and proxies, repeat the arguments of an unknown command.
#[test]
fn a_server_without_hello_does_not_bring_the_password_into_the_log() {
    let login = Login { user: "me".into(), password: "secret".into() };
    let mut redis = redis(Some(login), 0);
    opening(&mut redis);
    let answer = b"-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, \
                   `me`, `secret`, \r\n";
    let (_, end) = told(&mut redis, answer);
    let why = end.unwrap_err().to_string();
    assert!(!why.contains("secret") && why.contains("7.0"), "{why}");
}

#[test]
fn the_messages_of_a_turn_are_one_call() {
    let mut redis = redis(None, 0);
    opening(&mut redis);
    let ready = ["Ready".to_owned()];
    assert_eq!(told(&mut redis, OPENED), (ready.to_vec(), Ok(OPENED.len())));
    let mut out = Vec::new();
    for seq in 4..=6 {
        let (topic, record) = ("t", &b"hello"[..]);
        redis.ask(Ask::Publish { topic, seq, lowest: 4, epoch: 8, record }, &mut out);
    }
    assert!(out.is_empty());
    redis.flush(&mut out);
    let sent = String::from_utf8(out).unwrap();
    assert!(sent.starts_with("*19\r\n$7\r\nEVALSHA\r\n$1\r\na\r\n$1\r\n4\r\n"), "{sent}");
    // The second was refused, and all are settled.
    let (news, _) = told(&mut redis, b"*3\r\n:1\r\n:3\r\n$0\r\n\r\n");
    assert_eq!(news, ["Refused(5)", "Accepted(6)"]);
    let mut out = Vec::new();
    for (seq, topic) in [(7, "t"), (8, "u")] {
        let record = &b"hello"[..];
        redis.ask(Ask::Renew(topic), &mut out);
        redis.ask(Ask::Publish { topic, seq, lowest: 7, epoch: 8, record }, &mut out);
    }
    redis.flush(&mut out);
    let sent = String::from_utf8(out).unwrap();
    let renewals = ["t", "u"]
        .map(|topic| format!("*3\r\n$7\r\nPEXPIRE\r\n$6\r\nbp:{{{topic}}}\r\n$4\r\n1000\r\n"));
    let call = sent.strip_prefix(&renewals.concat()).unwrap();
    assert_eq!(call.matches("EVALSHA").count(), 1, "{sent}");
    let (news, end) = told(&mut redis, b":1\r\n:0\r\n*2\r\n:1\r\n$3\r\nOOM\r\n");
    assert_eq!(news, ["Accepted(7)"]);
    assert!(end.is_err());
}

#[test]
fn entries_and_messages_have_positions() {
    let mut redis = redis(None, 0);
    opening(&mut redis);
    assert!(told(&mut redis, OPENED).1.is_ok());
    let mut out = Vec::new();
    redis.ask(Ask::Since { topic: "t", from: Position::new(8, 3) }, &mut out);
    assert!(out.starts_with(b"*6\r\n$6\r\nXRANGE\r\n$6\r\nbp:{t}\r\n$3\r\n8-2\r\n"));
    let message = b">3\r\n$7\r\nmessage\r\n$6\r\nbp:{t}\r\n$5\r\n8-3 x\r\n";
    let page = b"*1\r\n*2\r\n$3\r\n8-2\r\n*2\r\n$1\r\nm\r\n$1\r\ny\r\n";
    let input = [&message[..], page].concat();
    let (news, end) = told(&mut redis, &input);
    assert_eq!(end, Ok(input.len()));
    assert!(news[0].starts_with("Live") && news[0].contains("0000000000000008-4"), "{news:?}");
    assert!(news[1].starts_with("Past") && news[1].contains("0000000000000008-3"), "{news:?}");
    assert!(news[2].starts_with("PastEnd"), "{news:?}");
    // A message that has not arrived whole waits.
    let (news, end) = told(&mut redis, &message[..message.len() - 1]);
    assert_eq!((news.len(), end), (0, Ok(0)));
}

/// A connection that is ready, and has asked for a log from 8-2 on.
fn reading() -> Redis {
    let mut redis = redis(None, 0);
    opening(&mut redis);
    assert!(told(&mut redis, OPENED).1.is_ok());
    redis.ask(Ask::Since { topic: "t", from: Position::new(8, 3) }, &mut Vec::new());
    redis
}

fn bytes(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    append_command(&mut out, parts);
    out
}

/// The page of a log with these entries.
fn page(entries: &[(&str, &[&[u8]])]) -> Vec<u8> {
    let mut page = format!("*{}\r\n", entries.len()).into_bytes();
    for (id, fields) in entries {
        page.extend(format!("*2\r\n${}\r\n{id}\r\n", id.len()).into_bytes());
        page.extend(bytes(fields));
    }
    page
}

/// Hands on the input byte by byte, as a connection may.
fn told_in_pieces(redis: &mut Redis, input: &[u8]) -> (Vec<String>, Result<(), Close>) {
    let (mut told, mut kept) = (Vec::new(), Vec::new());
    for piece in input.chunks(if input.len() > 10_000 { 1_000 } else { 1 }) {
        kept.extend_from_slice(piece);
        match redis.on_data(&kept, &mut |news| told.push(format!("{news:?}"))) {
            Ok(used) => drop(kept.drain(..used)),
            Err(why) => return (told, Err(why)),
        }
    }
    assert!(kept.is_empty());
    (told, Ok(()))
}

#[test]
fn the_entries_of_another_program_are_unknown_records_with_a_content() {
    let long = vec![b'x'; 100_000];
    let many = vec![&b"x"[..]; 20_000];
    let input = page(&[
        ("8-2", &[b"m", b"y"]),
        ("9-0", &[b"foo", b"bar"]),
        ("9-1", &[b"foo", b"bar", b"baz", b"qux"]),
        ("9-2", &[b"m", b"bar", b"m", b"qux"]),
        ("9-3", &[b"m", &long]),
        ("9-4", &[&long, b"y"]),
        ("9-5", &many),
        ("10-18446744073709551615", &[b"m", b""]),
    ]);
    let mut redis = reading();
    let (news, end) = told_in_pieces(&mut redis, &input);
    assert_eq!((news.len(), end), (9, Ok(())), "{news:?}");
    assert!(news[0].contains("record: [121]"));
    for (past, at) in news[1..7].iter().zip(1..) {
        let is_at = past.contains(&format!("0000000000000009-{at}"));
        assert!(past.starts_with("Past") && is_at && !past.contains("record: [1,"), "{past}");
    }
    assert!(news[8].starts_with("PastEnd"), "{news:?}");
    let record = |past: &String| past.split_once("record").unwrap().1.to_owned();
    assert_ne!(record(&news[1]), record(&news[2]), "the content counts");
    let mut again = reading();
    assert_eq!(told(&mut again, &input).0, news, "each time the same");
    // The next reply is understood.
    redis.ask(Ask::Since { topic: "t", from: Position::new(8, 3) }, &mut Vec::new());
    assert_eq!(told(&mut redis, &page(&[("8-2", &[b"m", b"y"])])).0.len(), 2);
}

#[test]
fn a_log_without_ids_for_messages_cannot_be_used() {
    for id in ["1000000000000000-0", "18446744073709551615-18446744073709551615"] {
        let input = page(&[("8-2", &[b"m", b"y"]), (id, &[b"m", b"y"])]);
        let (news, end) = told(&mut reading(), &input);
        assert_eq!((news.len(), end), (3, Ok(input.len())), "{news:?}");
        assert_eq!(news[1], "Unusable(\"t\")");
    }
}

#[test]
fn the_messages_of_another_program_are_ignored() {
    let mut redis = reading();
    let long = vec![b'x'; 100_000];
    for channel in [&b"bp:{t}"[..], b"bp:node:0000000000000007"] {
        for payload in [&b""[..], b"hello", b"8-x y", b"-", b"1000000000000000-0 x", &long] {
            let mut push = bytes(&[b"message", channel, payload]);
            push[0] = b'>';
            assert_eq!(told_in_pieces(&mut redis, &push), (Vec::new(), Ok(())));
        }
    }
    assert_eq!(told(&mut redis, &page(&[("8-2", &[b"m", b"y"])])).0.len(), 2);
}

#[test]
fn a_reply_that_no_request_can_have_is_cut_at_once() {
    let nested = "*1\r\n".repeat(2_000);
    for input in [&nested[..], "*1\r\n*2\r\n$3\r\n8-2\r\n*1\r\n*1\r\n", "*101\r\n", "$1\r\nx\r\n"] {
        let (news, end) = told(&mut reading(), input.as_bytes());
        assert!(news.is_empty() && matches!(end, Err(Close::Malformed { .. })), "{input} {end:?}");
    }
    let push = [">3\r\n", &nested].concat();
    assert!(told(&mut reading(), push.as_bytes()).1.is_err());
    let mut redis = redis(None, 0);
    opening(&mut redis);
    assert!(told(&mut redis, nested.as_bytes()).1.is_err());
}

#[test]
fn a_wrong_type_fails_a_question_and_a_connection_only_for_the_key_of_its_node() {
    let mut redis = redis(None, 0);
    opening(&mut redis);
    assert!(told(&mut redis, OPENED).1.is_ok());
    let members = crate::handler::presence::Request::Members { room: "r".into(), max: 5 };
    redis.ask(Ask::Presence(4, &members), &mut Vec::new());
    redis.ask(Ask::Probe(1), &mut Vec::new());
    let (news, end) = told(&mut redis, b"-WRONGTYPE Operation against\r\n");
    assert_eq!((news, end), (vec!["Presence(4, Away)".to_owned()], Ok(30)));
    let (news, end) = told(&mut redis, b"-WRONGTYPE Operation against\r\n");
    let why = end.unwrap_err().to_string();
    assert!(news.is_empty() && why.contains("bp:node:0000000000000007") && why.contains("remove"));
}
