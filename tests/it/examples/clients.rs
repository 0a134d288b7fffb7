//! The `chat_client` and `session_client` examples as users run them, with small servers made of
//! `std::net`.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use socket2::SockRef;

use crate::services::session::{GREETING, OTHER, ZERO};
use crate::support::output::{output_of, run_to_end};
use crate::support::real::{PATIENCE, accept, accept_unix, example_path, read_to_end, run_example};

const CHAT: &str = "chat_client";
const SESSION: &str = "session_client";

/// A server for one client: its address, and the thread that serves.
fn server<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = spawn(move || {
        let stream = accept(&listener);
        serve(stream)
    });
    (address, thread)
}

/// A client whose standard input is a pipe.
fn start(name: &str, arguments: &[&str]) -> (Child, ChildStdin) {
    let mut command = Command::new(example_path(name));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let stdin = child.stdin.take().unwrap();
    (child, stdin)
}

/// Runs a client to its end, with `input`.
fn run(name: &str, arguments: &[&str], input: &str) -> Output {
    let (child, mut stdin) = start(name, arguments);
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    output_of(child)
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Returns true if it ended with success and printed no error.
fn is_well(output: &Output) -> bool {
    output.status.code() == Some(0) && output.stderr.is_empty()
}

/// Checks that it ended with 1 and this line.
fn failed_with(output: &Output, line: &str) {
    assert_eq!((output.status.code(), err(output)), (Some(1), &*format!("{line}\n")));
}

#[test]
fn input_is_sent_and_output_is_printed() {
    let (address, server) = server(|mut stream| {
        stream.write_all("* 欢迎\n".as_bytes()).unwrap();
        // The end of the input is passed on, and the other direction stays open.
        let heard = read_to_end(&mut stream);
        stream.write_all(b"goodbye\n\xff\x1b[1m").unwrap();
        heard
    });
    let output = run(CHAT, &[&address], "hello\nno line end");
    assert_eq!(server.join().unwrap(), b"hello\nno line end");
    assert!(is_well(&output), "{output:?}");
    // A pipe gets the bytes unchanged.
    assert_eq!(output.stdout, ["* 欢迎\n".as_bytes(), b"goodbye\n\xff\x1b[1m"].concat());
}

#[test]
fn a_server_that_closes_ends_an_idle_chat() {
    let (address, server) = server(|mut stream| stream.write_all(b"closed for today\n").unwrap());
    let (child, stdin) = start(CHAT, &[&address]);
    let output = output_of(child);
    server.join().unwrap();
    assert!(is_well(&output), "{output:?}");
    assert_eq!(out(&output), "closed for today\n");
    drop(stdin);
}

#[test]
fn a_huge_input_passes_and_is_not_kept() {
    const SIZE: usize = 64 * 1024 * 1024;
    let (address, server) = server(|mut stream| {
        let mut buffer = vec![0; 1024 * 1024];
        let mut count = 0;
        loop {
            match stream.read(&mut buffer).unwrap() {
                0 => return count,
                n => count += buffer[..n].iter().filter(|byte| **byte == 0).count(),
            }
        }
    });
    let file = tempfile::tempfile().unwrap();
    file.set_len(SIZE as u64).unwrap();
    let mut command = Command::new(example_path(CHAT));
    let output = run_to_end(command.arg(&address).stdin(file));
    assert!(is_well(&output), "{output:?}");
    assert_eq!(server.join().unwrap(), SIZE);
}

/// A server that does not read blocks the input in the pipe, not in the client.
#[test]
#[cfg(target_os = "linux")]
fn unread_input_waits_outside_the_client() {
    let (go, going) = std::sync::mpsc::channel::<()>();
    let (address, server) = server(move |mut stream| {
        going.recv_timeout(PATIENCE).unwrap();
        read_to_end(&mut stream).len()
    });
    let (child, mut stdin) = start(CHAT, &[&address]);
    let pid = child.id();
    let resident_kib = move || -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    SockRef::from(&stdin).set_nonblocking(true).unwrap();
    let (piece, mut sent, mut refusals) = (vec![b'x'; 64 * 1024], 0, 0);
    while refusals < 20_000 {
        assert!(sent < 256 * 1024 * 1024, "nothing held it back");
        match stdin.write(&piece) {
            Ok(n) => (sent, refusals) = (sent + n, 0),
            Err(_) => {
                refusals += 1;
                std::thread::yield_now();
            }
        }
    }
    let resident_kib = resident_kib();
    assert!(resident_kib < 16 * 1024, "{resident_kib} KiB");
    drop(stdin);
    go.send(()).unwrap();
    assert_eq!(server.join().unwrap(), sent);
    assert!(is_well(&output_of(child)));
}

#[test]
fn once_prints_the_answer_and_ends() {
    // The server of the tutorial: one answer to any input, and the end.
    let (address, tutorial) = server(|mut stream| {
        let mut heard = [0; 1024];
        let len = stream.read(&mut heard).unwrap();
        stream.write_all("不要回答".as_bytes()).unwrap();
        heard[..len].to_vec()
    });
    let output = run_example(CHAT, &[&address, "--once", "yaoyao"]);
    assert_eq!(tutorial.join().unwrap(), b"yaoyao\n");
    assert!(is_well(&output), "{output:?}");
    assert_eq!(out(&output), "不要回答");

    // A server that stays open and would go on: the output until a pause is the answer.
    let (address, stays) = server(|mut stream| {
        stream.write_all(b"* welcome\n").unwrap();
        stream.read_exact(&mut [0; 3]).unwrap();
        stream.write_all(b"* ann bob\n").unwrap();
        read_to_end(&mut stream)
    });
    let output = run_example(CHAT, &["--once", "hi\n", "--wait", "0.5", &address]);
    assert!(is_well(&output), "{output:?}");
    assert_eq!(out(&output), "* welcome\n* ann bob\n");
    assert_eq!(stays.join().unwrap(), b"");
}

#[test]
fn once_ends_though_the_server_never_falls_silent() {
    let (address, server) = server(|mut stream| while stream.write_all(b"and on ").is_ok() {});
    let output = run_example(CHAT, &["--once", "hi", "--wait", "0.02", &address]);
    assert!(is_well(&output), "{output:?}");
    assert!(out(&output).starts_with("and on "));
    server.join().unwrap();
}

#[test]
fn no_answer_is_a_failure() {
    let (address, silent) = server(|mut stream| read_to_end(&mut stream));
    let output = run_example(CHAT, &["--once", "hi", "--wait", "0.05", &address]);
    failed_with(&output, "the server gave no answer");
    assert_eq!(silent.join().unwrap(), b"hi\n");
    let (address, closes) = server(|mut stream| stream.read_exact(&mut [0; 3]).unwrap());
    let output = run_example(CHAT, &["--once", "hi", "--wait", "0", &address]);
    failed_with(&output, "the server gave no answer");
    closes.join().unwrap();
}

#[test]
fn a_closed_standard_output_ends_a_client_quietly() {
    // It does not read either. The input stays below the watermark above which the client would
    // stop reading, and so not notice that its output is not read.
    let (address, server) = server(|mut stream| while stream.write_all(b"line\n").is_ok() {});
    let (mut child, mut stdin) = start(CHAT, &[&address]);
    let typist = spawn(move || {
        // The client may have ended before.
        let _ = stdin.write_all(&[b'x'; 32 * 1024]);
        stdin
    });
    child.stdout.take().unwrap().read_exact(&mut [0; 5]).unwrap();
    let output = output_of(child);
    assert!(is_well(&output), "{output:?}");
    server.join().unwrap();
    drop(typist.join().unwrap());
}

#[test]
#[cfg(target_os = "linux")]
fn an_output_that_fails_is_told() {
    for name in [CHAT, SESSION] {
        let (address, server) = server(|mut stream| {
            stream.write_all(b"hello\n").unwrap();
            let _ = stream.read(&mut [0]);
        });
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(example_path(name));
        command.arg(&address).stdin(Stdio::piped()).stdout(full).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        let output = output_of(child);
        let why = std::io::Error::from_raw_os_error(28);
        failed_with(&output, &format!("cannot write to standard output: {why}"));
        server.join().unwrap();
        drop(stdin);
    }
}

#[test]
fn an_input_that_cannot_be_read_is_reported() {
    let (address, server) = server(|mut stream| read_to_end(&mut stream));
    let folder = File::open(tempfile::tempdir().unwrap().path()).unwrap();
    let output = run_to_end(Command::new(example_path(CHAT)).arg(&address).stdin(folder));
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).starts_with("cannot read standard input: "), "{output:?}");
    assert_eq!(err(&output).lines().count(), 1);
    server.join().unwrap();
}

