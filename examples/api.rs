//! A JSON API: clients read items, and those with a token add and delete them.
//! `API_TOKEN=secret cargo run --example api`, or with an address: `-- 127.0.0.1:0`.
//!
//! ```text
//! auth='Authorization: Bearer secret'
//! curl -i -H "$auth" --json '{"name":"tea","cents":250}' 127.0.0.1:7012/items
//! curl -i 127.0.0.1:7012/items/1
//! curl -i -H "$auth" -X DELETE 127.0.0.1:7012/items/1
//! ```

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{env, process, thread, time::Duration};

use serde::{Deserialize, Serialize};
use socketserver::Server;
use socketserver::services::web::{Answered, Failure, Reply, Request, Response, Web};

pub(crate) const ITEMS_MAX: usize = 1_000;
/// The most bytes of an item as JSON.
pub(crate) const BODY_MAX: u64 = 1024;

#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Item {
    name: String,
    cents: u64,
}

/// The state that all routes share.
#[derive(Default)]
pub(crate) struct Shop {
    /// The token of the clients that may write.
    token: String,
    last_id: AtomicU64,
    items: Mutex<HashMap<u64, Item>>,
}

impl Shop {
    fn items(&self) -> MutexGuard<'_, HashMap<u64, Item>> {
        // The map is complete even after a panic.
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds an item, as slowly as a database.
    #[allow(clippy::disallowed_methods, reason = "it stands for a query")]
    fn find(&self, id: u64) -> Option<Item> {
        thread::sleep(Duration::from_millis(50));
        self.items().get(&id).cloned()
    }
}

fn show(request: &Request<'_, Arc<Shop>>, reply: Reply<'_>) -> Answered {
    let (id, shop) = (request.param("id").parse()?, Arc::clone(request.state()));
    reply.offload(move || match shop.find(id) {
        Some(item) => Ok(Response::new(200).json(&item)),
        None => Err(Failure::new(404, "there is no such item")),
    })
}

fn add(request: &Request<'_, Arc<Shop>>, reply: Reply<'_>) -> Answered {
    let item: Item = request.json()?;
    let mut items = request.state().items();
    if items.len() >= ITEMS_MAX {
        return Err(Failure::new(409, "there are too many items"));
    }
    let id = 1 + request.state().last_id.fetch_add(1, Ordering::Relaxed);
    items.insert(id, item.clone());
    reply.status(201).header("location", format!("/items/{id}")).json(&item)
}

fn delete(request: &Request<'_, Arc<Shop>>, reply: Reply<'_>) -> Answered {
    match request.state().items().remove(&request.param("id").parse()?) {
        Some(_) => reply.status(204).empty(),
        None => Err(Failure::new(404, "there is no such item")),
    }
}

/// Refuses requests without the token. The time that it takes tells nothing of the token.
fn check_token(request: &Request<'_, Arc<Shop>>) -> Result<(), Response> {
    let (token, given) = (&request.state().token, request.header("authorization"));
    let given = given.and_then(|given| given.strip_prefix("Bearer ")).unwrap_or_default();
    let pairs = token.bytes().zip(given.bytes());
    match token.len() == given.len() && pairs.fold(0, |sum, (a, b)| sum | (a ^ b)) == 0 {
        true => Ok(()),
        false => Err(Response::new(401).header("www-authenticate", "Bearer")),
    }
}

fn explain(_: &Request<'_, Arc<Shop>>, failure: &Failure) -> Response {
    let is_ours = failure.status().is_server_error();
    let reason = if is_ours { "see the log of the server" } else { failure.reason() };
    Response::new(failure.status()).json(&HashMap::from([("error", reason)]))
}

/// Returns the service, whose clients write with `token`.
pub(crate) fn web(token: String) -> Web<Arc<Shop>> {
    let shop = Arc::new(Shop { token, ..Shop::default() });
    let writing = Web::with_state(Arc::clone(&shop)).guard(check_token);
    let writing = writing.post("/", add).body_limit("/", BODY_MAX).delete("/{id}", delete);
    Web::with_state(shop).get("/items/{id}", show).nest("/items", writing).on_failure(explain)
}

fn serve(address: &str) -> io::Result<()> {
    if address == "--version" {
        return writeln!(io::stdout(), "api {}", env!("CARGO_PKG_VERSION"));
    }
    let token = env::var("API_TOKEN").unwrap_or_default();
    if token.is_empty() {
        return Err(io::Error::other("set API_TOKEN to the token of the clients that may write"));
    }
    env_logger::init(); // Failures of this server are logged, and not sent to its clients.
    let server = Server::bind(address)?.stop_on_signals()?;
    writeln!(io::stdout(), "listening on {}", server.addresses()[0])?;
    server.serve(web(token))
}

fn main() {
    if let Err(error) = serve(&env::args().nth(1).unwrap_or("127.0.0.1:7012".into())) {
        eprintln!("api: {error}");
        process::exit(1);
    }
}
