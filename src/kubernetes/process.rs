//! This process, as claims on refresh tokens name it.

use crate::time::Span;

/// This process, as claims name it and as it keeps time.
pub(crate) struct Process {
    /// A random name, new at every start.
    pub(crate) name: String,
    /// How long it goes on writing what it has in hand once it is told to end.
    pub(crate) drain: Span,
}