#[test]
fn a_missing_server_is_one_line_and_exit_1() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let path = format!("unix:{}", folder.path().join("missing").display());
    for name in [CHAT, SESSION] {
        for address in [&*unused, "nonexistent.invalid:1", &path] {
            let output = run_example(name, &[address]);
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            assert!(err(&output).starts_with(&format!("cannot connect to {address}: ")));
            assert_eq!((err(&output).lines().count(), out(&output)), (1, ""));
        }
    }
}

#[test]
fn a_lost_server_is_one_line_and_exit_1() {
    for name in [CHAT, SESSION] {
        let (address, server) = server(|mut stream| {
            stream.write_all(b"hello").unwrap();
            stream.read_exact(&mut [0; 1]).unwrap();
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        });
        let (child, mut stdin) = start(name, &[&address]);
        stdin.write_all(b"0\n").unwrap();
        let output = output_of(child);
        failed_with(&output, &format!("{address}: socket: connection reset"));
        server.join().unwrap();
        drop(stdin);
    }
}

/// The session server of the tutorial: one read is a command. Returns the commands.
fn tutorial(mut stream: TcpStream) -> Vec<String> {
    stream.write_all(GREETING.as_bytes()).unwrap();
    let mut commands = Vec::new();
    loop {
        let mut buffer = [0; 1024];
        let len = stream.read(&mut buffer).unwrap();
        let command = String::from_utf8(buffer[..len].to_vec()).unwrap();
        match command.as_str() {
            "" => return commands,
            "exit" => {}
            "0" => stream.write_all(ZERO.as_bytes()).unwrap(),
            _ => stream.write_all(OTHER.as_bytes()).unwrap(),
        }
        commands.push(command);
    }
}

