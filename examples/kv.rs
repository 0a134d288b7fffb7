//! A key-value server over lines. Keys can expire, and clients can watch them.
//! `cargo run --example kv`, or with an address: `-- 127.0.0.1:0`; then `nc 127.0.0.1 7009`.
//!
//! ```text
//! SET key value [seconds]   OK
//! GET key                   VALUE value, or NONE
//! DEL key                   OK, or NONE
//! WATCH key                 OK; then, for each change, * key SET value, * key DEL or * key EXPIRED
//! ```

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::{env, process, str, time::Duration};

use socketserver::protocol::line::{Line, Lines};
use socketserver::{Close, Context, Framed, Limits, MessageHandler, Notification, Server};
use socketserver::{TaskContext, Topic};

/// The most bytes of a line, and so of a key and its value.
pub(crate) const LINE_MAX: usize = 1024;
pub(crate) const KEYS_MAX: usize = 10_000;
pub(crate) const WATCHED_MAX: usize = 100;
/// How late a watcher may learn that a key has expired.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// A value, and the time of the server at which it expires.
pub(crate) struct Entry {
    value: String,
    expires: Duration,
}

/// The entries by their keys, shared by all connections.
pub(crate) type Store = Arc<Mutex<HashMap<String, Entry>>>;

/// Removes the entries that have expired, and tells the connections that watch them.
pub(crate) fn expire(store: &Store, cx: &mut TaskContext<'_>) {
    store.lock().unwrap_or_else(PoisonError::into_inner).retain(|key, entry| {
        let is_alive = cx.now().elapsed() < entry.expires;
        if !is_alive {
            cx.publish(&Topic::new(key), "EXPIRED");
        }
        is_alive
    });
}

/// A connection.
#[derive(Clone, Default)]
pub(crate) struct Client {
    pub(crate) store: Store,
    watched: HashSet<String>,
}

impl Client {
    /// Returns the answer to a command, or the reason why it is not obeyed.
    fn obey(&mut self, line: &str, cx: &mut Context<'_>) -> Result<String, &'static str> {
        let now = cx.now().elapsed();
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let is_alive = |key| store.get(key).is_some_and(|entry| now < entry.expires);
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["SET", key, value, ref seconds @ ..] if seconds.len() <= 1 => {
                // 136 years, if the command does not say.
                let seconds = seconds.first().map_or(Ok(u32::MAX), |seconds| seconds.parse());
                let seconds = seconds.map_err(|_| "that is not a number of seconds")?;
                let expires = now + Duration::from_secs(seconds.into());
                if store.len() >= KEYS_MAX && !store.contains_key(key) {
                    return Err("too many keys");
                }
                store.insert(key.into(), Entry { value: value.into(), expires });
                self.tell(key, &format!("SET {value}"), cx);
            }
            ["GET" | "DEL", key] if !is_alive(key) => return Ok("NONE".into()),
            ["GET", key] => return Ok(format!("VALUE {}", store[key].value)),
            ["DEL", key] => {
                store.remove(key);
                self.tell(key, "DEL", cx);
            }
            ["WATCH", _] if self.watched.len() >= WATCHED_MAX => return Err("too many keys"),
            ["WATCH", key] => {
                self.watched.insert(key.into());
                cx.subscribe(&Topic::new(key));
            }
            _ => return Err("write SET key value [seconds], GET key, DEL key or WATCH key"),
        }
        Ok("OK".into())
    }

    /// Tells the connections that watch `key`, this one included.
    fn tell(&self, key: &str, change: &str, cx: &mut Context<'_>) {
        cx.publish(&Topic::new(key), change);
        if self.watched.contains(key) {
            writeln!(cx, "* {key} {change}");
        }
    }
}

impl MessageHandler<Lines> for Client {
    fn on_message(&mut self, line: Line<'_>, cx: &mut Context<'_>) -> Result<(), Close> {
        let answer = match line {
            Line::Text(line) => str::from_utf8(line).map_err(|_| "the line is not UTF-8"),
            Line::TooLong => Err("the line is too long"),
        };
        let answer = answer.and_then(|line| self.obey(line, cx));
        writeln!(cx, "{}", answer.unwrap_or_else(|reason| format!("ERROR {reason}")));
        Ok(())
    }

    fn on_notify(&mut self, notification: Notification, cx: &mut Context<'_>) {
        if let Notification::Published(key, change) = notification {
            writeln!(cx, "* {key} {}", String::from_utf8_lossy(&change));
        }
    }
}

fn serve(address: &str) -> io::Result<()> {
    if address == "--version" {
        return writeln!(io::stdout(), "kv {}", env!("CARGO_PKG_VERSION"));
    }
    let client = Client::default();
    let store = Arc::clone(&client.store);
    let server = Server::new()
        .listen(address, move |_| Framed::new(Lines::with_limit(LINE_MAX), client.clone()))?
        .every(TICK, move |cx| expire(&store, cx))
        .limits(Limits::default().idle(None)) // Watchers may be silent.
        .stop_on_signals()?;
    writeln!(io::stdout(), "listening on {}", server.addresses()[0])?;
    server.run()
}

fn main() {
    if let Err(error) = serve(&env::args().nth(1).unwrap_or("127.0.0.1:7009".into())) {
        eprintln!("kv: {error}");
        process::exit(1);
    }
}
