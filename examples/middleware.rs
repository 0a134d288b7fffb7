//! A notice board with all ready-made guards and mappers: anyone reads, an editor writes.
//! `EDITOR_PASSWORD=secret cargo run --example middleware`, or with an address: `-- 127.0.0.1:0`.
//!
//! ```text
//! curl -i --compressed 127.0.0.1:7013/notice
//! curl -i -u editor:secret -T - 127.0.0.1:7013/edit/notice <<< 'back at noon'
//! curl -i -X OPTIONS -H 'Origin: http://localhost:5173' \
//!     -H 'Access-Control-Request-Method: GET' 127.0.0.1:7013/notice
//! ```

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::{env, process, time::Duration};

use socketserver::services::web::middleware::{
    BasicAuth, Compression, Cors, RateLimit, RequestIds, static_headers,
};
use socketserver::services::web::{
    Answered, Failure, Reply, Request, RequestRecord, Response, Web,
};
use socketserver::{Server, Subnet};

/// The most bytes of the notice.
pub(crate) const NOTICE_MAX: u64 = 4096;

/// The origin of a page that is developed on another port of this machine.
const PAGE: &str = "http://localhost:5173";

type Board = Arc<Mutex<String>>;

/// Reads the notice on a worker, as from a database: 503 if it takes more than two seconds.
fn read(request: &Request<'_, Board>, reply: Reply<'_>) -> Answered {
    let board = Arc::clone(request.state());
    reply.within(Duration::from_secs(2)).offload(move || {
        let notice = board.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Response::new(200).text(&**notice))
    })
}

fn write(request: &Request<'_, Board>, reply: Reply<'_>) -> Answered {
    let text = std::str::from_utf8(request.body());
    let text = text.map_err(|_| Failure::bad_request("the notice is not UTF-8"))?;
    text.clone_into(&mut request.state().lock().unwrap_or_else(PoisonError::into_inner));
    reply.status(204).empty()
}

/// Logs an answered request with its id, which the client has as well.
fn note(record: &RequestRecord<'_>) {
    let id = record.answer_header("x-request-id").unwrap_or(b"-").escape_ascii();
    let (method, path, status) = (record.method(), record.path(), record.status().as_u16());
    log::info!("{id} {} {method} {path} {status}", record.peer());
}

/// Returns the service. Its editor has this password, and its clients may be behind these proxies.
pub(crate) fn web(password: &str, proxies: impl IntoIterator<Item = Subnet>) -> Web<Board> {
    let board = Board::default();
    // Five guesses at once, and then one every ten seconds.
    let editing = Web::with_state(Arc::clone(&board))
        .put("/notice", write)
        .body_limit("/notice", NOTICE_MAX)
        .guard(RateLimit::new(5, Duration::from_secs(10)).guard())
        .guard(BasicAuth::new("notice board").user("editor", password).guard());
    Web::with_state(board)
        .get("/notice", read)
        .nest("/edit", editing)
        .guard(RateLimit::new(100, Duration::from_millis(50)).guard())
        .map_response(static_headers([
            ("cache-control", "no-cache"),
            ("content-security-policy", "default-src 'none'"),
            ("x-content-type-options", "nosniff"),
        ]))
        .map_response(Compression::new().mapper())
        .map_response(Cors::origins([PAGE]).expose(["x-request-id"]).mapper())
        .map_response(RequestIds::new().mapper())
        .trust_proxies(proxies)
        .on_answer(note)
}

fn serve(address: &str) -> io::Result<()> {
    if address == "--version" {
        return writeln!(io::stdout(), "middleware {}", env!("CARGO_PKG_VERSION"));
    }
    let password = env::var("EDITOR_PASSWORD").unwrap_or_default();
    if password.is_empty() {
        return Err(io::Error::other("set EDITOR_PASSWORD to the password of the editor"));
    }
    // `RUST_LOG=info` shows the requests.
    env_logger::init();
    let local: Subnet = "127.0.0.0/8".parse().map_err(io::Error::other)?;
    let server = Server::bind(address)?.stop_on_signals()?;
    writeln!(io::stdout(), "listening on {}", server.addresses()[0])?;
    server.serve(web(&password, [local]))
}

fn main() {
    if let Err(error) = serve(&env::args().nth(1).unwrap_or("127.0.0.1:7013".into())) {
        eprintln!("middleware: {error}");
        process::exit(1);
    }
}
