//! Whether the operator's role allows to replace statuses. A role of an earlier version allows only to patch them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// For how long statuses are patched after the API server did not allow to replace one.
const PATCHED: Duration = Duration::from_secs(600);

/// Whether the role allows to replace a status.
#[derive(Default)]
pub(super) struct Replacing {
    /// Until when it does not, in seconds of the monotonic clock.
    not_until: AtomicU64,
}

impl Replacing {
    /// Whether a status may be replaced now.
    pub(super) fn is_allowed(&self, elapsed: Duration) -> bool {
        elapsed.as_secs() >= self.not_until.load(Ordering::Relaxed)
    }

    /// The API server refused a replacement. Returns whether this is news.
    pub(super) fn refused(&self, elapsed: Duration) -> bool {
        let until = (elapsed + PATCHED).as_secs();
        let before = self.not_until.swap(until, Ordering::Relaxed);
        before <= elapsed.as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_role_does_not_allow_to_replace_that_is_tried_again_later() {
        let replacing = Replacing::default();
        let at = |seconds| Duration::from_secs(seconds);
        assert!(replacing.is_allowed(at(0)));
        assert!(replacing.refused(at(5)), "it is news");
        assert!(!replacing.refused(at(6)), "it is known");
        assert!(!replacing.is_allowed(at(604)) && replacing.is_allowed(at(606)));
        assert!(replacing.refused(at(700)), "it is news again");
    }
}
