//! One datagram for a handler of them, without a socket.

use crate::handler::datagram::DatagramOut;
use crate::handler::datagram::{DatagramContext, DatagramHandler};
use crate::net::peer::Peer;
use crate::now::Now;

/// Feeds `handler` one datagram that came `from` a peer, and gives what it sends: to whom, and the
/// bytes, in order. See [`DatagramHandler`] for an example.
pub fn datagram(
    handler: &mut dyn DatagramHandler,
    from: Peer,
    bytes: &[u8],
) -> Vec<(Peer, Vec<u8>)> {
    let mut out = DatagramOut::default();
    handler.on_datagram(bytes, &mut DatagramContext::new(&from, Now::default(), &mut out));
    let mut sent = Vec::new();
    out.drain(|to, bytes| sent.push((to.clone(), bytes.to_vec())));
    sent
}
