//! The scripts about names, native. A test sends the same commands to a real server with the
//! scripts themselves. Knows no client.

use super::scripts::{ARGUMENTS, FENCED, Keys, check_fence, number};
use super::state::{Server, Writes};
use super::store::{Value, WRONG_TYPE};
use crate::backplane::redis::name_script;
use crate::protocol::resp::{append_bytes, append_header};

const ENDED: &str = "LEASE of this node has ended";

type Script = fn(&mut Server, Keys<'_>, Keys<'_>, Writes) -> Result<Vec<u8>, String>;

/// The scripts, each with its text.
pub(super) const SCRIPTS: [(&str, Script); 5] = [
    (name_script::SIGN_IN, sign_in),
    (name_script::CLAIM, claim),
    (name_script::RELEASE, release),
    (name_script::ROOM, room),
    (name_script::MEMBERS, members),
];

/// Which writes are refused after the first one of a script: memory is not judged again.
fn later(writes: Writes) -> Writes {
    if writes == Writes::Replica { Writes::Replica } else { Writes::Taken }
}

fn number_reply(number: i64) -> Vec<u8> {
    format!(":{number}\r\n").into_bytes()
}

fn fence(server: &Server, node: &[u8], generation: &[u8]) -> Result<(), String> {
    check_fence(server, node, number(generation)?)
}

/// [`script::GENERATION`](crate::backplane::redis::script::GENERATION)
pub(super) fn set_generation(
    server: &mut Server,
    node: &[u8],
    generation: &[u8],
    writes: Writes,
) -> Result<Vec<u8>, String> {
    let (stored, new) = (server.store.number(node, b"gen")?, number(generation)?);
    if stored.is_some_and(|stored| stored > new) {
        return Err(FENCED.into());
    }
    writes.check()?;
    let before = stored.map(|stored| stored.to_string().into_bytes());
    let following = match &before {
        Some(before) => server.store.number(node, before)?.filter(|following| *following > 0),
        None => None,
    };
    let following = following.unwrap_or(1).to_string().into_bytes();
    server.store.set(node, &[b"gen", generation, generation, &following])?;
    if let Some(before) = before.filter(|before| before != generation) {
        server.store.unset(node, &before);
    }
    server.wrote();
    Ok(number_reply(1))
}

fn set_number(
    server: &mut Server,
    node: &[u8],
    number: &[u8],
    writes: Writes,
) -> Result<(), String> {
    writes.check()?;
    server.store.set(node, &[b"names", number])?;
    server.wrote();
    Ok(())
}

fn lease_holds(server: &Server, lease: &[u8]) -> bool {
    server.store.keys.contains_key(&[b"bp:alive:", lease].concat())
}

/// The lease, number and name of a key.
fn entry(server: &Server, key: &[u8]) -> Option<(Vec<u8>, Vec<u8>, Vec<u8>)> {
    let Some(Value::String(entry)) = server.store.keys.get(key) else { return None };
    let mut parts = entry.splitn(3, |byte| *byte == b' ').map(<[u8]>::to_vec);
    Some((parts.next()?, parts.next()?, parts.next()?))
}

/// Returns the node of a lease.
fn node_of(lease: &[u8]) -> &[u8] {
    lease.split(|byte| *byte == b'.').next().unwrap_or_default()
}

fn sign_in(
    server: &mut Server,
    keys: Keys<'_>,
    arguments: Keys<'_>,
    writes: Writes,
) -> Result<Vec<u8>, String> {
    let ([node, before, lease], [generation, known, time]) = (keys, arguments) else {
        return Err(ARGUMENTS.into());
    };
    fence(server, node, generation)?;
    let until = server.now_ms + number(time)?.unsigned_abs();
    let known_number = number(known)?;
    let has_all = server.store.number(node, b"names")?.is_some_and(|names| names >= known_number);
    later(writes).check()?;
    if has_all && server.store.keys.contains_key(*before) {
        server.store.expires.insert(before.to_vec(), until);
        server.wrote();
        return Ok(number_reply(1));
    }
    server.store.remove(before);
    server.store.keys.insert(lease.to_vec(), Value::String(b"1".to_vec()));
    server.store.expires.insert(lease.to_vec(), until);
    set_number(server, node, known, later(writes))?;
    Ok(number_reply(0))
}

