//! The log of the examples: lines on standard error that nothing waits for, and the text of panics.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write};
use std::mem;
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::thread;

use signal_hook::consts::signal::SIGXFSZ;
use simplelog::{ConfigBuilder, FormatItem, LevelFilter, WriteLogger};
use socketserver::Mode;
use time::OffsetDateTime;
use time::macros::format_description;

use super::exit::{Exit, failure, usage};
use super::sink::Sink;

/// The name of the program.
const PROGRAM: &str = env!("CARGO_BIN_NAME");

/// The time, in milliseconds of a fixed width so that lines align, and the name of the program.
const FORMAT: &[FormatItem<'static>] = &[
    FormatItem::Compound(format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z "
    )),
    FormatItem::Literal(PROGRAM.as_bytes()),
];

/// The queue of standard error, once the log is installed.
static ERRORS: OnceLock<Sink> = OnceLock::new();

/// Installs the log, and a hook that writes panics to it.
pub(crate) fn install(level: LevelFilter, mode: Mode) -> Result<(), Exit> {
    // A file may reach its maximum size (`ulimit -f`). With a handler for this signal, the write
    // fails and the server continues.
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))).map_err(failure)?;
    let sink = match mode {
        // The processes share standard error.
        Mode::Processes(_) => Sink::new(io::stderr(), mem::swap, report),
        _ => Sink::without_thread(io::stderr(), mem::swap, report),
    };
    let config = ConfigBuilder::new().set_time_format_custom(FORMAT).build();
    let out = Line { sink: sink.clone(), line: Vec::new() };
    if ERRORS.set(sink).is_err() || WriteLogger::init(level, config, out).is_err() {
        return Err(usage("a logger is installed already"));
    }
    panic::set_hook(Box::new(write_panic));
    Ok(())
}

/// Says in the log how to get more of it.
pub(crate) fn tell_level() {
    let level = ::log::max_level();
    let more = if level < LevelFilter::Debug { "debug or trace" } else { "trace" };
    if level < LevelFilter::Trace {
        ::log::info!("log level {level}; more with --log {more}");
    }
}

/// Writes a line to standard error, after the lines of the log.
pub(crate) fn last_line(text: &str) {
    match ERRORS.get() {
        Some(sink) => sink.push(|lines| lines.extend_from_slice(format!("{text}\n").as_bytes())),
        // An error cannot be reported anywhere else.
        None => drop(writeln!(io::stderr(), "{text}")),
    }
}

/// Waits until the log is written.
pub(crate) fn finish() {
    if let Some(sink) = ERRORS.get() {
        sink.finish();
    }
}

fn report(dropped: u64, _: &mut Vec<u8>) {
    ::log::warn!("{dropped} lines of this log were dropped: standard error did not take them");
}

/// Collects the parts of a line.
struct Line {
    sink: Sink,
    line: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(part);
        if part.ends_with(b"\n") {
            self.sink.push(|lines| lines.extend_from_slice(&self.line));
            self.line.clear();
        }
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes the text of a panic as one line, because a peer may have chosen parts of it. It does not
/// pass through the logger, which may have panicked, but looks like the lines of the log.
fn write_panic(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let said = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text.as_str(),
        _ => "(no text)",
    };
    let (thread, said) = (thread::current(), said.escape_debug());
    let name = thread.name().unwrap_or("without a name").escape_debug();
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let time = OffsetDateTime::now_utc().format(FORMAT).unwrap_or_else(|_| PROGRAM.to_owned());
    let mut text = format!("{time} [PANIC] thread '{name}' panicked at {place}: {said}\n");
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        text += &format!("{trace}\n");
    }
    if let Some(sink) = ERRORS.get() {
        sink.push(|lines| lines.extend_from_slice(text.as_bytes()));
    }
}
