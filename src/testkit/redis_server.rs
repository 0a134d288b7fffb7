//! A real redis-server for the tests. Knows no test.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is how it fails")]

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A redis-server on a Unix socket, in a directory of its own.
pub(super) struct RedisServer {
    pub(super) process: Child,
    directory: tempfile::TempDir,
    arguments: Vec<String>,
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

impl RedisServer {
    /// Starts a server; `None` if there is no such program, which is an error if `REQUIRE_ENGINES`
    /// is set.
    pub(super) fn start(arguments: &[&str]) -> Option<RedisServer> {
        let directory = tempfile::tempdir().unwrap();
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        match spawn(&directory, &arguments) {
            Ok(process) => Some(RedisServer { process, directory, arguments }),
            Err(why) if std::env::var_os("REQUIRE_ENGINES").is_some() => {
                panic!("redis-server: {why}")
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
        self.process = spawn(&self.directory, &self.arguments).unwrap();
    }

    pub(super) fn connect(&self) -> io::Result<UnixStream> {
        UnixStream::connect(self.path("socket"))
    }

    /// Returns the path of a file in its directory.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// Starts the program, and waits until it takes connections.
fn spawn(directory: &tempfile::TempDir, arguments: &[String]) -> io::Result<Child> {
    let mut process = Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--unixsocket"])
        .arg(directory.path().join("socket"))
        .arg("--dir")
        .arg(directory.path())
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut output = process.stdout.take().unwrap();
    let mut log = Vec::new();
    while !log.windows(9).any(|text| text == b"eady to a") {
        let mut buffer = [0; 4096];
        let count = output.read(&mut buffer)?;
        assert!(count > 0, "redis-server: {}", log.escape_ascii());
        log.extend_from_slice(&buffer[..count]);
    }
    // A full pipe would stop the server.
    std::thread::spawn(move || io::copy(&mut output, &mut io::sink()));
    Ok(process)
}
