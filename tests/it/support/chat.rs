//! A chat on the network in memory, and the lines that its members receive.

use std::time::Duration;

use socketserver::services::chat::Chat;
use socketserver::testkit::{Client, Network};
use socketserver::{Limits, Peer, Service};

use crate::hub::network::take_all;
use crate::support::handlers::patient;

/// A chat and its network.
pub(crate) struct Party {
    pub(crate) network: Network,
    chat: Chat,
}

impl Party {
    /// A chat whose members may send as fast as they like.
    pub(crate) fn new() -> Party {
        Party::with(patient(), Chat::new().line_rate(1, Duration::ZERO))
    }

    pub(crate) fn with(limits: Limits, chat: Chat) -> Party {
        Party { network: Network::new(limits), chat }
    }

    /// Connects a client, which is not welcomed yet.
    pub(crate) fn connect(&mut self) -> Client {
        let handler = self.chat.accept(Peer::unix().into()).expect("a chat takes everybody");
        self.network.connect(handler)
    }

    /// Connects a client and reads its welcome; `others` discard the notice about it.
    pub(crate) fn guest(&mut self, others: &[Client]) -> Client {
        let guest = self.connect();
        self.hear(guest);
        for other in others {
            self.hear(*other);
        }
        guest
    }

    /// Creates a chat with guests `guest-1` to `guest-N`, all of them welcomed.
    pub(crate) fn guests<const N: usize>() -> (Party, [Client; N]) {
        let mut party = Party::new();
        let guests = [(); N].map(|()| {
            let guest = party.connect();
            party.network.settle();
            guest
        });
        for guest in guests {
            party.hear(guest);
        }
        (party, guests)
    }

    /// Sends bytes unchanged.
    pub(crate) fn send(&mut self, client: Client, bytes: impl AsRef<[u8]>) {
        self.network.send(client, bytes.as_ref());
        self.network.settle();
    }

    /// Sends one line, and returns the answer to it.
    pub(crate) fn say(&mut self, client: Client, line: &str) -> String {
        self.send(client, format!("{line}\n"));
        self.hear(client)
    }

    /// Returns the output for a member since the last call.
    pub(crate) fn hear(&mut self, client: Client) -> String {
        String::from_utf8(take_all(&mut self.network, client)).expect("a chat speaks UTF-8")
    }
}
