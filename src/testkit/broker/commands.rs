//! The commands of the simulated broker. Knows no fault but those that it is told.

use super::names;
use super::scripts::{append_foreign, expire, mark_script, publish_script, range};
use super::state::{Role, Server, Writes, format_id};
use super::store::{Bytes, Id, Value, WRONG_TYPE};
use crate::backplane::redis::script;
use crate::handler::framed::Step;
use crate::protocol::resp::{Token, append_bytes, append_decimal, append_header, token};

const LOADING: &str = "LOADING Redis is loading the dataset in memory";
const NO_SCRIPT: &str = "NOSCRIPT No matching script. Please use EVAL.";
const SYNTAX: &str = "ERR syntax error";

/// The arguments of a command, and its length.
type Command<'a> = (Vec<&'a [u8]>, usize);

/// Returns the command at the front; `None` if it is incomplete or malformed.
fn command(input: &[u8]) -> Option<Command<'_>> {
    let Ok(Step::Message(Token::Array(count), mut used)) = token(input) else { return None };
    let mut parts = Vec::new();
    for _ in 0..count {
        let rest = input.get(used..)?;
        let Ok(Step::Message(Token::Bytes(part), length)) = token(rest) else { return None };
        parts.push(part);
        used += length;
    }
    Some((parts, used))
}

/// Returns the name of a script: here not its SHA-1.
fn script_name(text: &[u8]) -> Bytes {
    let hash = |seed: u64| {
        text.iter()
            .fold(seed, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
    };
    let (high, low) = (hash(0xcbf2_9ce4_8422_2325), hash(0x8422_2325_cbf2_9ce4));
    format!("{high:016x}{low:016x}{:08x}", text.len()).into_bytes()
}

fn text_reply(kind: u8, text: &str) -> Bytes {
    [&[kind], text.as_bytes(), b"\r\n"].concat()
}

fn bytes_reply(bytes: &[u8]) -> Bytes {
    let mut reply = Vec::new();
    append_bytes(&mut reply, bytes);
    reply
}

fn number_reply(number: usize) -> Bytes {
    let mut reply = vec![b':'];
    append_decimal(&mut reply, number as u64);
    reply.extend_from_slice(b"\r\n");
    reply
}

fn parse<T: std::str::FromStr>(text: &[u8]) -> Result<T, String> {
    let text = str::from_utf8(text).ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| SYNTAX.to_owned())
}

/// `-` is the lowest one; an id without an offset has 0.
fn parse_id(text: &[u8]) -> Result<Id, String> {
    if text == b"-" {
        return Ok((0, 0));
    }
    let mut parts = text.splitn(2, |byte| *byte == b'-');
    let epoch = parse(parts.next().unwrap_or_default())?;
    Ok((epoch, parts.next().map_or(Ok(0), parse)?))
}

/// Runs the commands at the front, and returns their length.
pub(super) fn run(server: &mut Server, client: usize, input: &[u8]) -> usize {
    let mut used = 0;
    while let Some((parts, length)) = command(input.get(used..).unwrap_or_default()) {
        used += length;
        server.store.expire(server.now_ms);
        let reply = answer(server, client, &parts).unwrap_or_else(|why| text_reply(b'-', &why));
        if let Some(client) = server.clients.get_mut(client) {
            client.output.extend_from_slice(&reply);
        }
    }
    used
}

fn answer(server: &mut Server, client: usize, parts: &[&[u8]]) -> Result<Bytes, String> {
    let (name, rest) = parts.split_first().ok_or(SYNTAX)?;
    match (*name, rest) {
        (b"HELLO", _) => return Ok(hello(server)),
        (b"CONFIG", [b"GET", names @ ..]) => return Ok(config(names)),
        (b"SUBSCRIBE", channels) => return Ok(subscribe(server, client, channels)),
        (b"UNSUBSCRIBE", channels) => return Ok(unsubscribe(server, client, channels)),
        (b"SCRIPT", [b"LOAD", text]) => {
            server.scripts.insert(script_name(text));
            return Ok(bytes_reply(&script_name(text)));
        }
        _ => {}
    }
    if server.loading > 0 {
        server.loading -= 1;
        return Err(LOADING.into());
    }
    match (*name, rest) {
        (b"PING", []) => Ok(text_reply(b'+', "PONG")),
        (b"SCRIPT", [b"FLUSH"]) => {
            server.scripts.clear();
            Ok(text_reply(b'+', "OK"))
        }
        (b"EVAL", [text, b"1", node, generation]) if *text == script::GENERATION.as_bytes() => {
            let writes = server.judge_writes();
            names::set_generation(server, node, generation, writes)
        }
        (b"EVALSHA", [name, count, rest @ ..]) => call(server, name, parse(count)?, rest),
        (b"XRANGE", [key, from, b"+", b"COUNT", count]) => {
            range(server, key, parse_id(from)?, parse(count)?)
        }
        (b"XLEN", [key]) => {
            Ok(number_reply(server.store.stream(key)?.map_or(0, |stream| stream.len())))
        }
        (b"GET", [key]) => match server.store.keys.get(*key) {
            Some(Value::String(value)) => Ok(bytes_reply(value)),
            Some(_) => Err(WRONG_TYPE.into()),
            None => Ok(b"_\r\n".to_vec()),
        },
        (b"DEL" | b"PEXPIRE", _) => free(server, name, rest),
        (name, rest) => {
            server.judge_writes().check()?;
            write(server, name, rest)
        }
    }
}

