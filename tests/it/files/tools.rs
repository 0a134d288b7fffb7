//! The tools of users against `reactor_web --root`: each test is skipped without its tool.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Output};

use super::directory;
use crate::support::real::{Example, get};

/// Runs a tool. Returns `None` if it is not installed.
fn run(tool: &str, arguments: &[&str]) -> Option<Output> {
    Command::new(tool).args(arguments).output().ok()
}

fn serve(root: &Path) -> (Example, String) {
    let root = root.to_str().unwrap();
    let example = Example::start("reactor_web", &["--root", root, "--listing"]);
    let url = format!("http://{}/files", example.addresses[0]);
    (example, url)
}

fn noise(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n ^ (n >> 9) ^ (n >> 15)) as u8).collect()
}

#[test]
fn curl_asks_for_ranges() {
    let content: String = (0..20_000).map(|n| format!("{n:05}")).collect();
    let dir = directory(&[("a.txt", &content)]);
    let (_server, url) = serve(dir.path());
    for (range, expected) in
        [("0-4", "00000"), ("99995-", "19999"), ("-5", "19999"), ("50-54", "00010")]
    {
        let Some(output) = run("curl", &["-sS", "-r", range, &format!("{url}/a.txt")]) else {
            return;
        };
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{range}");
    }
}

#[test]
fn downloads_continue() {
    let dir = tempfile::tempdir().unwrap();
    let content = noise(3_000_000);
    fs::write(dir.path().join("big"), &content).unwrap();
    let (_server, url) = serve(dir.path());
    let url = format!("{url}/big");
    let target = dir.path().join("target");
    let path = target.to_str().unwrap();
    let tools: [(&str, &[&str]); 3] = [
        ("curl", &["-sS", "-C", "-", "-o", path, &url]),
        ("wget", &["-q", "-c", "-O", path, &url]),
        ("aria2c", &["-q", "-c", "-x4", "-k1M", "-d/", "-o", &path[1..], &url]),
    ];
    for (tool, arguments) in tools {
        fs::write(&target, &content[..1_234_567]).unwrap();
        let Some(output) = run(tool, arguments) else { continue };
        assert!(output.status.success(), "{tool}: {output:?}");
        assert!(fs::read(&target).unwrap() == content, "{tool}");
    }
}

/// The most memory that a process has had, in KiB.
fn peak(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn a_gibibyte_needs_little_memory() {
    const LEN: u64 = 1 << 30;
    let dir = tempfile::tempdir().unwrap();
    let file = File::create(dir.path().join("sparse")).unwrap();
    file.set_len(LEN).unwrap();
    file.write_at(b"end", LEN - 3).unwrap();
    let (server, url) = serve(dir.path());
    let before = peak(server.child.id());
    let form = "%{http_code} %{size_download}";
    let arguments = ["-sS", "-o", "/dev/null", "-w", form, &format!("{url}/sparse")];
    let Some(output) = run("curl", &arguments) else { return };
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("200 {LEN}"));
    let grown = peak(server.child.id()) - before;
    assert!(grown < 4096, "{grown} KiB");
}

#[test]
fn the_example_lists_directories_on_request() {
    let dir = directory(&[("sub/a.txt", "hello")]);
    let (server, _) = serve(dir.path());
    let mut stream = server.client();
    assert!(get(&mut stream, "/files/").text().contains("./sub/"));
    assert_eq!(get(&mut stream, "/files/sub/a.txt").text(), "hello");
    drop(server);
    let server = Example::start("reactor_web", &["--root", dir.path().to_str().unwrap()]);
    assert_eq!(get(&mut server.client(), "/files/").status, 404);
}
