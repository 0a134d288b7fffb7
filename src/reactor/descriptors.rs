//! How many descriptors the process has and may have, as far as the system tells: Linux does, in
//! files (proc(5)).

use std::fs;

use crate::accept::Descriptors;

/// `None` if the system does not tell, or there is no limit.
pub(super) fn descriptors() -> Option<Descriptors> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let soft = line.split_whitespace().next()?;
    // The one that looks is in its own way.
    let open = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    Some(Descriptors { limit: soft.parse().ok()?, open })
}
