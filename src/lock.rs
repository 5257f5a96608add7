//! Taking a lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A lock whose holder panicked is taken all the same: what it guards is consistent after each call, and one resource's
/// panic must harm no other.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
