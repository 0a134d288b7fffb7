//! The scripts of the Redis engine, native. A test sends the same commands to a real server with
//! the scripts themselves. Knows no client.

use super::state::{Server, Writes, format_id};
use super::store::{Entry, Id, Stream};
use crate::protocol::resp::{append_bytes, append_decimal, append_header};

pub(super) const FENCED: &str = "FENCED: not the last connection of this node";
pub(super) const ARGUMENTS: &str = "ERR wrong number of arguments";
const SMALLER: &str =
    "ERR The ID specified in XADD is equal or smaller than the target stream top item";
/// Another program has left no id.
const NO_ID: &str = "WRONGTYPE no id is left";
const EPOCH_MAX: u64 = 999_999_999_999_999;

pub(super) type Keys<'a> = &'a [&'a [u8]];

/// The first arguments of the script that publishes.
struct Call<'a> {
    /// The `seq` that is appended next.
    following: i64,
    first: i64,
    log: usize,
    retention: &'a [u8],
    probe: &'a [u8],
    node: &'a [u8],
    /// The name of the generation.
    field: Vec<u8>,
}

pub(super) fn number(text: &[u8]) -> Result<i64, String> {
    let text = str::from_utf8(text).ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| ARGUMENTS.to_owned())
}

/// PEXPIRE of a key.
pub(super) fn expire(server: &mut Server, key: &[u8], time: &[u8]) -> Result<bool, String> {
    if !server.store.keys.contains_key(key) {
        return Ok(false);
    }
    let until = server.now_ms + number(time)?.unsigned_abs();
    server.store.expires.insert(key.to_vec(), until);
    Ok(true)
}

/// [`script::PUBLISH`](crate::backplane::redis::script::PUBLISH)
pub(super) fn publish_script(
    server: &mut Server,
    keys: Keys<'_>,
    arguments: Keys<'_>,
    writes: Writes,
) -> Result<Vec<u8>, String> {
    let ([node, topics @ ..], [generation, lowest, first, log, retention, probe, messages @ ..]) =
        (keys, arguments)
    else {
        return Err(ARGUMENTS.into());
    };
    let (generation, lowest, first) = (number(generation)?, number(lowest)?, number(first)?);
    let log = number(log)?.unsigned_abs() as usize;
    writes.check()?;
    let field = generation.to_string().into_bytes();
    let Some(stored) = server.store.number(node, &field)?.filter(|following| *following > 0) else {
        server.store.unset(node, &field);
        return Err(FENCED.into());
    };
    let following = lowest.max(stored);
    let call = Call { following, first, log, retention, probe, node, field };
    let (settled, failed, refused) = publish_all(server, &call, topics, messages)?;
    let mut reply = Vec::new();
    if failed.is_empty() && refused.is_empty() {
        reply.push(b':');
        append_decimal(&mut reply, settled);
        reply.extend_from_slice(b"\r\n");
        return Ok(reply);
    }
    append_header(&mut reply, b'*', refused.len() + 2);
    for number in refused.into_iter().chain([settled]) {
        reply.push(b':');
        append_decimal(&mut reply, number);
        reply.extend_from_slice(b"\r\n");
    }
    append_bytes(&mut reply, failed.as_bytes());
    Ok(reply)
}

fn publish_all(
    server: &mut Server,
    call: &Call<'_>,
    topics: Keys<'_>,
    messages: Keys<'_>,
) -> Result<(u64, String, Vec<u64>), String> {
    let mut following = call.following;
    let (mut seq, mut settled) = (call.first, 0);
    let (mut failed, mut refused) = (String::new(), Vec::new());
    for (key, message) in topics.iter().zip(messages.chunks_exact(2)) {
        let [id, record] = message else { return Err(ARGUMENTS.into()) };
        let epoch = number(id.strip_suffix(b"-*").ok_or(ARGUMENTS)?)?.unsigned_abs();
        if seq > following {
            failed = "ORDER".into();
            break;
        }
        if seq == following {
            match append(server, key, epoch, record, call.log) {
                Ok(id) => {
                    if id.1.is_multiple_of(10) {
                        expire(server, key, call.retention)?;
                    }
                    publish_entry(server, key, id, record);
                }
                Err(why) if why.starts_with("WRONGTYPE") => refused.push(settled),
                Err(why) => {
                    failed = why;
                    break;
                }
            }
            following = seq + 1;
        }
        (settled, seq) = (settled + 1, seq + 1);
    }
    server.store.set(call.node, &[&call.field, following.to_string().as_bytes()])?;
    server.wrote();
    if !call.probe.is_empty() {
        expire(server, call.node, call.retention)?;
        server.push_message(call.node, call.probe);
    }
    Ok((settled, failed, refused))
}