#[test]
fn a_session_goes_to_and_fro() {
    for line_end in ["\n", "\r\n"] {
        let (address, server) = server(tutorial);
        let input = ["0", "", "你好", "exit", "too late"].map(|line| format!("{line}{line_end}"));
        let output = run(SESSION, &[&address], &input.concat());
        assert_eq!(server.join().unwrap(), ["0", "你好", "exit"]);
        assert!(is_well(&output), "{output:?}");
        assert_eq!(
            out(&output),
            format!(
                "receive: {GREETING}\nplease input: receive: {ZERO}\n\
                 please input: please input: receive: {OTHER}\nplease input: "
            )
        );
    }
}

#[test]
fn the_end_of_the_input_ends_a_session() {
    let (address, server) = server(tutorial);
    let output = run(SESSION, &[&address], "0");
    assert_eq!(server.join().unwrap(), ["0"]);
    assert!(is_well(&output), "{output:?}");
    assert!(out(&output).ends_with(&format!("receive: {ZERO}\nplease input: \n")));
}

#[test]
fn a_character_in_two_pieces_is_printed_whole() {
    let (address, server) = server(|mut stream| {
        // Each byte arrives in a separate read, as far as that can be ensured.
        SockRef::from(&stream).set_tcp_nodelay(true).unwrap();
        for byte in "我".as_bytes() {
            stream.write_all(&[*byte]).unwrap();
            std::thread::yield_now();
        }
        read_to_end(&mut stream)
    });
    let output = run(SESSION, &[&address], "exit\n");
    assert_eq!(out(&output), "receive: 我\nplease input: ");
    assert_eq!(server.join().unwrap(), b"exit");
    assert!(is_well(&output), "{output:?}");
}

