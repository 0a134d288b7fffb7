//! The `echo` example as users run it, on every kind of address.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::Command;

use socketserver::Address;

use crate::net::datagrams::{client, ping};
use crate::net::listening::has_ipv6;
use crate::net::packets_real;
use crate::support::real::{
    Example, PATIENCE, connect, example_path, read_to_end, run_example, tcp,
};

const NAME: &str = "echo";

fn start(binds: &[String], arguments: &[&str]) -> Example {
    let mut command = Command::new(example_path(NAME));
    command.args(arguments);
    for bind in binds {
        command.args(["--bind", bind]);
    }
    Example::spawn(command, binds.len())
}

fn exchange(stream: &mut (impl Read + Write), text: &[u8]) {
    stream.write_all(text).unwrap();
    let mut back = vec![0; text.len()];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(back, text);
}

#[test]
fn every_kind_of_address_is_served_by_one_process() {
    serve_every_kind_of_address(&[]);
}

#[test]
fn every_kind_of_address_is_served_by_worker_processes() {
    serve_every_kind_of_address(&["--mode", "processes", "--workers", "2"]);
}

fn serve_every_kind_of_address(arguments: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut binds = vec![
        "127.0.0.1:0".to_owned(),
        "udp:127.0.0.1:0".to_owned(),
        format!("unix:{}", path("stream").display()),
        format!("unixgram:{}", path("datagrams").display()),
        format!("seqpacket:{}", path("packets").display()),
    ];
    if has_ipv6() {
        binds.extend(["[::1]:0".to_owned(), "udp:[::1]:0".to_owned()]);
    }
    let example = start(&binds, arguments);
    for address in &example.addresses {
        match address {
            Address::Tcp(_) => exchange(&mut connect(tcp(address)), b"hello"),
            Address::Udp(_) => ping(&client(std::slice::from_ref(address)), b"hello"),
            Address::Unix(path) => {
                let mut stream = UnixStream::connect(path).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                exchange(&mut stream, b"hello");
            }
            Address::UnixGram(path) => {
                let client = UnixDatagram::bind(folder.path().join("client")).unwrap();
                client.set_read_timeout(Some(PATIENCE)).unwrap();
                client.send_to(b"hello", path).unwrap();
                let mut back = [0; 9];
                assert_eq!(client.recv(&mut back).unwrap(), 5);
                assert_eq!(&back[..5], b"hello");
            }
            Address::SeqPacket(path) => {
                let client = packets_real::client(path);
                client.send(b"hello").unwrap();
                client.send(b"again").unwrap();
                assert_eq!(packets_real::packet(&client), b"hello");
                assert_eq!(packets_real::packet(&client), b"again");
            }
            other => panic!("{other}"),
        }
    }
    example.signal("TERM");
    assert_eq!(example.join().0, Some(0));
    assert!(["stream", "datagrams", "packets"].iter().all(|name| !path(name).exists()));
}

#[test]
fn input_before_the_end_comes_back_before_the_end() {
    let example = Example::start(NAME, &["--log", "off"]);
    let mut client = example.client();
    client.write_all(b"hello").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut client), b"hello");
}

#[test]
fn its_default_and_all_its_options_are_in_the_help() {
    let output = run_example(NAME, &["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    for known in [
        "127.0.0.1:7007",
        "udp:",
        "unixgram:",
        "seqpacket:",
        "--bind",
        "--mode",
        "--workers",
        "--max-connections",
        "--max-connections-per-peer",
        "--idle-timeout",
        "--drain-timeout",
        "--log",
    ] {
        assert!(help.contains(known), "{known}");
    }
}

/// Returns the only line on standard error; standard output must be empty.
fn refused(name: &str, bind: &str, code: i32) -> String {
    let output = run_example(name, &["--bind", bind]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert_eq!((said.lines().count(), output.stdout.as_slice()), (1, b"".as_slice()), "{said}");
    said
}

#[test]
fn an_address_that_cannot_be_served_is_reported_in_one_line() {
    assert!(refused(NAME, "udp:localhost:7007", 2).contains("'udp:localhost:7007' has a name"));
    assert!(refused(NAME, "udp:127.0.0.1", 2).contains("has no port"));
    assert!(refused("reactor_web", "udp:127.0.0.1:0", 2).contains("is for datagrams"));
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = format!("udp:{}", taken.local_addr().unwrap());
    assert!(refused(NAME, &taken, 1).contains("in use"));
    assert!(refused(NAME, "rdm:127.0.0.1:0", 2).contains("udp:ADDR"));
}
