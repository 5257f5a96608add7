//! The resources whose workloads may lack their token: one entry for each, whatever was published meanwhile.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::engine::Key;
use crate::fair::FairSemaphore;

/// How many resources have their workloads looked at, at once.
const MOST_AT_ONCE: usize = 8;

/// The resources whose workloads may lack their token.
pub(super) struct Restarts {
    pub(super) waiting: Mutex<HashMap<Key, Arc<PendingRestart>>>,
    pub(super) at_once: FairSemaphore,
}

impl Default for Restarts {
    fn default() -> Self {
        Restarts {
            waiting: Mutex::default(),
            at_once: FairSemaphore::new(MOST_AT_ONCE),
        }
    }
}

/// One resource that waits.
#[derive(Default)]
pub(super) struct PendingRestart {
    /// Its token was published by this process.
    pub(super) is_new: AtomicBool,
    /// Another look was requested since the last one began.
    pub(super) is_requested: AtomicBool,
    pub(super) requested: Notify,
}

impl PendingRestart {
    pub(super) fn request(&self, is_new: bool) {
        self.is_new.fetch_or(is_new, Ordering::AcqRel);
        self.is_requested.store(true, Ordering::Release);
        self.requested.notify_one();
    }
}
