//! Factories for the scripts of clients and far ends, given by the user of a simulation. Must not
//! know the world.

use super::script::Script;
use crate::net::destination::Destination;
use crate::reactor::ServerHandle;
use crate::testkit::random::Random;

/// Creates the script of a client.
pub(super) type Clients<'a> = Box<dyn FnMut(&mut Random) -> Box<dyn Script> + 'a>;
/// Creates the script of the far end of a requested connection, or refuses the connection.
pub(super) type Remotes<'a> =
    Box<dyn FnMut(&Destination, &mut Random) -> Option<Box<dyn Script>> + 'a>;

/// Uses the server's handle as other threads would, at any time.
pub(super) type Commands<'a> = Box<dyn FnMut(&ServerHandle, &mut Random) + 'a>;

/// The effect of a handler's panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Panics {
    Fail,
    EndTheConnection,
}
