//! Outgoing connections on real sockets: repeated attempts end with the server.

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use socketserver::{Address, Close, Context, Handler, Limits, Server, ServerHandle};

use crate::support::real::PATIENCE;

/// Tries again whenever it cannot connect, which is at once.
struct Again(Address, Sender<()>);

impl Handler for Again {
    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }

    fn on_unreachable(&mut self, _: &io::Error, cx: &mut Context<'_>) {
        let _ = self.1.send(());
        cx.connect(self.0.clone(), Again(self.0.clone(), self.1.clone()));
    }
}

fn ends_by(stop: impl FnOnce(&ServerHandle)) {
    let nowhere = Address::Unix("/nonexistent/socket".into());
    let limits = Limits::default().drain(Duration::ZERO);
    let server = Server::new().limits(limits);
    let (sender, tried) = channel();
    let server = server.connect(nowhere.clone(), Again(nowhere, sender));
    let (handle, (sender, ended)) = (server.handle(), channel());
    std::thread::spawn(move || sender.send(server.run().is_ok()));
    tried.recv_timeout(PATIENCE).unwrap();
    stop(&handle);
    assert_eq!(ended.recv_timeout(PATIENCE), Ok(true), "it tries for ever");
}

#[test]
fn repeated_attempts_do_not_outlive_a_stopped_server() {
    ends_by(ServerHandle::stop);
}

#[test]
fn repeated_attempts_do_not_outlive_an_aborted_server() {
    ends_by(ServerHandle::abort);
}
