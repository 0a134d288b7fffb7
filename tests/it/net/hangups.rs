//! Peers that send and close at once: input that has arrived is read and offered, whether or not
//! the answer can be sent (recv(2) returns it before any error).

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use socket2::SockRef;
use socketserver::{Address, Close, Context, Handler, Mode, Server};

use crate::support::output::Lines;
use crate::support::process::Halted;
use crate::support::real::{Example, connect, example_path, tcp, wait_no_longer_than_patience};
use crate::support::waiting::{PATIENCE, until};

const TIMES: usize = 200;

/// The way in which a peer closes after its line.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Leave {
    /// At once.
    AtOnce,
    /// Before it is accepted, while the server is stopped.
    BeforeAccepted,
    /// With an unread greeting: its system sends a reset.
    Unread,
}

const LEAVES: [Leave; 3] = [Leave::AtOnce, Leave::BeforeAccepted, Leave::Unread];

fn say(mut stream: impl Write + AsFd, leave: Leave, line: &str) {
    wait_no_longer_than_patience(&stream);
    if leave == Leave::Unread {
        SockRef::from(&stream).peek(&mut [std::mem::MaybeUninit::uninit()]).unwrap();
    }
    stream.write_all(line.as_bytes()).unwrap();
}

/// Makes consecutive connections, each of which sends a line with its number and closes.
fn visit(server: u32, address: &Address, leave: Leave) {
    let _halted = (leave == Leave::BeforeAccepted).then(|| Halted::all_of(server));
    for n in 0..TIMES {
        let line = format!("line {n}\n");
        match address {
            Address::Unix(path) => say(UnixStream::connect(path).unwrap(), leave, &line),
            other => say(connect(tcp(other)), leave, &line),
        }
    }
}

/// The numbers of lines that did not arrive.
fn missing(heard: &BTreeSet<usize>) -> Vec<usize> {
    (0..TIMES).filter(|n| !heard.contains(n)).collect()
}

/// The lines of visitors that a member of the chat receives, until the chat is silent.
fn hear(member: &mut BufReader<TcpStream>) -> BTreeSet<usize> {
    member.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
    let mut heard = BTreeSet::new();
    let mut line = String::new();
    while heard.len() < TIMES {
        line.clear();
        match member.read_line(&mut line) {
            Ok(0) => panic!("the member was let go"),
            Ok(_) => heard.extend(
                line.trim_end().rsplit_once(": line ").map(|(_, n)| n.parse::<usize>().unwrap()),
            ),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                break;
            }
        }
    }
    heard
}

#[test]
fn every_line_reaches_the_chat_though_its_sender_has_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat");
    let mut wrong = Vec::new();
    for mode in
        [&["multiplex"][..], &["threads", "--workers", "2"], &["reactors", "--workers", "2"]]
    {
        for leave in LEAVES {
            let mut command = Command::new(example_path("reactor_chat"));
            command.args(["--bind", "127.0.0.1:0", "--log", "off", "--silence", "5"]).arg("--bind");
            command.arg(format!("unix:{}", path.display())).arg("--mode").args(mode);
            let example = Example::spawn(command, 2);
            for address in &example.addresses {
                let mut member = BufReader::new(example.client());
                member.read_line(&mut String::new()).unwrap();
                visit(example.child.id(), address, leave);
                let missing = missing(&hear(&mut member));
                if !missing.is_empty() {
                    let kind = if matches!(address, Address::Tcp(_)) { "TCP" } else { "Unix" };
                    let count = missing.len();
                    wrong
                        .push(format!("{mode:?}, {kind}, {leave:?}: {count} of {TIMES} not heard"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Greets, answers, and writes its complete lines to a file.
struct Recorder(File);

impl Handler for Recorder {
    fn on_open(&mut self, cx: &mut Context<'_>) {
        cx.write(b"welcome\n");
    }

    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let used = input.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.0.write_all(&input[..used]).unwrap();
        cx.write(&input[..used]);
        Ok(used)
    }
}

const CHILD: &str = "SOCKETSERVER_TEST_HANGUPS";

/// The server, in a separate process: some modes have to start it again.
fn serve(folder: &Path, mode: Mode) {
    let unix = Address::Unix(folder.join("socket"));
    let server = Server::bind(["127.0.0.1:0".to_owned(), unix.to_string()]).unwrap().mode(mode);
    if !Server::is_worker() {
        println!("listening on {}", server.addresses()[0]);
    }
    let handle = server.handle();
    let is_worker = Server::is_worker();
    std::thread::spawn(move || {
        // Until the test has ended. The standard input of a worker is its channel.
        if !is_worker {
            let _ = std::io::stdin().read(&mut [0]);
            handle.stop();
        }
    });
    let record = folder.join("record");
    let service =
        move |_| Recorder(File::options().append(true).create(true).open(&record).unwrap());
    server.serve(service).unwrap();
}

fn mode_of(name: &str) -> Mode {
    match name {
        "threads" => Mode::Threads(2),
        "reactors" => Mode::Reactors(2),
        "processes" => Mode::Processes(2),
        _ => Mode::Multiplex,
    }
}

struct Recording {
    child: Child,
    folder: tempfile::TempDir,
    addresses: [Address; 2],
}

impl Recording {
    fn start(mode: &str) -> Recording {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "net::hangups::a_handler_is_offered_the_input_of_a_closed_peer"])
            .arg("--nocapture")
            .env(CHILD, format!("{mode} {}", folder.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let line = Lines::of(child.stdout.take().unwrap()).until("listening on ");
        let tcp = line.split_once("listening on ").unwrap().1.trim_end().parse().unwrap();
        let unix = Address::Unix(folder.path().join("socket"));
        Recording { child, folder, addresses: [tcp, unix] }
    }

    fn record(&self) -> PathBuf {
        self.folder.path().join("record")
    }

    /// Waits until all lines are on record.
    fn until_heard(&self, by: &str) {
        until(&format!("{by}: all {TIMES} lines on record"), || {
            let text = fs::read_to_string(self.record()).unwrap_or_default();
            let heard: BTreeSet<usize> =
                text.lines().map(|line| line[5..].parse().unwrap()).collect();
            if heard.len() == TIMES { Ok(()) } else { Err(missing(&heard)) }
        });
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The test runs itself again, as the server.
#[test]
fn a_handler_is_offered_the_input_of_a_closed_peer() {
    if let Some(told) = std::env::var_os(CHILD) {
        let told = told.into_string().unwrap();
        let (mode, folder) = told.split_once(' ').unwrap();
        return serve(Path::new(folder), mode_of(mode));
    }
    for mode in ["multiplex", "threads", "reactors", "processes"] {
        let recording = Recording::start(mode);
        for address in &recording.addresses {
            for leave in LEAVES {
                let _ = fs::remove_file(recording.record());
                visit(recording.child.id(), address, leave);
                recording.until_heard(&format!("{mode}, {address}, {leave:?}"));
            }
        }
    }
}
