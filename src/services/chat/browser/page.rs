//! The page: its files, which are part of the program, and the fields of their answers. Must not
//! know the chat.

use std::hash::{DefaultHasher, Hash, Hasher};

use http::StatusCode;

use crate::services::web::{Answered, Reply, Request};

/// A file of the page.
pub(super) struct File {
    pub(super) path: &'static str,
    content_type: &'static str,
    text: &'static str,
}

/// The page itself.
pub(super) const PAGE: File = File {
    path: "/index.html",
    content_type: "text/html; charset=utf-8",
    text: include_str!("page/index.html"),
};

/// The other files, which the page names relative to itself.
pub(super) const FILES: [File; 8] = [
    File {
        path: "/chat.css",
        content_type: "text/css; charset=utf-8",
        text: include_str!("page/chat.css"),
    },
    File { path: "/icon.svg", content_type: "image/svg+xml", text: include_str!("page/icon.svg") },
    module("/ask.js", include_str!("page/ask.js")),
    module("/chat.js", include_str!("page/chat.js")),
    module("/link.js", include_str!("page/link.js")),
    module("/room.js", include_str!("page/room.js")),
    module("/say.js", include_str!("page/say.js")),
    module("/tabs.js", include_str!("page/tabs.js")),
];

const fn module(path: &'static str, text: &'static str) -> File {
    File { path, content_type: "text/javascript; charset=utf-8", text }
}

/// Permits scripts, styles and images of the page's own server, and its WebSocket. All else is
/// forbidden.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

impl File {
    /// Returns the entity tag: a new version of the program has another one if the file differs.
    fn tag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.text.hash(&mut hasher);
        format!("\"{:016x}\"", hasher.finish())
    }

    /// Answers a request, with 304 if the browser has this version (RFC 9110, section 13.1.2).
    pub(super) fn answer<S>(&self, request: &Request<'_, S>, reply: Reply<'_>) -> Answered {
        let tag = self.tag();
        let is_known = request.header("if-none-match").is_some_and(|known| {
            known
                .split(',')
                .map(|it| it.trim())
                .any(|it| it == "*" || it.strip_prefix("W/").unwrap_or(it) == tag)
        });
        let reply = reply
            .header("etag", tag)
            .header("cache-control", "no-cache")
            .header("content-security-policy", POLICY)
            .header("referrer-policy", "no-referrer")
            .header("x-content-type-options", "nosniff");
        match is_known {
            true => reply.status(StatusCode::NOT_MODIFIED).empty(),
            false => reply.bytes(self.content_type, self.text),
        }
    }
}
