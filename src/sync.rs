//! The primitives that threads share state by, named once: `tests/model` includes the files that
//! use them and puts `loom`'s in their place.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
