//! The program of this process, to start it again. Must not know workers or sockets.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// Linux: the file that this process runs (proc_pid_exe(5)), even if its name has been removed, or
/// leads to another file. In a child that has not begun another program it is the same file.
const RUNNING: &str = "/proc/self/exe";

pub(super) struct Program {
    /// For the log, and for systems that can start a program only by its path.
    path: PathBuf,
}

impl Program {
    /// # Errors
    ///
    /// Returns the system's error if it cannot name the current program.
    pub(super) fn current() -> io::Result<Program> {
        Ok(Program { path: env::current_exe()? })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the command that starts the program with the arguments of this process.
    pub(super) fn again(&self) -> Command {
        let mut command = match cfg!(target_os = "linux") {
            true => Command::new(RUNNING),
            false => Command::new(&self.path),
        };
        let mut arguments = env::args_os();
        if let Some(name) = arguments.next() {
            command.arg0(name);
        }
        command.args(arguments);
        command
    }
}

/// Gives this process the name of its program in `ps` and `pkill`. The system has named it after
/// the last part of the path that started it: `exe`.
pub(super) fn name_process() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let path = env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let Some(name) = path.file_name() else { return };
    if let Err(error) = fs::write("/proc/self/comm", name.as_encoded_bytes()) {
        log::debug!("cannot name the process: {error}");
    }
}