fn claim(
    server: &mut Server,
    keys: Keys<'_>,
    arguments: Keys<'_>,
    writes: Writes,
) -> Result<Vec<u8>, String> {
    let ([node, alive, keys @ ..], [generation, number, lease, name, _]) = (keys, arguments) else {
        return Err(ARGUMENTS.into());
    };
    fence(server, node, generation)?;
    if !server.store.keys.contains_key(*alive) {
        return Err(ENDED.into());
    }
    for key in keys {
        let Some((owner, _, name)) = entry(server, key) else { continue };
        if node_of(&owner) != node_of(lease) && lease_holds(server, &owner) {
            let mut reply = Vec::new();
            append_bytes(&mut reply, &name);
            return Ok(reply);
        }
    }
    writes.check()?;
    for key in keys {
        let own = entry(server, key).filter(|(owner, ..)| owner == lease);
        let number = own.map_or_else(|| number.to_vec(), |(_, number, _)| number);
        let entry = [lease, &number[..], name].join(&b' ');
        server.store.remove(key);
        server.store.keys.insert(key.to_vec(), Value::String(entry));
    }
    let writes = if keys.is_empty() { writes } else { later(writes) };
    set_number(server, node, number, writes)?;
    Ok(number_reply(1))
}

fn release(
    server: &mut Server,
    keys: Keys<'_>,
    arguments: Keys<'_>,
    mut writes: Writes,
) -> Result<Vec<u8>, String> {
    let ([node, _, keys @ ..], [generation, number, lease, claim]) = (keys, arguments) else {
        return Err(ARGUMENTS.into());
    };
    fence(server, node, generation)?;
    for key in keys {
        let Some((owner, of, _)) = entry(server, key) else { continue };
        if owner == *lease && (*claim == b"0" || *claim == of) {
            writes = later(writes);
            writes.check()?;
            server.store.remove(key);
        }
    }
    set_number(server, node, number, writes)?;
    Ok(number_reply(1))
}

fn room(
    server: &mut Server,
    keys: Keys<'_>,
    arguments: Keys<'_>,
    mut writes: Writes,
) -> Result<Vec<u8>, String> {
    let ([node, alive, room], [generation, number, lease, name, action, _]) = (keys, arguments)
    else {
        return Err(ARGUMENTS.into());
    };
    fence(server, node, generation)?;
    if !server.store.keys.contains_key(*alive) {
        return Err(ENDED.into());
    }
    let is_ours = match server.store.keys.get(*room) {
        None => Some(false),
        Some(Value::Hash(names)) => Some(names.get(*name).is_some_and(|owner| owner == lease)),
        Some(_) => None,
    };
    if *action == b"enter" {
        writes.check()?;
    }
    match is_ours {
        None => return Err(WRONG_TYPE.into()),
        Some(_) if *action == b"enter" => drop(server.store.set(room, &[name, lease])?),
        Some(true) => {
            later(writes).check()?;
            server.store.unset(room, name);
        }
        Some(false) => {}
    }
    writes = later(writes);
    writes.check()?;
    set_number(server, node, number, writes)?;
    Ok(number_reply(1))
}

fn members(
    server: &mut Server,
    keys: Keys<'_>,
    arguments: Keys<'_>,
    writes: Writes,
) -> Result<Vec<u8>, String> {
    let ([room], [max]) = (keys, arguments) else { return Err(ARGUMENTS.into()) };
    let max = number(max)?.unsigned_abs() as usize;
    let all: Vec<(Vec<u8>, Vec<u8>)> = match server.store.keys.get(*room) {
        Some(Value::Hash(names)) => names.clone().into_iter().collect(),
        Some(_) => return Err(WRONG_TYPE.into()),
        None => Vec::new(),
    };
    let (living, dead): (Vec<_>, Vec<_>) =
        all.iter().partition(|(_, lease)| lease_holds(server, lease));
    let swept = dead.len().min(100);
    if swept > 0 {
        later(writes).check()?;
        dead.iter().take(swept).for_each(|(name, _)| server.store.unset(room, name));
        server.wrote();
    }
    let mut reply = Vec::new();
    append_header(&mut reply, b'*', 1 + living.len().min(max));
    reply.extend(number_reply((all.len() - swept) as i64));
    living.iter().take(max).for_each(|(name, _)| append_bytes(&mut reply, name));
    Ok(reply)
}
