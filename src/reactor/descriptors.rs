//! The number and the limit of the process's file descriptors, where available: on Linux, from
//! files (proc(5)).

use std::fs;

use crate::accept::Descriptors;

/// Returns `None` if the system does not provide it, or there is no limit.
pub(crate) fn descriptors() -> Option<Descriptors> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let soft = line.split_whitespace().next()?;
    // Without the descriptor of this directory.
    let open = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    Some(Descriptors { limit: soft.parse().ok()?, open })
}
