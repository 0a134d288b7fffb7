//! Support for tests on real sockets: a server in a thread, a program in a process, and clients
//! that wait for events and never for time to pass.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::{env, io};

use socket2::SockRef;
use socketserver::{Address, Close, Context, Handler, Server, ServerHandle, Service};

use crate::support::http::{Answer, answer};
use crate::support::output::{Lines, end_of, run_to_end};
pub(crate) use crate::support::waiting::PATIENCE;
use crate::support::waiting::until;

/// A server that runs in a thread. Dropping it aborts it.
pub(crate) struct Running {
    pub(crate) addresses: Vec<Address>,
    pub(crate) handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
    end: Receiver<io::Result<()>>,
}

impl Running {
    pub(crate) fn start(server: Server) -> Running {
        Running::start_by(server, Server::run)
    }

    /// Starts one whose addresses were bound before their service was known.
    pub(crate) fn serve(server: Server, service: impl Service + 'static) -> Running {
        Running::start_by(server, |server| server.serve(service))
    }

    fn start_by(
        server: Server,
        run: impl FnOnce(Server) -> io::Result<()> + Send + 'static,
    ) -> Running {
        let addresses = server.addresses();
        let handle = server.handle();
        let (ended, end) = channel();
        let thread = std::thread::spawn(move || {
            // A failed test no longer receives.
            let _ = ended.send(run(server));
        });
        Running { addresses, handle, thread: Some(thread), end }
    }

    pub(crate) fn tcp(&self, index: usize) -> SocketAddr {
        tcp(&self.addresses[index])
    }

    pub(crate) fn client(&self) -> TcpStream {
        connect(self.tcp(0))
    }

    /// Waits until the server has ended by itself.
    pub(crate) fn join(mut self) {
        self.end().expect("the server fails");
    }

    fn end(&mut self) -> io::Result<()> {
        let end = self.end.recv_timeout(PATIENCE);
        assert_ne!(
            end.as_ref().err(),
            Some(&RecvTimeoutError::Timeout),
            "the server does not end: {:?}",
            self.handle.metrics()
        );
        self.thread.take().expect("not joined before").join().expect("the server panicked");
        end.expect("it has not panicked")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.abort();
        if self.thread.is_some() && !std::thread::panicking() {
            self.end().expect("the server fails");
        }
    }
}

pub(crate) fn tcp(address: &Address) -> SocketAddr {
    match address {
        Address::Tcp(address) => *address,
        other => panic!("{other} is no TCP address"),
    }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    wait_no_longer_than_patience(&stream);
    stream
}

/// Returns the next message of another thread.
#[track_caller]
pub(crate) fn soon<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(PATIENCE).expect("another thread says something")
}

/// Returns the next connection of a listener.
#[track_caller]
pub(crate) fn accept(listener: &TcpListener) -> TcpStream {
    wait_no_longer_than_patience(listener);
    let stream = listener.accept().expect("a connection comes").0;
    wait_no_longer_than_patience(&stream);
    stream
}

/// Returns the next connection of a Unix listener.
#[track_caller]
pub(crate) fn accept_unix(listener: &UnixListener) -> UnixStream {
    wait_no_longer_than_patience(listener);
    let stream = listener.accept().expect("a connection comes").0;
    wait_no_longer_than_patience(&stream);
    stream
}

/// Sets a timeout for each read, write and accept on a socket (socket(7)).
pub(crate) fn wait_no_longer_than_patience(socket: &impl AsFd) {
    let socket = SockRef::from(socket);
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
}

/// The last bytes received, for the message of a failure.
fn shown(said: &[u8]) -> String {
    said[said.len().saturating_sub(200)..].escape_ascii().to_string()
}

/// Sends a request on a connection and reads the answer.
#[track_caller]
pub(crate) fn exchange(stream: &mut (impl Read + Write), request: &str) -> Answer {
    stream.write_all(request.as_bytes()).unwrap();
    read_answer(stream, request.split(' ').next().unwrap())
}

