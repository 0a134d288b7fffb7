//! A real nats-server for the tests. Knows no test.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is how it fails")]

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A nats-server with JetStream on the loopback interface, in a directory of its own.
pub(super) struct NatsServer {
    pub(super) process: Child,
    directory: tempfile::TempDir,
    port: u16,
    arguments: Vec<String>,
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

impl NatsServer {
    /// Starts a server; `None` if there is no such program, which is an error if `REQUIRE_ENGINES`
    /// is set.
    pub(super) fn start(arguments: &[&str]) -> Option<NatsServer> {
        let directory = tempfile::tempdir().unwrap();
        // Free a moment ago. The server keeps its port when it starts again.
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        match spawn(&directory, port, &arguments) {
            Ok(process) => Some(NatsServer { process, directory, port, arguments }),
            Err(why) if std::env::var_os("REQUIRE_ENGINES").is_some() => {
                panic!("nats-server: {why}")
            }
            Err(_) => None,
        }
    }

    pub(super) fn kill(&mut self) {
        // One that has ended already is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    pub(super) fn start_again(&mut self) {
        self.process = spawn(&self.directory, self.port, &self.arguments).unwrap();
    }

    pub(super) fn connect(&self) -> io::Result<TcpStream> {
        TcpStream::connect(("127.0.0.1", self.port))
    }

    /// Returns the path of a file in its directory; `store` has the streams.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Sends a request to JetStream, and waits until it is done.
    pub(super) fn request(&self, subject: &str, payload: &str) -> io::Result<()> {
        self.send(&format!("PUB {subject} {}\r\n{payload}\r\n", payload.len()))
    }

    /// Sends operations, and waits until they are done.
    pub(super) fn send(&self, operations: &str) -> io::Result<()> {
        let mut stream = self.connect()?;
        write!(stream, "CONNECT {{\"verbose\":false,\"headers\":true}}\r\n")?;
        write!(stream, "{operations}PING\r\n")?;
        let mut answer = Vec::new();
        while !answer.windows(4).any(|text| text == b"PONG") {
            let mut buffer = [0; 1024];
            let count = stream.read(&mut buffer)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            answer.extend_from_slice(&buffer[..count]);
        }
        Ok(())
    }
}

/// Starts the program, and waits until it takes connections.
fn spawn(directory: &tempfile::TempDir, port: u16, arguments: &[String]) -> io::Result<Child> {
    let mut process = Command::new("nats-server")
        .args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd"])
        .arg(directory.path().join("store"))
        .args(arguments)
        .stderr(Stdio::piped())
        .spawn()?;
    let mut output = process.stderr.take().unwrap();
    let mut log = Vec::new();
    while !log.windows(15).any(|text| text == b"Server is ready") {
        let mut buffer = [0; 4096];
        let count = output.read(&mut buffer)?;
        assert!(count > 0, "nats-server: {}", log.escape_ascii());
        log.extend_from_slice(&buffer[..count]);
    }
    // A full pipe would stop the server.
    std::thread::spawn(move || io::copy(&mut output, &mut io::sink()));
    Ok(process)
}
