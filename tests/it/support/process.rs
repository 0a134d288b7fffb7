//! Examples as processes: their workers, and means to stop and continue them.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::real::{Example, command, example_path, exchange};
use crate::support::waiting::until;

/// Starts `program` with `count` workers, on a port and on `path` if given, and waits until the
/// workers run.
pub(crate) fn supervise(
    program: &Path,
    workers: usize,
    path: Option<&Path>,
    arguments: &[&str],
) -> Example {
    let mut command = command(program);
    command.args(["--mode", "processes", "--workers", &workers.to_string()]);
    command.args(["--bind", "127.0.0.1:0"]).args(arguments);
    if let Some(path) = path {
        command.arg("--bind").arg(format!("unix:{}", path.display()));
    }
    let mut example = Example::spawn(command, 1 + usize::from(path.is_some()));
    (0..workers).for_each(|_| drop(example.until_logged("started")));
    example
}

/// A folder with a copy of an example, which can be changed, removed and replaced.
pub(crate) struct Folder {
    program: PathBuf,
    _folder: tempfile::TempDir,
}

impl Folder {
    pub(crate) fn with_copy_of(example: &str) -> Folder {
        let original = example_path(example);
        let folder = tempfile::tempdir_in(original.parent().unwrap()).unwrap();
        let program = folder.path().join(example);
        // By another process: a child of another test could keep the file open for writing, and it
        // could not be run (ETXTBSY).
        let copied = Command::new("cp").arg(original).arg(&program).status().unwrap();
        assert!(copied.success());
        Folder { program, _folder: folder }
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }
}

/// The process ids of the workers.
pub(crate) fn workers(example: &Example) -> Vec<u32> {
    children(example.child.id())
}

fn children(id: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    children.split_whitespace().map(|id| id.parse().unwrap()).collect()
}

pub(crate) fn signal(id: u32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &id.to_string()]).status().unwrap();
    assert!(status.success(), "no process {id} to send {name} to");
}

/// The state of a process (proc_pid_stat(5)): `R`, `S`, `T`, `Z` and others.
pub(crate) fn state(id: u32) -> char {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
}

/// Stops a process, and waits until it has stopped: a signal takes effect some time after it was
/// sent.
pub(crate) fn halt(id: u32) {
    signal(id, "STOP");
    until("the process is stopped", || match state(id) {
        'T' => Ok(()),
        other => Err(other),
    });
}

/// A process and its workers, stopped until this value is dropped.
pub(crate) struct Halted(Vec<u32>);

impl Halted {
    pub(crate) fn all_of(own: u32) -> Halted {
        halt(own);
        let workers = children(own);
        workers.iter().for_each(|id| halt(*id));
        Halted(workers.into_iter().chain([own]).collect())
    }
}

impl Drop for Halted {
    fn drop(&mut self) {
        self.0.iter().for_each(|id| signal(*id, "CONT"));
    }
}

/// A client in the middle of a request that a worker has begun to read.
pub(crate) fn uploading(example: &Example) -> TcpStream {
    let mut client = example.client();
    let head =
        "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(exchange(&mut client, head).status, 100);
    client
}
