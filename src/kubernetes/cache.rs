//! What the process keeps about each resource between two reconciles, and what arrives during one.

use std::collections::HashMap;

use crate::engine::Key;
use crate::model::{
    FailedAttempt, FamilyMemory, Fingerprint, IntactToken, Memory, Repairs, WrittenVersion,
};
use crate::time::Time;

/// All entries. Each belongs to one object, by UID: the watch creates and removes it, so a recreated resource inherits
/// nothing, even from work in progress.
#[derive(Default)]
pub(super) struct MemoryCache(HashMap<Key, CachedMemory>);

/// The entry of one resource. A reconcile takes a copy and returns it changed at its end. What watches report in
/// between is noted separately, so that the copy does not overwrite it.
#[derive(Default)]
struct CachedMemory {
    /// Hash of the object's UID.
    uid: u64,
    memory: CompactMemory,
    /// Reported since the reconcile began: the token Secret was deleted.
    gone: bool,
    /// Reported since the reconcile began: the resource names another token Secret.
    moved: bool,
}

/// A compact [`Memory`], because most fields are empty for most resources.
#[derive(Default)]
struct CompactMemory {
    fingerprint: Option<Fingerprint>,
    last_sent: Option<Time>,
    written: Option<WrittenVersion>,
    intact: Option<IntactToken>,
    deletion_reported: bool,
    rare: Option<Box<RareFields>>,
}

/// The fields for resources with a problem or a refresh token.
#[derive(Clone, Default)]
struct RareFields {
    attempt: Option<Box<FailedAttempt>>,
    repairs: Repairs,
    target_claimed_by: Option<String>,
    finalize_attempts: u32,
    stale_reads: u32,
    large_response: u32,
    family: FamilyMemory,
}

impl RareFields {
    fn is_empty(&self) -> bool {
        self.attempt.is_none()
            && self.repairs.count == 0
            && self.target_claimed_by.is_none()
            && (
                self.finalize_attempts,
                self.stale_reads,
                self.large_response,
            ) == (0, 0, 0)
            && self.family.foreign_reservation.is_none()
            && self.family.outcomes.is_empty()
            && self.family.dpop_nonces.is_empty()
    }
}

impl From<Memory> for CompactMemory {
    fn from(memory: Memory) -> Self {
        // Destructured by name, so that no new field is forgotten here.
        let Memory {
            attempt,
            fingerprint,
            repairs,
            target_claimed_by,
            last_sent,
            written,
            intact,
            deletion_reported,
            finalize_attempts,
            stale_reads,
            large_response,
            family,
        } = memory;
        let rare = RareFields {
            attempt,
            repairs,
            target_claimed_by,
            finalize_attempts,
            stale_reads,
            large_response,
            family,
        };
        CompactMemory {
            fingerprint,
            last_sent,
            written,
            intact,
            deletion_reported,
            rare: (!rare.is_empty()).then(|| Box::new(rare)),
        }
    }
}

impl CompactMemory {
    fn expanded(&self) -> Memory {
        let rare = self.rare.as_deref().cloned().unwrap_or_default();
        Memory {
            attempt: rare.attempt,
            fingerprint: self.fingerprint,
            repairs: rare.repairs,
            target_claimed_by: rare.target_claimed_by,
            last_sent: self.last_sent,
            written: self.written,
            intact: self.intact,
            deletion_reported: self.deletion_reported,
            finalize_attempts: rare.finalize_attempts,
            stale_reads: rare.stale_reads,
            large_response: rare.large_response,
            family: rare.family,
        }
    }

    fn forget_target(&mut self) {
        self.written = None;
        self.intact = None;
        self.deletion_reported = false;
        if let Some(rare) = &mut self.rare {
            rare.stale_reads = 0;
        }
    }
}

impl MemoryCache {
    /// A reconcile begins: its reads include everything reported so far.
    pub(super) fn reconcile_started(&mut self, key: &Key) {
        if let Some(cached) = self.0.get_mut(key) {
            (cached.gone, cached.moved) = (false, false);
        }
    }

    /// The watch reported this object: the entry of another one with its name is removed.
    pub(super) fn appeared(&mut self, key: &Key, uid: u64) {
        match self.0.get_mut(key) {
            Some(cached) if cached.uid == uid => {}
            Some(cached) => {
                *cached = CachedMemory {
                    uid,
                    ..CachedMemory::default()
                }
            }
            None => {
                let cached = CachedMemory {
                    uid,
                    ..CachedMemory::default()
                };
                self.0.insert(key.clone(), cached);
            }
        }
    }

    /// A copy of the entry of this object.
    pub(super) fn get(&self, key: &Key, uid: u64) -> Memory {
        let cached = self.0.get(key).filter(|cached| cached.uid == uid);
        cached
            .map(|cached| cached.memory.expanded())
            .unwrap_or_default()
    }

    /// Stores what work on this object leaves, with what was reported meanwhile. Nothing, if the object is gone.
    pub(super) fn put(&mut self, key: &Key, uid: u64, memory: Memory) {
        let Some(cached) = self.0.get_mut(key).filter(|cached| cached.uid == uid) else {
            return;
        };
        cached.memory = memory.into();
        if cached.moved {
            cached.memory.forget_target();
        }
        cached.memory.deletion_reported |= cached.gone;
    }

