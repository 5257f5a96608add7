//! Times and spans that never overflow, whatever a script says.

use jiff::{SignedDuration, Timestamp};

/// This many seconds as a duration; nonsense (NaN, beyond all bounds) is the nearest that fits.
pub(crate) fn seconds(seconds: f64) -> SignedDuration {
    SignedDuration::try_from_secs_f64(seconds.clamp(-1e12, 1e12)).unwrap_or(SignedDuration::ZERO)
}

/// `at` moved by `by`; beyond the bounds of time it stays where it is.
pub(crate) fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(at)
}
