//! Outgoing connections on real sockets: repeated attempts end with the server, and those on
//! a reserved place with the connection that has reserved it.

use std::io;
use std::net::Shutdown;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use socket2::SockRef;
use socketserver::{
    Address, Close, Context, Handler, Incoming, Limits, Mode, Server, ServerHandle, Service,
};

use crate::hub::queues_words::silent;
use crate::support::real::{PATIENCE, Running, soon};

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

/// Connects elsewhere for each client, and tells what happens.
struct Proxy(String, Sender<io::ErrorKind>);

struct Front(String, Sender<io::ErrorKind>);

struct Back(Sender<io::ErrorKind>);

impl Service for Proxy {
    fn accept(&mut self, _: Incoming) -> Option<Box<dyn Handler>> {
        Some(Box::new(Front(self.0.clone(), self.1.clone())))
    }

    fn places(&self) -> usize {
        2
    }
}

impl Handler for Front {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.connect(&*self.0, Back(self.1.clone()));
        cx.write(b"!");
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }
}

impl Handler for Back {
    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }

    fn on_unreachable(&mut self, error: &io::Error, _: &mut Context<'_>) {
        let _ = self.0.send(error.kind());
    }
}

/// No attempt times out, and there is room for one client.
#[test]
fn an_attempt_ends_with_the_connection_that_has_reserved_its_place() {
    let (_socket, to, _held) = silent();
    let to = to.to_string();
    for mode in [Mode::Multiplex, Mode::Threads(2), Mode::Reactors(1)] {
        let (sender, told) = channel();
        let server = Server::new().listen("127.0.0.1:0", Proxy(to.clone(), sender)).unwrap();
        let limits = Limits::default().connections(2).connect(None);
        let running = Running::start(server.limits(limits).mode(mode));
        for is_reset in [true, false, true] {
            let mut client = running.client();
            let greeted = io::Read::read(&mut client, &mut [0]);
            assert!(matches!(greeted, Ok(1)), "{mode:?}: it has no place: {greeted:?}");
            match is_reset {
                true => SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap(),
                false => client.shutdown(Shutdown::Write).unwrap(),
            }
            drop(client);
            assert_eq!(soon(&told), io::ErrorKind::ConnectionAborted, "{mode:?}");
        }
    }
}
