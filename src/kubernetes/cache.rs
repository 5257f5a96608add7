//! What the process keeps about each resource between two reconciles, and what arrives during one.

use std::collections::HashMap;

use crate::engine::Key;
use crate::model::{FailedAttempt, FamilyMemory, Fingerprint, Memory, Noted, Repairs, Written};
use crate::time::Time;

/// All entries. Each belongs to one object, by UID: the watch creates and removes it, so a recreated resource inherits
/// nothing, even from work in progress.
#[derive(Default)]
pub(super) struct Memories(HashMap<Key, Kept>);

/// The entry of one resource. A reconcile takes a copy and returns it changed at its end. What watches report in
/// between is noted separately, so that the copy does not overwrite it.
#[derive(Default)]
struct Kept {
    /// Hash of the object's UID.
    uid: u64,
    memory: Packed,
    /// Reported since the reconcile began: the token Secret was deleted.
    gone: bool,
    /// Reported since the reconcile began: the resource names another token Secret.
    moved: bool,
}

/// A compact [`Memory`], because most fields are empty for most resources.
#[derive(Default)]
struct Packed {
    fingerprint: Option<Fingerprint>,
    last_sent: Option<Time>,
    written: Option<Written>,
    noted: Option<Noted>,
    told_gone: bool,
    rare: Option<Box<Rare>>,
}

/// The fields for resources with a problem or a refresh token.
#[derive(Clone, Default)]
struct Rare {
    attempt: Option<Box<FailedAttempt>>,
    repairs: Repairs,
    target_claimed_by: Option<String>,
    partings: u32,
    doubts: u32,
    large_response: u32,
    family: FamilyMemory,
}

impl Rare {
    fn is_nothing(&self) -> bool {
        self.attempt.is_none()
            && self.repairs.count == 0
            && self.target_claimed_by.is_none()
            && (self.partings, self.doubts, self.large_response) == (0, 0, 0)
            && self.family.foreign.is_none()
            && self.family.known.is_empty()
            && self.family.dpop_nonces.is_empty()
    }
}

impl From<Memory> for Packed {
    fn from(memory: Memory) -> Self {
        // Destructured by name, so that no new field is forgotten here.
        let Memory {
            attempt,
            fingerprint,
            repairs,
            target_claimed_by,
            last_sent,
            written,
            noted,
            told_gone,
            partings,
            doubts,
            large_response,
            family,
        } = memory;
        let rare = Rare {
            attempt,
            repairs,
            target_claimed_by,
            partings,
            doubts,
            large_response,
            family,
        };
        Packed {
            fingerprint,
            last_sent,
            written,
            noted,
            told_gone,
            rare: (!rare.is_nothing()).then(|| Box::new(rare)),
        }
    }
}

impl Packed {
    fn unpacked(&self) -> Memory {
        let rare = self.rare.as_deref().cloned().unwrap_or_default();
        Memory {
            attempt: rare.attempt,
            fingerprint: self.fingerprint,
            repairs: rare.repairs,
            target_claimed_by: rare.target_claimed_by,
            last_sent: self.last_sent,
            written: self.written,
            noted: self.noted,
            told_gone: self.told_gone,
            partings: rare.partings,
            doubts: rare.doubts,
            large_response: rare.large_response,
            family: rare.family,
        }
    }

    fn forget_target(&mut self) {
        self.written = None;
        self.noted = None;
        self.told_gone = false;
        if let Some(rare) = &mut self.rare {
            rare.doubts = 0;
        }
    }
}

impl Memories {
    /// A reconcile begins: its reads include everything reported so far.
    pub(super) fn reconcile_starts(&mut self, key: &Key) {
        if let Some(kept) = self.0.get_mut(key) {
            (kept.gone, kept.moved) = (false, false);
        }
    }

    /// The watch reported this object: the entry of another one with its name is removed.
    pub(super) fn appeared(&mut self, key: &Key, uid: u64) {
        match self.0.get_mut(key) {
            Some(kept) if kept.uid == uid => {}
            Some(kept) => {
                *kept = Kept {
                    uid,
                    ..Kept::default()
                }
            }
            None => {
                let kept = Kept {
                    uid,
                    ..Kept::default()
                };
                self.0.insert(key.clone(), kept);
            }
        }
    }

    /// A copy of the entry of this object.
    pub(super) fn get(&self, key: &Key, uid: u64) -> Memory {
        let kept = self.0.get(key).filter(|kept| kept.uid == uid);
        kept.map(|kept| kept.memory.unpacked()).unwrap_or_default()
    }

    /// Stores what work on this object leaves, with what was reported meanwhile. Nothing, if the object is gone.
    pub(super) fn put(&mut self, key: &Key, uid: u64, memory: Memory) {
        let Some(kept) = self.0.get_mut(key).filter(|kept| kept.uid == uid) else {
            return;
        };
        kept.memory = memory.into();
        if kept.moved {
            kept.memory.forget_target();
        }
        kept.memory.told_gone |= kept.gone;
    }