/// The function `append` of the script.
fn append(
    server: &mut Server,
    key: &[u8],
    epoch: u64,
    record: &[u8],
    log: usize,
) -> Result<Id, String> {
    let (node, now) = (server.node_entries, server.now_ms);
    let last = server.store.stream(key)?.map(|stream| stream.last);
    let (is_known, stream) = (last.is_some(), server.store.stream_or_new(key)?);
    let epoch = match last {
        Some((last, u64::MAX)) if last >= epoch => last.saturating_add(1),
        Some((last, _)) => last.max(epoch),
        None => now.max(epoch + 1),
    };
    if epoch > EPOCH_MAX {
        return Err(NO_ID.into());
    }
    let id = append_to(stream, epoch, record, node)?;
    if is_known {
        stream.trim_nodes(log);
    }
    server.appended(key, id, record);
    Ok(id)
}

/// [`script::MARK`](crate::backplane::redis::script::MARK)
pub(super) fn mark_script(
    server: &mut Server,
    keys: Keys<'_>,
    arguments: Keys<'_>,
    writes: Writes,
) -> Result<Vec<u8>, String> {
    let ([node, key], [generation, when, above, log, retention, mark, most, most_bytes]) =
        (keys, arguments)
    else {
        return Err(ARGUMENTS.into());
    };
    check_fence(server, node, number(generation)?)?;
    let is_empty = server.store.stream(key)?.is_none_or(|stream| stream.len() == 0);
    if *when != b"empty" || is_empty {
        let (entries, now) = (server.node_entries, server.now_ms);
        let last = server.store.stream(key)?.map_or(0, |stream| stream.last.0);
        let epoch = now.max(number(above)?.unsigned_abs().max(last).saturating_add(1));
        if epoch > EPOCH_MAX {
            return Err(NO_ID.into());
        }
        writes.check()?;
        let stream = server.store.stream_or_new(key)?;
        let id = append_to(stream, epoch, mark, entries)?;
        stream.trim_nodes(number(log)?.unsigned_abs() as usize);
        server.appended(key, id, mark);
        expire(server, key, retention)?;
        publish_entry(server, key, id, mark);
    }
    let (most, mut left) = (number(most)?.unsigned_abs() as usize, number(most_bytes)?);
    let stream = server.store.stream(key)?;
    let newest = stream.into_iter().flat_map(|stream| stream.backwards()).take(most);
    let newest = newest.enumerate().take_while(|(index, entry)| {
        left -= (entry.name.len() + entry.record.len()) as i64;
        *index == 0 || left >= 0
    });
    let mut newest: Vec<&Entry> = newest.map(|(_, entry)| entry).collect();
    newest.reverse();
    Ok(entries(newest.into_iter()))
}

fn publish_entry(server: &mut Server, key: &[u8], id: Id, record: &[u8]) {
    let payload = [format_id(id).as_bytes(), b" ", record].concat();
    server.push_message(key, &payload);
}

/// Returns the entries from an id on, as XRANGE does.
pub(super) fn range(
    server: &mut Server,
    key: &[u8],
    from: Id,
    count: usize,
) -> Result<Vec<u8>, String> {
    let empty = Stream::default();
    let stream = server.store.stream(key)?.map_or(&empty, |stream| stream);
    Ok(entries(stream.from(from).take(count)))
}

/// Appends the entry of another program, as XADD does.
pub(super) fn append_foreign(
    server: &mut Server,
    key: &[u8],
    id: Id,
    (name, value): (&[u8], &[u8]),
) -> Result<Id, String> {
    let node = server.node_entries;
    let stream = server.store.stream_or_new(key)?;
    let added = stream.append_foreign(id, (name, value), node);
    let id = added.ok_or_else(|| SMALLER.to_owned())?;
    // A value under another name is a record of an unknown form.
    let record = if name == b"m" { value } else { b"" };
    server.appended(key, id, record);
    Ok(id)
}

fn append_to(stream: &mut Stream, epoch: u64, record: &[u8], node: usize) -> Result<Id, String> {
    stream.append(epoch, record, node).ok_or_else(|| SMALLER.to_owned())
}

fn entries<'a>(found: impl Iterator<Item = &'a Entry>) -> Vec<u8> {
    let (mut list, mut count) = (Vec::new(), 0);
    for entry in found {
        count += 1;
        append_header(&mut list, b'*', 2);
        append_bytes(&mut list, format_id(entry.id).as_bytes());
        append_header(&mut list, b'*', 2);
        append_bytes(&mut list, &entry.name);
        append_bytes(&mut list, &entry.record);
    }
    let mut reply = Vec::new();
    append_header(&mut reply, b'*', count);
    reply.append(&mut list);
    reply
}

/// Refuses a call of a connection that is not the last one of its node.
pub(super) fn check_fence(server: &Server, node: &[u8], generation: i64) -> Result<(), String> {
    match server.store.number(node, b"gen")? {
        Some(stored) if stored == generation => Ok(()),
        _ => Err(FENCED.into()),
    }
}
