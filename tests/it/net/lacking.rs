//! A temporary lack of resources ends nothing: of threads, of processes, of room in the queue of a
//! Unix socket. The server runs on, and waiting work continues as soon as there is enough again.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Sender, channel};

use socket2::{Domain, SockAddr, Socket, Type};
use socketserver::{Address, Close, Context, Handler, Limits, Mode, Notification, Server};

use crate::support::real::{Echo, Example, PATIENCE, connect, example_path, get, soon};

/// A user without other processes here. All processes of a user count, so each test, and each run
/// of the tests, uses a different one.
type User = u32;

fn user(nth: u32) -> User {
    20_000 + std::process::id() % 5_000 * 8 + nth
}

/// The number of workers, passed to the child of these tests.
const WORKERS: &str = "SOCKETSERVER_TEST_WORKERS";

/// Offloads work for each `?`, and sends all other bytes back at once.
struct Asks;

impl Handler for Asks {
    fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        for byte in input.iter() {
            match byte {
                b'?' => {
                    cx.offload(|| b"!");
                }
                byte => cx.write(&[*byte]),
            }
        }
        Ok(input.len())
    }

    fn on_notify(&mut self, note: Notification, cx: &mut Context<'_>) {
        cx.write(note.downcast::<&[u8; 1]>().unwrap());
    }
}

/// Not a separate test: the server of the tests below, in a process that may have few threads.
/// Prints its address, or the reason why it does not start.
#[test]
fn serves_as_the_child_of_another_test() {
    let Ok(workers) = env::var(WORKERS) else { return };
    let mode = match workers.parse().unwrap() {
        0 => Mode::Multiplex,
        workers => Mode::Threads(workers),
    };
    let server = Server::new().mode(mode).listen("127.0.0.1:0", |_| Asks).unwrap();
    println!("\nlistening on {}", server.addresses()[0]);
    if let Err(error) = server.run() {
        println!("\nfailed: {error}");
    }
}

/// Completes `command` so that `user` runs it.
fn run_as(mut command: Command, user: User) -> Command {
    let user = user.to_string();
    command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
    command
}

/// A command that runs `program` as `user` with a limit of threads. `None`, after printing a line,
/// if that is impossible here.
fn limited(user: User, threads: usize, program: &str) -> Option<Command> {
    let id = Command::new("id").arg("-u").output().unwrap();
    let has_tool = |tool| Command::new(tool).arg("--version").output().is_ok();
    if id.stdout != b"0\n" || !has_tool("prlimit") || !has_tool("setpriv") {
        eprintln!("skipped: limiting the threads of another user takes root, prlimit and setpriv");
        return None;
    }
    let mut command = Command::new("prlimit");
    command.arg(format!("--nproc={threads}:1000")).arg("setpriv");
    let mut command = run_as(command, user);
    command.arg(program);
    Some(command)
}

/// A copy of a program that every user may run.
struct Copy(tempfile::TempDir);

impl Copy {
    fn of(program: &std::path::Path) -> Copy {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::copy(program, folder.path().join("program")).unwrap();
        Copy(folder)
    }

    fn path(&self) -> String {
        self.0.path().join("program").to_str().unwrap().to_owned()
    }
}

/// The child of a test. It is killed when this is dropped.
struct Limited {
    user: User,
    child: Child,
    out: BufReader<ChildStdout>,
    _copy: Copy,
}

