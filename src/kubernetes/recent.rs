//! Resources as they were last seen, kept for their next reconcile where that is soon: neither a burst of new resources nor
//! the refresh of short-lived tokens reads them again.
//!
//! A kept resource is used only if no watch has reported a newer version of it. Nothing is kept while the watch is
//! interrupted, and nothing for long: objects of a large fleet would take more memory than everything else.

use std::collections::HashMap;

use crate::engine::Key;
use crate::index::ordered;
use crate::kubernetes::stored::StoredResource;
use crate::time::{Span, Time};

/// How long a resource from a watch is kept: its reconcile is due, and waits for its turn.
pub(super) const KEPT_FOR: Span = Span::from_seconds(60);
/// How far away the next refresh of a resource may be that is kept for it.
pub(super) const SOON: Span = Span::from_seconds(300);
/// How many bytes are kept.
const MOST_BYTES: usize = 8 << 20;
/// How many of them may be of one namespace: all but a quarter.
const MOST_BYTES_OF_ONE: usize = MOST_BYTES - MOST_BYTES / 4;
/// What an entry takes beside its JSON, about.
const ENTRY: usize = 128;

/// The kept resources, as JSON, which takes a fraction of their size in memory.
#[derive(Default)]
pub(super) struct Recent {
    objects: HashMap<Key, CachedResource>,
    bytes: usize,
    of_namespaces: HashMap<String, usize>,
}

struct CachedResource {
    until: Time,
    version: u64,
    json: Box<[u8]>,
}

impl Recent {
    /// Keeps a resource until that time, if there is room. One that was not decoded completely is read again instead.
    pub(super) fn insert(&mut self, key: &Key, stored: &StoredResource, until: Time) {
        self.forget(key);
        let whole = stored.problem.is_none() && !stored.unknown_status;
        let json = whole.then(|| serde_json::to_vec(&stored.object).ok());
        let Some(json) = json.flatten() else { return };
        let size = json.len() + ENTRY;
        let own = self.of_namespaces.get(key.namespace()).copied();
        let own = own.unwrap_or_default() + size;
        if self.bytes + size > MOST_BYTES || own > MOST_BYTES_OF_ONE {
            return;
        }
        self.bytes += size;
        self.of_namespaces.insert(key.namespace().to_owned(), own);
        let cached = CachedResource {
            until,
            version: version(stored),
            json: json.into(),
        };
        self.objects.insert(key.clone(), cached);
    }

    /// The kept resource, if it is at least as new as `seen`.
    pub(super) fn get(&self, key: &Key, seen: u64, now: Time) -> Option<StoredResource> {
        let cached = self.objects.get(key)?;
        let fresh = now < cached.until && cached.version >= seen;
        let object = fresh.then(|| serde_json::from_slice(&cached.json).ok())?;
        Some(StoredResource {
            object: object?,
            problem: None,
            unknown_status: false,
        })
    }

    /// A watch has reported this resource, and there is nothing to do about it: a copy of another version is dropped.
    pub(super) fn reported(&mut self, key: &Key, stored: &StoredResource) {
        let other = |cached: &CachedResource| cached.version != version(stored);
        if self.objects.get(key).is_some_and(other) {
            self.forget(key);
        }
    }

    /// Its next reconcile is later than it was, or earlier.
    pub(super) fn keep_until(&mut self, key: &Key, until: Time) {
        if let Some(cached) = self.objects.get_mut(key) {
            cached.until = until;
        }
    }

    /// Drops a resource.
    pub(super) fn forget(&mut self, key: &Key) {
        let Some(cached) = self.objects.remove(key) else {
            return;
        };
        let size = cached.json.len() + ENTRY;
        self.bytes -= size;
        if let Some(own) = self.of_namespaces.get_mut(key.namespace()) {
            *own -= size;
            if *own == 0 {
                self.of_namespaces.remove(key.namespace());
            }
        }
    }

    /// Drops what is kept no longer.
    pub(super) fn sweep(&mut self, now: Time) {
        let over: Vec<Key> = self
            .objects
            .iter()
            .filter(|(_, cached)| cached.until <= now)
            .map(|(key, _)| key.clone())
            .collect();
        for key in over {
            self.forget(&key);
        }
        if self.objects.is_empty() {
            *self = Recent::default();
        }
    }

    /// Drops everything: the watch is interrupted, so that nobody notices changes.
    pub(super) fn clear(&mut self) {
        *self = Recent::default();
    }
}

fn version(stored: &StoredResource) -> u64 {
    ordered(stored.object.metadata.resource_version.as_deref())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Time = Time::from_seconds(1000);

    fn stored(version: u64, filling: usize) -> StoredResource {
        let object = json!({
            "apiVersion": "oauthclient.dev/v1alpha1",
            "kind": "OAuthClient",
            "metadata": {"name": "a", "namespace": "n", "resourceVersion": version.to_string()},
            "spec": {
                "provider": {"tokenURL": "https://auth.example.com/token"},
                "tokenSecret": {"name": "t", "data": {"filling": "x".repeat(filling)}},
            },
        });
        serde_json::from_value(object).unwrap()
    }

    fn key(number: usize) -> Key {
        Key::new("n", &format!("a{number}"))
    }

    #[test]
    fn a_copy_is_used_until_its_time_and_never_after_a_newer_version_was_seen() {
        let mut recent = Recent::default();
        recent.insert(&key(0), &stored(7, 1), NOW + KEPT_FOR);
        let cached = |recent: &Recent, seen, now| recent.get(&key(0), seen, now).is_some();
        assert!(cached(&recent, 7, NOW) && cached(&recent, 0, NOW));
        assert!(!cached(&recent, 8, NOW) && !cached(&recent, 7, NOW + KEPT_FOR));
        recent.keep_until(&key(0), NOW + KEPT_FOR + KEPT_FOR);
        assert!(cached(&recent, 7, NOW + KEPT_FOR));
        recent.reported(&key(0), &stored(7, 1));
        assert!(cached(&recent, 7, NOW));
        recent.reported(&key(0), &stored(8, 1));
        assert!(!cached(&recent, 7, NOW));
        recent.insert(&key(0), &stored(8, 1), NOW + KEPT_FOR);
        recent.clear();
        assert!(!cached(&recent, 0, NOW));
    }

    #[test]
    fn what_this_version_does_not_know_completely_is_not_kept() {
        let mut recent = Recent::default();
        let unknown = StoredResource {
            unknown_status: true,
            ..stored(1, 1)
        };
        recent.insert(&key(0), &unknown, NOW + KEPT_FOR);
        assert!(recent.get(&key(0), 0, NOW).is_none());
    }

    #[test]
    fn one_namespace_leaves_room_for_another_and_all_of_it_is_given_back() {
        let mut recent = Recent::default();
        let large = stored(1, 100_000);
        for number in 0..200 {
            recent.insert(&key(number), &large, NOW + KEPT_FOR);
        }
        assert!(recent.bytes <= MOST_BYTES_OF_ONE && recent.bytes > MOST_BYTES / 2);
        let other = Key::new("other", "a");
        recent.insert(&other, &large, NOW + SOON);
        assert!(recent.get(&other, 1, NOW).is_some());
        recent.sweep(NOW + KEPT_FOR);
        assert_eq!(recent.objects.len(), 1);
        recent.forget(&other);
        assert_eq!((recent.bytes, recent.of_namespaces.len()), (0, 0));
    }
}
