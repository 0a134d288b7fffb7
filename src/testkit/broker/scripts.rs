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
    generation: i64,
    lowest: i64,
    first: i64,
    log: usize,
    probe: &'a [u8],
    node: &'a [u8],
}

pub(super) fn number(text: &[u8]) -> Result<i64, String> {
    let text = str::from_utf8(text).ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| ARGUMENTS.to_owned())
}

/// [`script::PUBLISH`](crate::backplane::redis::script::PUBLISH)
pub(super) fn publish_script(
    server: &mut Server,
    keys: Keys<'_>,
    arguments: Keys<'_>,
    writes: Writes,
) -> Result<Vec<u8>, String> {
    let ([node, topics @ ..], [generation, lowest, first, log, _, probe, messages @ ..]) =
        (keys, arguments)
    else {
        return Err(ARGUMENTS.into());
    };
    let (generation, lowest, first) = (number(generation)?, number(lowest)?, number(first)?);
    let log = number(log)?.unsigned_abs() as usize;
    let call = Call { generation, lowest, first, log, probe, node };
    check_fence(server, node, generation)?;
    let (settled, failed, refused) = publish_all(server, &call, topics, messages, writes)?;
    let mut reply = Vec::new();
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
    writes: Writes,
) -> Result<(u64, String, Vec<u64>), String> {
    let stored = server.store.number(call.node, b"seq")?;
    let mut following = stored.map_or(call.lowest, |stored| call.lowest.max(stored + 1));
    let (mut seq, mut settled) = (call.first, 0);
    let (mut failed, mut refused) = (String::new(), Vec::new());
    for (key, message) in topics.iter().zip(messages.chunks_exact(2)) {
        let [epoch, record] = message else { return Err(ARGUMENTS.into()) };
        if seq > following {
            failed = "ORDER".into();
            break;
        }
        if seq == following {
            match append(server, key, number(epoch)?.unsigned_abs(), record, call.log, writes) {
                Ok(id) => publish_entry(server, key, id, record),
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
    if settled > 0 || !call.probe.is_empty() {
        writes.check()?;
        let (generation, seq) = (call.generation.to_string(), (following - 1).to_string());
        let fields = [b"gen", generation.as_bytes(), b"seq", seq.as_bytes()];
        server.store.set(call.node, &fields)?;
        server.wrote();
    }
    if !call.probe.is_empty() {
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
    writes: Writes,
) -> Result<Id, String> {
    writes.check()?;
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
    let ([node, key], [generation, when, above, log, _, mark, most, most_bytes]) =
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
