//! The synchronization primitives of this crate, named once: `tests/model` includes the files that
//! use them and replaces them by those of `loom`.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
