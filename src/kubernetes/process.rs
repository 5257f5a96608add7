//! This process, as reservations of refresh tokens name it.

use crate::time::Span;

/// This process, as reservations name it, with its monotonic clock.
pub(crate) struct Process {
    /// A random name, new at every start.
    pub(crate) name: String,
    /// How long it continues to write after it is asked to stop.
    pub(crate) drain: Span,
}
