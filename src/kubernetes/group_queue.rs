//! Resources that other groups of operators serve, and those that are to be released.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use tokio::sync::Notify;

use crate::engine::Key;
use crate::lock::lock;

/// How many resources may wait to be released. Others are taken over later: before their tokens expire.
pub(super) const MOST_WAITING: usize = 10_000;

/// Resources of other groups, and those that leave ours.
#[derive(Default)]
pub(super) struct Groups {
    pub(super) others: Mutex<HashSet<Key>>,
    /// With the names of their token Secrets.
    pub(super) leaving: Mutex<HashMap<Key, String>>,
    pub(super) came: Notify,
}

impl Groups {
    /// How many selected resources other groups serve.
    pub(super) fn of_others(&self) -> usize {
        lock(&self.others).len()
    }

    /// This group serves it, or nobody does.
    pub(super) fn forget(&self, key: &Key) {
        lock(&self.others).remove(key);
    }
}
