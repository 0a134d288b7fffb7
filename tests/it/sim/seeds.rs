//! Random actions of clients in any order: each handler ends, and is told so once. (The simulations
//! in this folder do more at random; here the network is driven by hand.)

use socketserver::testkit::{Client, Network, Random, seeds};

use crate::support::handlers::{Log, Probe};

#[test]
fn on_close_is_told_exactly_once_whatever_happens() {
    seeds(0..200, |seed| {
        let mut random = Random::new(seed);
        let mut network = Network::new(crate::support::handlers::tight());
        let mut logs = Vec::new();
        let mut clients: Vec<Client> = Vec::new();
        for _ in 0..100 {
            match (random.below(8), clients.len()) {
                (0 | 1, _) | (_, 0) => {
                    let log = Log::default();
                    let to = clients.last().map(|client| network.id(*client));
                    clients.push(network.connect(Probe::new(&log).eof(|_| {}).data(
                        move |input, cx| {
                            if let Some(to) = to {
                                cx.send(to, &*input);
                            }
                            cx.write(&[0; 150]);
                            Ok(input.len() / 2)
                        },
                    )));
                    logs.push(log);
                }
                (what, len) => {
                    let client = clients[random.below(len)];
                    match what {
                        2 | 3 => network.send(client, &[1; 400]),
                        4 => network.reset(client),
                        5 => network.shut(client),
                        6 => network.window(client, random.below(300)),
                        _ => network.turn(),
                    }
                }
            }
        }
        for client in clients {
            network.reset(client);
        }
        network.settle();
        assert_eq!(network.connections(), 0);
        assert!(logs.iter().all(|log| log.closes().len() == 1));
    });
}
