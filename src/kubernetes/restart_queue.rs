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
    pub(super) waiting: Mutex<HashMap<Key, Arc<Waiting>>>,
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
pub(super) struct Waiting {
    /// Its token was published by this process.
    pub(super) is_new: AtomicBool,
    /// Another look was requested since the last one began.
    pub(super) is_asked: AtomicBool,
    pub(super) came: Notify,
}

impl Waiting {
    pub(super) fn ask(&self, is_new: bool) {
        self.is_new.fetch_or(is_new, Ordering::AcqRel);
        self.is_asked.store(true, Ordering::Release);
        self.came.notify_one();
    }
}