/// The writes that take no memory.
fn free(server: &mut Server, name: &[u8], parts: &[&[u8]]) -> Result<Bytes, String> {
    if server.role == Role::Replica {
        Writes::Replica.check()?;
    }
    let changed = match (name, parts) {
        (b"DEL", [key]) => server.store.remove(key).is_some(),
        (b"PEXPIRE", [key, time]) => expire(server, key, time)?,
        _ => return Err(SYNTAX.into()),
    };
    server.wrote();
    Ok(number_reply(changed.into()))
}

fn write(server: &mut Server, name: &[u8], parts: &[&[u8]]) -> Result<Bytes, String> {
    let reply = match (name, parts) {
        (b"HSET", [key, fields @ ..]) => number_reply(server.store.set(key, fields)?),
        (b"SET", [key, _, b"NX"]) if server.store.keys.contains_key(*key) => b"_\r\n".to_vec(),
        (b"SET", [key, value, ..]) => {
            server.store.remove(key);
            server.store.keys.insert(key.to_vec(), Value::String(value.to_vec()));
            text_reply(b'+', "OK")
        }
        (b"XADD", [key, id, name, value]) => {
            let id = append_foreign(server, key, parse_id(id)?, (name, value))?;
            return Ok(bytes_reply(format_id(id).as_bytes()));
        }
        (b"XTRIM", [key, b"MAXLEN", keep]) => {
            let keep = parse(keep)?;
            number_reply(server.store.stream(key)?.map_or(0, |stream| stream.trim(keep)))
        }
        (b"FLUSHALL", []) => {
            server.store.keys.clear();
            server.store.expires.clear();
            text_reply(b'+', "OK")
        }
        _ => return Err(SYNTAX.into()),
    };
    server.wrote();
    Ok(reply)
}

fn call(server: &mut Server, name: &[u8], keys: usize, rest: &[&[u8]]) -> Result<Bytes, String> {
    if !server.scripts.contains(name) {
        return Err(NO_SCRIPT.into());
    }
    let (keys, arguments) = rest.split_at_checked(keys).ok_or(SYNTAX)?;
    let writes = server.judge_writes();
    if name == script_name(script::PUBLISH.as_bytes()) {
        publish_script(server, keys, arguments, writes)
    } else if name == script_name(script::MARK.as_bytes()) {
        mark_script(server, keys, arguments, writes)
    } else {
        let known = |(text, _): &&(&str, _)| name == script_name(text.as_bytes());
        let found = names::SCRIPTS.iter().find(known);
        let (_, run) = found.ok_or(NO_SCRIPT)?;
        run(server, keys, arguments, writes)
    }
}

fn hello(server: &Server) -> Bytes {
    let role = match server.role {
        Role::Master => "master",
        Role::Replica => "replica",
    };
    let mut reply = Vec::new();
    append_header(&mut reply, b'%', 7);
    for (name, value) in [("server", "redis"), ("version", "7.0.15")] {
        append_bytes(&mut reply, name.as_bytes());
        append_bytes(&mut reply, value.as_bytes());
    }
    for (name, number) in [("proto", 3), ("id", 1)] {
        append_bytes(&mut reply, name.as_bytes());
        reply.extend_from_slice(&number_reply(number));
    }
    for (name, value) in [("mode", "standalone"), ("role", role)] {
        append_bytes(&mut reply, name.as_bytes());
        append_bytes(&mut reply, value.as_bytes());
    }
    append_bytes(&mut reply, b"modules");
    append_header(&mut reply, b'*', 0);
    reply
}

/// The settings that a node asks for, such that no message gets lost.
fn config(names: &[&[u8]]) -> Bytes {
    let known = [
        ("appendonly", "yes"),
        ("maxmemory-policy", "noeviction"),
        ("maxmemory", "0"),
        ("client-output-buffer-limit", "normal 0 0 0 pubsub 33554432 8388608 60"),
    ];
    let found = known.iter().filter(|(name, _)| names.contains(&name.as_bytes()));
    let mut reply = Vec::new();
    append_header(&mut reply, b'%', found.clone().count());
    for text in found.flat_map(|(name, value)| [name, value]) {
        append_bytes(&mut reply, text.as_bytes());
    }
    reply
}

fn subscribe(server: &mut Server, client: usize, channels: &[&[u8]]) -> Bytes {
    let mut reply = Vec::new();
    let Some(client) = server.clients.get_mut(client) else { return reply };
    for channel in channels {
        client.channels.insert(channel.to_vec());
        push_count(&mut reply, b"subscribe", channel, client.channels.len());
    }
    reply
}

fn unsubscribe(server: &mut Server, client: usize, channels: &[&[u8]]) -> Bytes {
    let mut reply = Vec::new();
    let Some(client) = server.clients.get_mut(client) else { return reply };
    for channel in channels {
        client.channels.remove(*channel);
        push_count(&mut reply, b"unsubscribe", channel, client.channels.len());
    }
    reply
}

fn push_count(reply: &mut Bytes, kind: &[u8], channel: &[u8], count: usize) {
    append_header(reply, b'>', 3);
    append_bytes(reply, kind);
    append_bytes(reply, channel);
    reply.extend_from_slice(&number_reply(count));
}
