//! The chat in a browser: members over WebSocket, their histories, and the page.

mod nodes;
mod pace;
mod page;
mod requests;
mod resume;
mod rooms;
mod scene;
