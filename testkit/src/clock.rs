//! The one place of the test kit that reads a clock.

use jiff::Timestamp;
use std::time::{Duration, Instant};

/// A stopwatch that runs from the moment it is made.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts one.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place of the test kit that reads it"
    )]
    pub fn start() -> Self {
        Stopwatch(Instant::now())
    }

    /// How long it has been running.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The wall clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place of the test kit that reads it"
)]
pub fn now() -> Timestamp {
    Timestamp::now()
}