    /// The watch reported that the token Secret of this resource was deleted; `owner` is its owner, if known.
    pub(super) fn told_gone(&mut self, key: &Key, owner: Option<u64>) {
        let own = |kept: &&mut Kept| owner.is_none_or(|owner| owner == kept.uid);
        let Some(kept) = self.0.get_mut(key).filter(own) else {
            return;
        };
        kept.memory.told_gone = true;
        kept.gone = true;
    }

    /// The resource names another token Secret: the entry about the old one does not apply to it.
    pub(super) fn target_moved(&mut self, key: &Key) {
        if let Some(kept) = self.0.get_mut(key) {
            kept.memory.forget_target();
            (kept.gone, kept.moved) = (false, true);
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
        let written = Written {
            uid: 1,
            resource_version: 2,
        };
        Memory {
            written: Some(written),
            ..Memory::default()
        }
    }

    fn known() -> Memories {
        let mut memories = Memories::default();
        memories.appeared(&Key::new("n", "a"), 7);
        memories
    }

    #[test]
    fn a_resource_that_is_made_anew_inherits_nothing_also_while_work_goes_on() {
        let (mut memories, key) = (known(), Key::new("n", "a"));
        memories.put(&key, 7, written());
        memories.reconcile_starts(&key);
        memories.appeared(&key, 8);
        assert!(memories.get(&key, 8).written.is_none());
        // The work on its predecessor ends, and its token Secret is deleted.
        memories.put(&key, 7, written());
        memories.told_gone(&key, Some(7));
        let memory = memories.get(&key, 8);
        assert!(memory.written.is_none() && !memory.told_gone);
        assert!(memories.get(&key, 7).written.is_none());
        memories.put(&key, 8, written());
        assert!(memories.get(&key, 8).written.is_some());
        // A deleted resource leaves nothing, whatever is still in progress.
        memories.forget(&key);
        memories.put(&key, 8, written());
        memories.told_gone(&key, None);
        assert!(memories.0.is_empty());
    }

    #[test]
    fn what_is_packed_comes_back_as_it_was() {
        let usual = Packed::from(written());
        assert!(usual.rare.is_none(), "no room is taken for nothing");
        assert!(std::mem::size_of::<Kept>() <= 168, "kept for each resource");
        let memory = Memory {
            doubts: 3,
            partings: 2,
            family: FamilyMemory {
                foreign: Some(("other".to_owned(), crate::time::Span::from_seconds(5))),
                ..FamilyMemory::default()
            },
            last_sent: Some(Time::from_millis(7)),
            ..written()
        };
        let back = Packed::from(memory.clone()).unpacked();
        assert_eq!((back.doubts, back.partings), (3, 2));
        assert_eq!(back.family.foreign, memory.family.foreign);
        assert_eq!(back.last_sent, memory.last_sent);
        assert_eq!(back.written, memory.written);
        assert_eq!(back.attempt.is_none(), memory.attempt.is_none());
    }

    #[test]
    fn a_deletion_reported_during_a_reconcile_is_known_after_it() {
        let (mut memories, key) = (known(), Key::new("n", "a"));
        // Also the first reconcile, which has no entry yet.
        for _ in 0..2 {
            memories.reconcile_starts(&key);
            let _read = memories.get(&key, 7);
            memories.told_gone(&key, Some(7));
            memories.put(&key, 7, written());
            assert!(memories.get(&key, 7).told_gone);
            assert!(memories.get(&key, 7).written.is_some());
        }
    }

    #[test]
    fn what_a_reconcile_knew_at_its_start_is_its_own_to_settle() {
        let (mut memories, key) = (known(), Key::new("n", "a"));
        memories.put(&key, 7, written());
        memories.told_gone(&key, Some(7));
        memories.reconcile_starts(&key);
        assert!(memories.get(&key, 7).told_gone, "it reads so");
        // It has written the Secret again.
        memories.put(&key, 7, written());
        assert!(!memories.get(&key, 7).told_gone);
    }

    #[test]
    fn another_name_reported_during_a_reconcile_is_known_after_it() {
        let (mut memories, key) = (known(), Key::new("n", "a"));
        memories.put(&key, 7, written());
        memories.reconcile_starts(&key);
        memories.target_moved(&key);
        memories.put(&key, 7, written());
        assert!(memories.get(&key, 7).written.is_none());
        memories.reconcile_starts(&key);
        memories.put(&key, 7, written());
        assert!(memories.get(&key, 7).written.is_some());
        memories.forget(&key);
        assert!(memories.get(&key, 7).written.is_none());
    }
}