#[test]
fn a_server_that_ends_the_session_is_reported_at_the_prompt() {
    let (address, server) = server(|mut stream| stream.write_all(b"bye\r\n").unwrap());
    let (child, stdin) = start(SESSION, &[&address]);
    let output = output_of(child);
    server.join().unwrap();
    failed_with(&output, &format!("{address}: the server has ended the session"));
    assert_eq!(out(&output), "receive: bye\nplease input: \n");
    drop(stdin);
}

#[test]
fn output_at_the_prompt_waits_for_the_next_answer() {
    let (typed, is_typed) = std::sync::mpsc::channel();
    let (address, server) = server(move |mut stream| {
        stream.write_all(b"one").unwrap();
        is_typed.recv_timeout(PATIENCE).unwrap();
        stream.write_all(b"two").unwrap();
        stream.read_exact(&mut [0; 1]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        read_to_end(&mut stream)
    });
    let (mut child, mut stdin) = start(SESSION, &[&address]);
    let mut stdout = child.stdout.take().unwrap();
    let mut shown = vec![0; "receive: one\nplease input: ".len()];
    stdout.read_exact(&mut shown).unwrap();
    typed.send(()).unwrap();
    stdin.write_all(b"0\n").unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "receive: two\nplease input: \n");
    failed_with(&output_of(child), &format!("{address}: the server has ended the session"));
    assert_eq!(server.join().unwrap(), b"");
}

#[test]
fn clients_connect_to_unix_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let server = spawn(move || {
        let mut stream = accept_unix(&listener);
        let heard = read_to_end(&mut stream);
        stream.write_all(b"good day\n").unwrap();
        heard
    });
    let output = run(CHAT, &[&format!("unix:{}", path.display())], "hello\n");
    assert_eq!(server.join().unwrap(), b"hello\n");
    assert!(is_well(&output), "{output:?}");
    assert_eq!(out(&output), "good day\n");
}

#[test]
fn help_to_a_closed_pipe_does_not_panic() {
    for name in [CHAT, SESSION, "reactor_web"] {
        let (out, reader) = UnixStream::pair().unwrap();
        drop(reader);
        let mut command = Command::new(example_path(name));
        let command = command.arg("--help").stdout(OwnedFd::from(out)).stderr(Stdio::piped());
        let output = output_of(command.spawn().unwrap());
        assert!(is_well(&output), "{output:?}");
    }
}

#[test]
fn help_tells_every_option_and_bad_arguments_get_one_line() {
    let options = ["--once", "--wait", "--connect-timeout", "--help", "127.0.0.1:9999", "try it"];
    for (name, options) in
        [(CHAT, &options[..]), (SESSION, &["--connect-timeout", "--help", "127.0.0.1:8009"])]
    {
        let output = run_example(name, &["--help"]);
        assert!(is_well(&output), "{output:?}");
        for option in options {
            assert!(out(&output).contains(option), "{name}: {option}");
        }
        for arguments in [
            &["--bogus"][..],
            &["localhost"],
            &["a:1", "b:2"],
            &["--connect-timeout", "-1"],
            &["-x"],
        ] {
            let output = run_example(name, arguments);
            assert_eq!(output.status.code(), Some(2), "{output:?}");
            assert_eq!((err(&output).lines().count(), out(&output)), (1, ""));
        }
    }
}
