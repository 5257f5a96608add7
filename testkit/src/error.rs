//! The only error type of the test kit: a sentence for the reader of a failed test.

use std::fmt;

/// What went wrong, where, and what to do about it.
///
/// Nobody decides on the kind of a test kit's failure, so there is one kind. `Debug` prints the sentence as it is, for `unwrap` to
/// show it readably.
#[derive(Clone, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl Error {
    /// An error that says `what`.
    pub fn new(what: impl fmt::Display) -> Self {
        Error(what.to_string())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The result of everything in the test kit that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Puts what was being done in front of what went wrong.
pub trait Context<T> {
    /// `what` is evaluated only on failure and is followed by a colon and the cause.
    fn context<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T>;
}

impl<T, E: std::error::Error> Context<T> for std::result::Result<T, E> {
    fn context<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|error| {
            let mut text = format!("{}: {error}", what());
            let mut cause = error.source();
            while let Some(error) = cause {
                let next = error.to_string();
                // Many errors repeat their cause in their own text.
                if !text.contains(&next) {
                    text.push_str(": ");
                    text.push_str(&next);
                }
                cause = error.source();
            }
            Error(text)
        })
    }
}

impl<T> Context<T> for Option<T> {
    fn context<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T> {
        self.ok_or_else(|| Error::new(what()))
    }
}
