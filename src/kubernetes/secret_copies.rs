//! Copies of Secrets that several resources use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::index::SecretId;
use crate::lock::lock;
use crate::model::SecretSeen;
use crate::time::{Span, Time};

/// The maximum age of a copy.
pub(crate) const FRESH: Span = Span::from_seconds(30);

/// The maximum size of all copies in bytes; others are read each time.
pub(crate) const MOST_BYTES: usize = 8 << 20;

/// The maximum size of the copies of one namespace.
pub(crate) const MOST_BYTES_OF_ONE: usize = MOST_BYTES / 4;

/// The copies.
#[derive(Default)]
pub(crate) struct SecretReads(pub(super) Mutex<HashMap<SecretId, Arc<SharedCopy>>>);

/// The copy of one Secret, behind a lock that is held during the read: concurrent callers wait for it.
pub(crate) struct SharedCopy {
    pub(super) namespace: String,
    pub(super) copy: tokio::sync::Mutex<Option<Copy>>,
    /// The size of the copy, and when it was read.
    pub(super) held: Mutex<(usize, Time)>,
}

pub(crate) struct Copy {
    pub(super) at: Time,
    pub(super) version: u64,
    pub(super) content: u64,
    pub(super) secret: SecretSeen,
}

impl SecretReads {
    pub(super) fn slot(&self, namespace: &str, id: SecretId, now: Time) -> Arc<SharedCopy> {
        let mut slots = lock(&self.0);
        let slot = slots.entry(id).or_insert_with(|| {
            Arc::new(SharedCopy {
                namespace: namespace.to_owned(),
                copy: tokio::sync::Mutex::default(),
                held: Mutex::new((0, now)),
            })
        });
        Arc::clone(slot)
    }

    /// Whether a copy of this size may be kept.
    pub(super) fn has_room(&self, namespace: &str, bytes: usize) -> bool {
        let slots = lock(&self.0);
        let (mut all, mut own) = (bytes, bytes);
        for slot in slots.values() {
            let held = lock(&slot.held).0;
            all += held;
            if slot.namespace == namespace {
                own += held;
            }
        }
        all <= MOST_BYTES && own <= MOST_BYTES_OF_ONE
    }

    /// Drops copies that are no longer used.
    pub(crate) fn sweep(&self, now: Time) {
        let mut slots = lock(&self.0);
        slots.retain(|_, slot| {
            let age = now.since(lock(&slot.held).1);
            Arc::strong_count(slot) > 1 || (age >= Span::ZERO && age < FRESH)
        });
        if slots.is_empty() {
            *slots = HashMap::new();
        }
    }
}

pub(crate) fn size(secret: &SecretSeen) -> usize {
    let data = secret.data.iter();
    let data: usize = data.map(|(key, value)| key.len() + value.len()).sum();
    let texts = secret.annotations.iter().chain(&secret.labels);
    let texts: usize = texts.map(|(key, value)| key.len() + value.len()).sum();
    data + texts + 512
}
