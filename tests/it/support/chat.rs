//! For the tests of the chat: a chat on the network in memory, and what its members hear.

use socketserver::services::chat::Chat;
use socketserver::testkit::{Client, Network};
use socketserver::{Limits, Peer, Service};

use crate::hub::network::take_all;
use crate::support::handlers::patient;

/// A chat and the network it is on.
pub(crate) struct Party {
    pub(crate) network: Network,
    chat: Chat,
}

impl Party {
    pub(crate) fn new() -> Party {
        Party::with(patient(), Chat::new())
    }

    pub(crate) fn with(limits: Limits, chat: Chat) -> Party {
        Party { network: Network::new(limits), chat }
    }

    /// Somebody connects; nobody has been greeted yet.
    pub(crate) fn connect(&mut self) -> Client {
        let handler = self.chat.accept(Peer::unix().into()).expect("a chat takes everybody");
        self.network.connect(handler)
    }

    /// Somebody comes, and says nothing; what is said about that nobody has to read.
    pub(crate) fn guest(&mut self, others: &[Client]) -> Client {
        let guest = self.connect();
        self.hear(guest);
        for other in others {
            self.hear(*other);
        }
        guest
    }

    /// So many guests, `guest-1` to `guest-N`, who have been greeted.
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

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, client: Client, bytes: impl AsRef<[u8]>) {
        self.network.send(client, bytes.as_ref());
        self.network.settle();
    }

    /// Says one line, and takes what is answered to it.
    pub(crate) fn say(&mut self, client: Client, line: &str) -> String {
        self.send(client, format!("{line}\n"));
        self.hear(client)
    }

    /// Takes all that somebody has heard since the last time.
    pub(crate) fn hear(&mut self, client: Client) -> String {
        String::from_utf8(take_all(&mut self.network, client)).expect("a chat speaks UTF-8")
    }
}