impl Limited {
    fn start(nth: u32, workers: usize, threads: usize) -> Option<Limited> {
        let (user, copy) = (user(nth), Copy::of(&env::current_exe().unwrap()));
        let mut command = limited(user, threads, &copy.path())?;
        command.args(["--exact", "net::lacking::serves_as_the_child_of_another_test"]);
        command.args(["--nocapture", "--test-threads=1"]).env(WORKERS, workers.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Some(Limited { user, child, out, _copy: copy })
    }

    /// The rest of the first line that begins with `start`.
    fn said(&mut self, start: &str) -> String {
        let mut all = String::new();
        loop {
            let from = all.len();
            let len = self.out.read_line(&mut all).unwrap();
            assert!(len > 0, "it ended without '{start}', but said:\n{all}");
            if let Some(rest) = all[from..].strip_prefix(start) {
                return rest.trim_end().to_owned();
            }
        }
    }

    fn client(address: &str) -> TcpStream {
        connect(address.parse().unwrap())
    }

    /// Raises its limit of threads.
    fn raise(&self, threads: usize) {
        raise(self.user, self.child.id(), threads);
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn raise(user: User, process: u32, threads: usize) {
    let mut command = run_as(Command::new("setpriv"), user);
    command.arg("prlimit").arg(format!("--pid={process}")).arg(format!("--nproc={threads}:1000"));
    assert!(command.status().unwrap().success());
}

fn exchange(client: &mut TcpStream, say: &[u8], hear: &[u8]) {
    client.write_all(say).unwrap();
    let mut heard = vec![0; hear.len()];
    client.read_exact(&mut heard).unwrap();
    assert_eq!(heard, hear);
}

#[test]
fn work_waits_for_a_thread_while_the_server_goes_on() {
    let Some(mut server) = Limited::start(0, 0, 1) else { return };
    let address = server.said("listening on ");
    let (mut ann, mut bob) = (Limited::client(&address), Limited::client(&address));
    // The byte before the question is answered, so the work has been offloaded.
    exchange(&mut ann, b"a?", b"a");
    exchange(&mut bob, b"b", b"b");
    server.raise(100);
    exchange(&mut ann, b"", b"!");
    exchange(&mut bob, b"?", b"!");
}

#[test]
fn work_that_finds_no_thread_ends_its_connection_only() {
    let Some(mut server) = Limited::start(1, 0, 1) else { return };
    let address = server.said("listening on ");
    let (mut ann, mut bob) = (Limited::client(&address), Limited::client(&address));
    exchange(&mut ann, b"a?", b"a");
    assert_eq!(ann.read_to_end(&mut Vec::new()).unwrap(), 0);
    exchange(&mut bob, b"b", b"b");
}

#[test]
fn a_server_with_fewer_workers_than_wanted_serves() {
    // One for the loop and two for the workers.
    let Some(mut server) = Limited::start(2, 8, 3) else { return };
    let address = server.said("listening on ");
    let mut client = Limited::client(&address);
    exchange(&mut client, b"a?", b"a!");
}

#[test]
fn a_server_without_any_worker_names_the_missing_resource() {
    let Some(mut server) = Limited::start(3, 8, 1) else { return };
    let said = server.said("failed: ");
    assert!(said.starts_with("cannot start worker 1 of 8: "), "{said}");
    assert!(said.contains("ulimit -u"), "{said}");
}

#[test]
fn a_supervisor_without_a_process_for_a_worker_tries_again() {
    let copy = Copy::of(&example_path("reactor_web"));
    // One thread is the supervisor's, the other writes its log.
    let Some(mut command) = limited(user(4), 2, &copy.path()) else { return };
    command.args(["--mode", "processes", "--workers", "1", "--bind", "127.0.0.1:0"]);
    let mut example = Example::spawn(command, 1);
    example.until_logged("cannot start a worker process");
    example.until_logged("cannot start a worker process");
    raise(user(4), example.child.id(), 100);
    example.until_logged("started");
    assert_eq!(get(&mut example.client(), "/plaintext").status, 200);
}

#[test]
fn an_example_serves_and_logs_without_a_thread_for_its_log() {
    let copy = Copy::of(&example_path("echo"));
    let Some(mut command) = limited(user(5), 1, &copy.path()) else { return };
    command.args(["--bind", "127.0.0.1:0"]);
    let mut example = Example::spawn(command, 1);
    example.until_logged("log level INFO");
    let mut client = example.client();
    exchange(&mut client, b"hello", b"hello");
    drop(client);
    raise(user(5), example.child.id(), 100);
    example.signal("TERM");
    let (code, log) = example.join();
    assert_eq!(code, Some(0));
    assert!(log.contains("stopping: "), "{log}");
}

/// Reports the outcome of its connection.
struct Dialer(&'static str, Sender<(&'static str, Result<(), Option<i32>>)>);

impl Handler for Dialer {
    fn on_open(&mut self, _: &mut Context<'_>) {
        self.1.send((self.0, Ok(()))).unwrap();
    }

    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }

    fn on_unreachable(&mut self, error: &io::Error, _: &mut Context<'_>) {
        self.1.send((self.0, Err(error.raw_os_error()))).unwrap();
    }
}

#[test]
fn a_full_queue_of_a_unix_socket_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("full");
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    listener.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    listener.listen(0).unwrap();
    let waiting: Vec<Socket> = (0..100)
        .map_while(|_| {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket.connect(&SockAddr::unix(&path).unwrap()).is_ok().then_some(socket)
        })
        .collect();
    assert!(waiting.len() < 100, "the queue is never full");

    let (sender, told) = channel();
    let other = Server::new().listen("127.0.0.1:0", |_| Echo).unwrap();
    let address = other.addresses()[0].clone();
    let server = other
        .limits(Limits::default().connect(Some(PATIENCE)))
        .connect(Address::Unix(path), Dialer("full", sender.clone()))
        .connect(address, Dialer("free", sender));
    let handle = server.handle();
    let thread = std::thread::spawn(move || server.run());
    // The full one was tried before it.
    assert_eq!(soon(&told), ("free", Ok(())));
    let accepted: Vec<_> = waiting.iter().map(|_| listener.accept().unwrap()).collect();
    assert_eq!(soon(&told), ("full", Ok(())));
    drop(accepted);
    handle.abort();
    thread.join().unwrap().unwrap();
}
