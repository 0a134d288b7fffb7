//! The cast of a simulation: factories for the scripts of clients and far ends, as its user gives
//! them. Knows no world.

use super::script::Script;
use crate::net::destination::Destination;
use crate::reactor::ServerHandle;
use crate::testkit::random::Random;

/// Makes the script of a client.
pub(super) type Clients<'a> = Box<dyn FnMut(&mut Random) -> Box<dyn Script> + 'a>;
/// Makes the script of the far end of a connection that a handler wants, or denies it.
pub(super) type Remotes<'a> =
    Box<dyn FnMut(&Destination, &mut Random) -> Option<Box<dyn Script>> + 'a>;

/// Acts as other threads do with the handle of the server, at any time.
pub(super) type Commands<'a> = Box<dyn FnMut(&ServerHandle, &mut Random) + 'a>;

/// The meaning of a handler's panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Panics {
    Fail,
    EndTheConnection,
}
