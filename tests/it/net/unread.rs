//! Answers that a client with the smallest receive buffer has not read when its connection ends:
//! bytes that it sends then must not destroy them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Sender, channel};

use socket2::{Domain, SockAddr, Socket, Type};
use socketserver::{Close, Context, Handler, Server};

use crate::hub::cuts::modes;
use crate::support::real::{PATIENCE, Running, soon};
use crate::support::waiting::until_equal;

const ANSWER: usize = 8000;

/// Connects with the smallest receive buffer of the system.
fn narrow(server: &Running) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    socket.connect(&SockAddr::from(server.tcp(0))).unwrap();
    let client = TcpStream::from(socket);
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

/// Sends a line that the server does not expect, and reads the whole answer.
fn read_late(client: &mut TcpStream) {
    client.write_all(b"\r\n").unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(answer.len(), ANSWER);
}

/// Answers each input at length, and closes after a `c`.
struct Answers(Sender<Close>);

impl Handler for Answers {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        cx.write(&[b'x'; ANSWER]);
        if input == b"c" {
            cx.close(Close::Done);
        }
        Ok(input.len())
    }

    fn on_close(&mut self, why: &Close, _: &mut Context<'_>) {
        self.0.send(why.clone()).unwrap();
    }
}

#[test]
fn a_late_line_does_not_destroy_the_last_answer() {
    for mode in modes() {
        let (ended, ends) = channel();
        let server = Server::new().mode(mode);
        let server =
            Running::start(server.listen("127.0.0.1:0", move |_| Answers(ended.clone())).unwrap());
        let [mut closed, mut idle] = [(); 2].map(|()| narrow(&server));
        closed.write_all(b"c").unwrap();
        assert_eq!(soon(&ends), Close::Done, "{mode:?}");
        read_late(&mut closed);
        idle.write_all(b"i").unwrap();
        let is_sent = || server.handle.metrics().bytes_out >= 2 * ANSWER as u64;
        until_equal("the answer is sent", true, is_sent);
        server.handle.stop();
        assert_eq!(soon(&ends), Close::Stopping, "{mode:?}");
        read_late(&mut idle);
        drop((closed, idle));
        server.join();
    }
}
