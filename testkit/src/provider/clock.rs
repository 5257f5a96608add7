//! The provider's clock: the only place here that reads one.

use jiff::{SignedDuration, Timestamp};

/// The time now.
#[expect(
    clippy::disallowed_methods,
    reason = "the scripted provider stands outside: it has a clock as real ones do"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// This many seconds as a duration; nonsense (NaN, beyond all bounds) is the nearest that fits.
pub(crate) fn seconds(seconds: f64) -> SignedDuration {
    SignedDuration::try_from_secs_f64(seconds.clamp(-1e12, 1e12)).unwrap_or(SignedDuration::ZERO)
}

/// `at` moved by `by`; beyond the bounds of time it stays at the bound.
pub(crate) fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}
