//! The chat in a browser: the routes of its page, and of its WebSocket.

pub(super) mod archive;
mod browser_socket;
pub(super) mod encode;
mod line_socket;
pub(super) mod log;
mod member;
#[cfg(feature = "backplane")]
mod names;
#[cfg(feature = "backplane")]
mod nodes;
mod page;
mod request;
mod socket;

use self::browser_socket::BrowserSocket;
use self::line_socket::LineSocket;
use self::page::{FILES, PAGE};
use super::directory::Directory;
use super::rate::Rate;
use crate::protocol::ws::WsLimits;
use crate::services::web::{Request, Response, Web, WebSocket};

/// The subprotocol of browsers. Without it, a WebSocket carries lines.
const SUBPROTOCOL: &str = "chat.v1.json";
/// The most bytes of a message for each byte of its text: a control character has six in JSON.
const JSON_FACTOR: usize = 8;

/// Returns the routes of a chat.
pub(super) fn routes(
    directory: Directory,
    rate: Rate,
    line_limit: usize,
    origins: Option<Vec<String>>,
) -> Web {
    let limits = WsLimits::default().message(line_limit.saturating_mul(JSON_FACTOR));
    let lines = WebSocket::new().limits(limits);
    let lines = match origins {
        Some(origins) => lines.origins(origins),
        None => lines.same_origin(),
    };
    let json = lines.clone().subprotocols([SUBPROTOCOL]);
    let mut web = Web::new()
        .get("/", |request, reply| match request.path().rsplit_once('/') {
            // Below a prefix, relative names need a path with a slash.
            Some((_, last)) if !last.is_empty() => {
                reply.send(Response::redirect(&format!("{last}{}", PAGE.path)))
            }
            _ => PAGE.answer(request, reply),
        })
        .get(PAGE.path, |request, reply| PAGE.answer(request, reply));
    for file in FILES {
        web = web.get(file.path, move |request, reply| file.answer(request, reply));
    }
    web.get("/ws", move |request, reply| {
        let directory = directory.clone();
        match offers_json(request) {
            true => {
                json.accept(request, reply, |_| BrowserSocket::new(directory, rate, line_limit))
            }
            false => lines.accept(request, reply, |_| LineSocket::new(directory, rate, line_limit)),
        }
    })
}

fn offers_json<S>(request: &Request<'_, S>) -> bool {
    let mut fields = request.headers();
    fields.any(|(name, offers)| {
        name.eq_ignore_ascii_case("sec-websocket-protocol")
            && offers
                .split(|byte| *byte == b',')
                .any(|it| it.trim_ascii() == SUBPROTOCOL.as_bytes())
    })
}
