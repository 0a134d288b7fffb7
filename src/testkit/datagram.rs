//! Passes single datagrams to a handler, without a socket.

use crate::handler::datagram::DatagramOut;
use crate::handler::datagram::{DatagramContext, DatagramHandler};
use crate::net::peer::Peer;
use crate::now::Now;

/// Passes `handler` one datagram from a peer. Returns the datagrams that the handler sends, in
/// order, each with its destination. See [`DatagramHandler`] for an example.
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
