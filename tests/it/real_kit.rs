//! For the tests on real sockets: a server in a thread, a program in a process, and clients that
//! wait for events and never for time to pass.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::Duration;
use std::{env, io};

use socketserver::{Address, Close, Context, Handler, Remote, Server};

use super::http_kit::{Answer, answer};

/// Longer than anything here takes on the busiest machine: it turns a hang into a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs in a thread. Dropping it ends it, whatever it is doing.
pub(crate) struct Running {
    pub(crate) addresses: Vec<Address>,
    pub(crate) remote: Remote,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Running {
    pub(crate) fn start(server: Server) -> Running {
        let addresses = server.addresses();
        let remote = server.remote();
        let thread = Some(std::thread::spawn(|| server.run()));
        Running { addresses, remote, thread }
    }

    pub(crate) fn tcp(&self, index: usize) -> SocketAddr {
        tcp(&self.addresses[index])
    }

    pub(crate) fn client(&self) -> TcpStream {
        connect(self.tcp(0))
    }

    /// Waits until it has ended by itself.
    pub(crate) fn join(mut self) {
        self.thread.take().expect("not joined before").join().unwrap().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.remote.abort();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
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
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// What another thread says next.
pub(crate) fn soon<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(PATIENCE).expect("it never comes")
}

/// Sends a request on a connection and reads the answer.
pub(crate) fn exchange(stream: &mut (impl Read + Write), request: &str) -> Answer {
    stream.write_all(request.as_bytes()).unwrap();
    read_answer(stream, request.split(' ').next().unwrap())
}

/// A `GET` that keeps the connection.
pub(crate) fn get(stream: &mut (impl Read + Write), target: &str) -> Answer {
    exchange(stream, &format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"))
}

/// Reads one answer and not a byte more.
pub(crate) fn read_answer(stream: &mut impl Read, method: &str) -> Answer {
    let mut said = Vec::new();
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap_or_else(|error| {
            panic!("{error} after {}", said.escape_ascii());
        });
        said.push(byte[0]);
        if let Some((answer, _)) = answer(method, &said) {
            return answer;
        }
    }
}

/// Waits until the server has closed; a reset would be an error.
pub(crate) fn read_to_end(stream: &mut impl Read) -> Vec<u8> {
    let mut said = Vec::new();
    stream.read_to_end(&mut said).unwrap();
    said
}

/// Waits until nobody listens there any more: a stopping server has begun to drain.
pub(crate) fn until_refused(address: SocketAddr) {
    loop {
        match TcpStream::connect(address) {
            Ok(_) => std::thread::yield_now(),
            // It was in the queue of a listener that was just being closed.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
                return;
            }
        }
    }
}

/// Sends back what comes.
pub(crate) struct Echo;

impl Handler for Echo {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        cx.write(input);
        Ok(input.len())
    }
}

/// An example in a process of its own, killed at the end at the latest.
pub(crate) struct Example {
    pub(crate) child: Child,
    pub(crate) addresses: Vec<Address>,
    pub(crate) log: BufReader<ChildStderr>,
}

/// Where cargo puts it: `cargo test` builds the examples as well.
pub(crate) fn example_path(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(path.exists(), "first run: cargo build --example {name}");
    path
}

impl Example {
    /// Starts it on a port that the system chooses.
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Example {
        let mut command = Command::new(example_path(name));
        command.args(["--bind", "127.0.0.1:0"]).args(arguments);
        Example::spawn(command, 1)
    }

    /// Starts `command` and waits until it listens on so many addresses.
    pub(crate) fn spawn(mut command: Command, listeners: usize) -> Example {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut example = Example { child, addresses: Vec::new(), log };
        for line in out.lines().take(listeners) {
            let line = line.unwrap();
            let address = line.strip_prefix("listening on ").expect("where it listens");
            example.addresses.push(address.parse().unwrap());
        }
        assert_eq!(example.addresses.len(), listeners, "{}", example.rest_of_log());
        example
    }

    pub(crate) fn client(&self) -> TcpStream {
        connect(tcp(&self.addresses[0]))
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits for a line of the log with `text` in it.
    pub(crate) fn until_logged(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "it ended without '{text}'");
        }
    }

    fn rest_of_log(&mut self) -> String {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        rest
    }

    /// Waits until it ends by itself, and gives its exit code and the rest of its log.
    pub(crate) fn join(mut self) -> (Option<i32>, String) {
        let log = self.rest_of_log();
        (self.child.wait().unwrap().code(), log)
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
    command.output().unwrap()
}

/// Sends the body that was announced, and reads the last answer of a server that is stopping.
pub(crate) fn finish_upload(mut busy: TcpStream) {
    busy.write_all(b"hello").unwrap();
    let answer = read_answer(&mut busy, "POST");
    assert_eq!(answer.text(), "hello");
    assert!(answer.says_close());
    assert_eq!(read_to_end(&mut busy), b"");
}