    /// The watch reported that the token Secret of this resource was deleted; `owner` is its owner, if known.
    pub(super) fn deletion_reported(&mut self, key: &Key, owner: Option<u64>) {
        let own = |cached: &&mut CachedMemory| owner.is_none_or(|owner| owner == cached.uid);
        let Some(cached) = self.0.get_mut(key).filter(own) else {
            return;
        };
        cached.memory.deletion_reported = true;
        cached.gone = true;
    }

    /// The resource names another token Secret: the entry about the old one does not apply to it.
    pub(super) fn target_moved(&mut self, key: &Key) {
        if let Some(cached) = self.0.get_mut(key) {
            cached.memory.forget_target();
            (cached.gone, cached.moved) = (false, true);
        }
    }

    /// The resource is gone.
    pub(super) fn forget(&mut self, key: &Key) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Memory {
        let written = WrittenVersion {
            uid: 1,
            resource_version: 2,
        };
        Memory {
            written: Some(written),
            ..Memory::default()
        }
    }

    fn known() -> MemoryCache {
        let mut memories = MemoryCache::default();
        memories.appeared(&Key::new("n", "a"), 7);
        memories
    }

    #[test]
    fn a_resource_that_is_made_anew_inherits_nothing_also_while_work_goes_on() {
        let (mut memories, key) = (known(), Key::new("n", "a"));
        memories.put(&key, 7, written());
        memories.reconcile_started(&key);
        memories.appeared(&key, 8);
        assert!(memories.get(&key, 8).written.is_none());
        // The work on its predecessor ends, and its token Secret is deleted.
        memories.put(&key, 7, written());
        memories.deletion_reported(&key, Some(7));
        let memory = memories.get(&key, 8);
        assert!(memory.written.is_none() && !memory.deletion_reported);
        assert!(memories.get(&key, 7).written.is_none());
        memories.put(&key, 8, written());
        assert!(memories.get(&key, 8).written.is_some());
        // A deleted resource leaves nothing, whatever is still in progress.
        memories.forget(&key);
        memories.put(&key, 8, written());
        memories.deletion_reported(&key, None);
        assert!(memories.0.is_empty());
    }

    #[test]
    fn what_is_packed_comes_back_as_it_was() {
        let usual = CompactMemory::from(written());
        assert!(usual.rare.is_none(), "no room is taken for nothing");
        assert!(
            std::mem::size_of::<CachedMemory>() <= 168,
            "kept for each resource"
        );
        let memory = Memory {
            stale_reads: 3,
            finalize_attempts: 2,
            family: FamilyMemory {
                foreign_reservation: Some(("other".to_owned(), crate::time::Span::from_seconds(5))),
                ..FamilyMemory::default()
            },
            last_sent: Some(Time::from_millis(7)),
            ..written()
        };
        let back = CompactMemory::from(memory.clone()).expanded();
        assert_eq!((back.stale_reads, back.finalize_attempts), (3, 2));
        assert_eq!(
            back.family.foreign_reservation,
            memory.family.foreign_reservation
        );
        assert_eq!(back.last_sent, memory.last_sent);
        assert_eq!(back.written, memory.written);
        assert_eq!(back.attempt.is_none(), memory.attempt.is_none());
    }

    #[test]
    fn a_deletion_reported_during_a_reconcile_is_known_after_it() {
        let (mut memories, key) = (known(), Key::new("n", "a"));
        // Also the first reconcile, which has no entry yet.
        for _ in 0..2 {
            memories.reconcile_started(&key);
            let _read = memories.get(&key, 7);
            memories.deletion_reported(&key, Some(7));
            memories.put(&key, 7, written());
            assert!(memories.get(&key, 7).deletion_reported);
            assert!(memories.get(&key, 7).written.is_some());
        }
    }

    #[test]
    fn what_a_reconcile_knew_at_its_start_is_its_own_to_settle() {
        let (mut memories, key) = (known(), Key::new("n", "a"));
        memories.put(&key, 7, written());
        memories.deletion_reported(&key, Some(7));
        memories.reconcile_started(&key);
        assert!(memories.get(&key, 7).deletion_reported, "it reads so");
        // It has written the Secret again.
        memories.put(&key, 7, written());
        assert!(!memories.get(&key, 7).deletion_reported);
    }

    #[test]
    fn another_name_reported_during_a_reconcile_is_known_after_it() {
        let (mut memories, key) = (known(), Key::new("n", "a"));
        memories.put(&key, 7, written());
        memories.reconcile_started(&key);
        memories.target_moved(&key);
        memories.put(&key, 7, written());
        assert!(memories.get(&key, 7).written.is_none());
        memories.reconcile_started(&key);
        memories.put(&key, 7, written());
        assert!(memories.get(&key, 7).written.is_some());
        memories.forget(&key);
        assert!(memories.get(&key, 7).written.is_none());
    }
}
