//! The guides of the folder `docs`, as pages of the documentation. Contains no code.
//!
//! | to | read |
//! |---|---|
//! | build and test a first service | [getting started](getting_started) |
//! | build a web service | [the web](web) |
//! | talk to browsers over WebSocket | [websocket] |
//! | write handlers: timers, topics, blocking work | [writing a service](writing_a_service) |
//! | decode a protocol | [writing a protocol](writing_a_protocol) |
//! | write a client | [clients] |
//! | use more cores, or block | [modes] |
//! | use several machines | [many machines](many_machines) |
//! | test without a network | [testing] |
//! | run a server in production | [operation], [limits], [metrics] |
//! | come from Python | [from Python](from_python) |
//! | find the line for a compiler error | [compiler errors](compiler_errors) |
//! | know the promise of a version number | [versions] |

// A link between guides has its target as its label. Here the definitions of `links.md` count, for
// they come first; those at the end of each guide are for readers of the files.

#[doc = include_str!("links.md")]
#[doc = include_str!("../../docs/getting-started.md")]
pub mod getting_started {}

#[doc = include_str!("links.md")]
#[doc = include_str!("../../docs/web.md")]
pub mod web {}

#[doc = include_str!("links.md")]
#[doc = include_str!("../../docs/websocket.md")]
pub mod websocket {}

#[doc = include_str!("links.md")]
#[doc = include_str!("../../docs/writing-a-service.md")]
pub mod writing_a_service {}

#[doc = include_str!("links.md")]
#[doc = include_str!("../../docs/writing-a-protocol.md")]
pub mod writing_a_protocol {}

#[doc = include_str!("links.md")]
#[doc = include_str!("../../docs/clients.md")]
pub mod clients {}

#[doc = include_str!("links.md")]
#[doc = include_str!("../../docs/modes.md")]
pub mod modes {}

#[doc = include_str!("links.md")]
#[doc = include_str!("../../docs/many-machines.md")]
pub mod many_machines {}

#[doc = include_str!("links.md")]
#[doc = include_str!("../../docs/testing.md")]
pub mod testing {}

#[doc = include_str!("links.md")]
#[doc = include_str!("../../docs/operation.md")]
pub mod operation {}

#[doc = include_str!("links.md")]
#[doc = include_str!("../../docs/limits.md")]
pub mod limits {}

#[doc = include_str!("links.md")]
#[doc = include_str!("../../docs/metrics.md")]
pub mod metrics {}

#[doc = include_str!("links.md")]
#[doc = include_str!("../../docs/from-python.md")]
pub mod from_python {}

#[doc = include_str!("links.md")]
#[doc = include_str!("../../docs/compiler-errors.md")]
pub mod compiler_errors {}

#[doc = include_str!("links.md")]
#[doc = include_str!("../../docs/versions.md")]
pub mod versions {}