/// A `GET` that keeps the connection open.
#[track_caller]
pub(crate) fn get(stream: &mut (impl Read + Write), target: &str) -> Answer {
    exchange(stream, &format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"))
}

/// Reads one answer and not a byte more.
#[track_caller]
pub(crate) fn read_answer(stream: &mut impl Read, method: &str) -> Answer {
    let mut said = Vec::new();
    loop {
        let mut byte = [0];
        if let Err(error) = stream.read_exact(&mut byte) {
            panic!("{error} and no whole answer after {} bytes: {}", said.len(), shown(&said));
        }
        said.push(byte[0]);
        if let Some((answer, _)) = answer(method, &said) {
            return answer;
        }
    }
}

/// Waits until the server has closed; a reset is an error.
#[track_caller]
pub(crate) fn read_to_end(stream: &mut impl Read) -> Vec<u8> {
    let mut said = Vec::new();
    if let Err(error) = stream.read_to_end(&mut said) {
        panic!("{error} and no end after {} bytes: {}", said.len(), shown(&said));
    }
    said
}

/// Waits until connections are refused: a stopping server has begun to drain.
pub(crate) fn until_refused(address: SocketAddr) {
    until("the listener is closed", || match TcpStream::connect(address) {
        Ok(_) => Err("connected"),
        // The connection was in the queue of a listener that was being closed.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Err("reset"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            Ok(())
        }
    });
}

/// Sends its input back.
pub(crate) struct Echo;

impl Handler for Echo {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        cx.write(input);
        Ok(input.len())
    }
}

/// An example as a process, killed at the end of the test.
pub(crate) struct Example {
    pub(crate) child: Child,
    pub(crate) addresses: Vec<Address>,
    pub(crate) log: Lines,
}

/// The path of an example: `cargo test` builds the examples as well.
pub(crate) fn example_path(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(path.exists(), "first run: cargo build --example {name}");
    path
}

/// A program for which SIGINT has its default effect, even if the tests run as a background job of
/// a shell, which ignores it (env(1) of coreutils).
pub(crate) fn command(program: &Path) -> Command {
    if !cfg!(target_os = "linux") {
        return Command::new(program);
    }
    let mut command = Command::new("env");
    command.arg("--default-signal=INT").arg(program);
    command
}

impl Example {
    /// Starts it on a port that the system chooses.
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Example {
        let mut command = command(&example_path(name));
        command.args(["--bind", "127.0.0.1:0"]).args(arguments);
        Example::spawn(command, 1)
    }

    /// Starts one whose only argument is the address that it listens on.
    pub(crate) fn at(name: &str, address: &str) -> Example {
        let mut command = Command::new(example_path(name));
        command.arg(address);
        Example::spawn(command, 1)
    }

    /// Starts `command` and waits until it listens on `listeners` addresses.
    pub(crate) fn spawn(mut command: Command, listeners: usize) -> Example {
        command.stdin(Stdio::null());
        Example::spawn_on(command, listeners)
    }

    /// The same with the standard input that was set.
    pub(crate) fn spawn_on(mut command: Command, listeners: usize) -> Example {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut out = Lines::of(child.stdout.take().unwrap());
        let log = Lines::of(child.stderr.take().unwrap());
        let mut example = Example { child, addresses: Vec::new(), log };
        for _ in 0..listeners {
            let Some(line) = out.next("address that it listens on") else { break };
            let address = line.trim_end().strip_prefix("listening on ").expect("where it listens");
            example.addresses.push(address.parse().unwrap());
        }
        assert_eq!(example.addresses.len(), listeners, "{}", example.log.rest());
        example
    }

    pub(crate) fn client(&self) -> TcpStream {
        connect(tcp(&self.addresses[0]))
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits for a line of the log that contains `text`.
    pub(crate) fn until_logged(&mut self, text: &str) -> String {
        self.log.until(text)
    }

    /// Waits until it ends by itself, and returns its exit code and the rest of its log.
    pub(crate) fn join(mut self) -> (Option<i32>, String) {
        let log = self.log.rest();
        (end_of(&mut self.child).code(), log)
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the example to its end.
pub(crate) fn run_example(name: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(example_path(name));
    command.args(arguments).env("RUST_BACKTRACE", "1").stdin(Stdio::null());
    run_to_end(&mut command)
}

/// Sends the announced body, and reads the last answer of a server that is stopping.
pub(crate) fn finish_upload(mut busy: TcpStream) {
    busy.write_all(b"hello").unwrap();
    let answer = read_answer(&mut busy, "POST");
    assert_eq!(answer.text(), "hello");
    assert!(answer.says_close());
    assert_eq!(read_to_end(&mut busy), b"");
}
