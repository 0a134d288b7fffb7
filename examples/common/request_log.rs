//! The request log of `reactor_web`: a line for each answered request, on standard output. The loop
//! only copies; a thread makes the lines.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};

use socketserver::protocol::http::Version;
use socketserver::services::web::RequestRecord;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::common::sink::Sink;

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The common log format, with the duration in microseconds at the end.
    Common,
    /// A JSON object.
    Json,
}

/// Returns the queue of a request log.
pub(crate) fn start(form: Form) -> Sink {
    match form {
        Form::Common => Sink::new(
            io::stdout(),
            |queued, lines| render(queued, lines, common),
            |dropped, lines| {
                report(dropped);
                // No line of a request begins like this.
                let _ = writeln!(lines, "# {dropped} lines were dropped");
            },
        ),
        Form::Json => Sink::new(
            io::stdout(),
            |queued, lines| render(queued, lines, json),
            |dropped, lines| {
                report(dropped);
                let _ = writeln!(lines, "{{\"dropped\":{dropped}}}");
            },
        ),
    }
}

fn report(dropped: u64) {
    log::warn!(
        "{dropped} lines of the request log were dropped: standard output did not take them"
    );
}

/// The length of a queued record without its texts.
const FIXED: usize = 52;

/// The method of most requests, in the place of its text.
const GET: u8 = 1;

/// Queues the record of a request. The loop waits for this: all that the thread can do is left to
/// it.
pub(crate) fn push(sink: &Sink, record: &RequestRecord<'_>) {
    sink.push(|queued| {
        let (code, method) = match record.method() {
            "GET" => (GET, ""),
            method => (0, method),
        };
        let path = record.path_bytes();
        queued.extend_from_slice(&[0; FIXED]);
        let Some(fixed) = queued.last_chunk_mut::<FIXED>() else { return };
        fixed[0] = match record.version() {
            None => 0,
            Some(Version::Http10) => 1,
            Some(_) => 2,
        };
        fixed[1] = code;
        match record.peer().socket_addr() {
            None => {}
            Some(SocketAddr::V4(peer)) => {
                fixed[2] = 4;
                fixed[4..6].copy_from_slice(&peer.port().to_ne_bytes());
                fixed[6..10].copy_from_slice(&peer.ip().octets());
            }
            Some(SocketAddr::V6(peer)) => {
                fixed[2] = 6;
                fixed[4..6].copy_from_slice(&peer.port().to_ne_bytes());
                fixed[6..22].copy_from_slice(&peer.ip().octets());
            }
        }
        fixed[22..24].copy_from_slice(&record.status().as_u16().to_ne_bytes());
        fixed[24..32].copy_from_slice(&record.unix_seconds().to_ne_bytes());
        fixed[32..40].copy_from_slice(&record.bytes().to_ne_bytes());
        // The compiler finds that the library makes the duration of these nanoseconds.
        let nanos = record.duration().as_nanos() as u64;
        fixed[40..48].copy_from_slice(&nanos.to_ne_bytes());
        // A head has at most 64 KiB.
        fixed[50..52].copy_from_slice(&(path.len() as u16).to_ne_bytes());
        if !method.is_empty() {
            fixed[48..50].copy_from_slice(&(method.len() as u16).to_ne_bytes());
            queued.extend_from_slice(method.as_bytes());
        }
        queued.extend_from_slice(path);
    });
}

/// A queued record.
struct Request<'a> {
    version: u8,
    peer: Option<SocketAddr>,
    status: u16,
    time: OffsetDateTime,
    bytes: u64,
    micros: u64,
    method: &'a str,
    path: &'a str,
}

/// Makes the lines of all queued records.
#[allow(clippy::ptr_arg, reason = "it has the type that the sink calls")]
fn render(
    queued: &mut Vec<u8>,
    lines: &mut Vec<u8>,
    line: fn(&Request<'_>, &mut Vec<u8>) -> io::Result<()>,
) {
    let mut rest = &queued[..];
    while let Some(request) = take(&mut rest) {
        // Writing to memory does not fail.
        let _ = line(&request, lines);
        lines.push(b'\n');
    }
}

/// Takes the first record.
fn take<'a>(rest: &mut &'a [u8]) -> Option<Request<'a>> {
    let [version, code, family, _] = array(rest)?;
    let port = u16::from_ne_bytes(array(rest)?);
    let ip: [u8; 16] = array(rest)?;
    let ip = match family {
        4 => Some(IpAddr::from(*ip.first_chunk::<4>()?)),
        6 => Some(IpAddr::from(ip)),
        _ => None,
    };
    let peer = ip.map(|ip| SocketAddr::new(ip, port));
    let status = u16::from_ne_bytes(array(rest)?);
    let seconds = i64::try_from(u64::from_ne_bytes(array(rest)?)).ok()?;
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let bytes = u64::from_ne_bytes(array(rest)?);
    let micros = u64::from_ne_bytes(array(rest)?) / 1_000;
    let (method, path) = (u16::from_ne_bytes(array(rest)?), u16::from_ne_bytes(array(rest)?));
    let method = text(rest, method)?;
    let path = text(rest, path)?;
    let method = if code == GET { "GET" } else { method };
    Some(Request { version, peer, status, time, bytes, micros, method, path })
}

fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (array, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*array)
}

fn text<'a>(rest: &mut &'a [u8], len: u16) -> Option<&'a str> {
    let (text, after) = rest.split_at_checked(len.into())?;
    *rest = after;
    std::str::from_utf8(text).ok()
}

const DAY: &[BorrowedFormatItem<'static>] =
    format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");
const TIME: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

fn common(request: &Request<'_>, line: &mut Vec<u8>) -> io::Result<()> {
    match request.peer {
        Some(peer) => write!(line, "{}", peer.ip())?,
        None => line.write_all(b"unix")?,
    }
    line.write_all(b" - - [")?;
    request.time.format_into(line, DAY).map_err(io::Error::other)?;
    line.write_all(b"] \"")?;
    match request.version {
        0 => line.write_all(b"-")?,
        version => {
            quote(request.method, line)?;
            line.write_all(b" ")?;
            quote(request.path, line)?;
            write!(line, " HTTP/1.{}", version - 1)?;
        }
    }
    write!(line, "\" {} {} {}", request.status, request.bytes, request.micros)
}

fn json(request: &Request<'_>, line: &mut Vec<u8>) -> io::Result<()> {
    line.write_all(b"{\"time\":\"")?;
    request.time.format_into(line, TIME).map_err(io::Error::other)?;
    line.write_all(b"\",\"peer\":\"")?;
    match request.peer {
        Some(peer) if peer.port() == 0 => write!(line, "{}", peer.ip())?,
        Some(peer) => write!(line, "{peer}")?,
        None => line.write_all(b"unix")?,
    }
    line.write_all(b"\",\"method\":\"")?;
    quote(request.method, line)?;
    line.write_all(b"\",\"path\":\"")?;
    quote(request.path, line)?;
    let Request { status, bytes, micros, .. } = request;
    write!(line, "\",\"status\":{status},\"bytes\":{bytes},\"duration_us\":{micros}}}")
}

/// Writes text that a client has sent, in quotation marks and on one line: quotation marks,
/// backslashes, and all but visible ASCII characters are escaped, in the way of JSON.
fn quote(text: &str, line: &mut Vec<u8>) -> io::Result<()> {
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(line, "\\{c}")?,
            ' '..='~' => line.push(c as u8),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(line, "\\u{unit:04x}")?;
                }
            }
        }
    }
    Ok(())
}
