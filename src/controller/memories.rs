//! What the process remembers of each resource between two walks, and what it is told while one goes on.

use std::collections::HashMap;

use crate::decide::{ChainMemory, FailedAttempt, Fingerprint, Memory, Repairs, Written};
use crate::engine::Key;
use crate::time::Time;

/// All of it.
#[derive(Default)]
pub(super) struct Memories(HashMap<Key, Kept>);

/// What is remembered of one resource. A walk takes a copy and gives it back changed at its end: what watches tell in between
/// is noted aside, so that the copy does not overwrite it.
#[derive(Default)]
struct Kept {
    memory: Packed,
    /// Told since the walk began: the token Secret is gone.
    gone: bool,
    /// Told since the walk began: the resource names another token Secret.
    moved: bool,
}

/// A [`Memory`] with little room for what most resources have nothing of.
#[derive(Default)]
struct Packed {
    fingerprint: Option<Fingerprint>,
    last_sent: Option<Time>,
    written: Option<Written>,
    told_gone: bool,
    rare: Option<Box<Rare>>,
}

/// What is remembered of a resource with which something is the matter, or that has a refresh token.
#[derive(Clone, Default)]
struct Rare {
    attempt: Option<Box<FailedAttempt>>,
    repairs: Repairs,
    target_claimed_by: Option<String>,
    partings: u32,
    doubts: u32,
    chain: ChainMemory,
}

impl Rare {
    fn is_nothing(&self) -> bool {
        self.attempt.is_none()
            && self.repairs.count == 0
            && self.target_claimed_by.is_none()
            && (self.partings, self.doubts) == (0, 0)
            && self.chain.foreign.is_none()
            && self.chain.known.is_empty()
    }
}

impl From<Memory> for Packed {
    fn from(memory: Memory) -> Self {
        // Taken apart by name, so that nothing new is forgotten here.
        let Memory {
            attempt,
            fingerprint,
            repairs,
            target_claimed_by,
            last_sent,
            written,
            told_gone,
            partings,
            doubts,
            chain,
        } = memory;
        let rare = Rare {
            attempt,
            repairs,
            target_claimed_by,
            partings,
            doubts,
            chain,
        };
        Packed {
            fingerprint,
            last_sent,
            written,
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
            told_gone: self.told_gone,
            partings: rare.partings,
            doubts: rare.doubts,
            chain: rare.chain,
        }
    }

    fn forget_target(&mut self) {
        self.written = None;
        self.told_gone = false;
        if let Some(rare) = &mut self.rare {
            rare.doubts = 0;
        }
    }
}

impl Memories {
    /// A walk begins: what it reads from now on knows of everything told so far.
    pub(super) fn walk_begins(&mut self, key: &Key) {
        if let Some(kept) = self.0.get_mut(key) {
            (kept.gone, kept.moved) = (false, false);
        }
    }

    /// A copy.
    pub(super) fn get(&self, key: &Key) -> Memory {
        let kept = self.0.get(key);
        kept.map(|kept| kept.memory.unpacked()).unwrap_or_default()
    }

    /// What a walk leaves, with what was told while it went on.
    pub(super) fn put(&mut self, key: &Key, memory: Memory) {
        let kept = self.0.entry(key.clone()).or_default();
        kept.memory = memory.into();
        if kept.moved {
            kept.memory.forget_target();
        }
        kept.memory.told_gone |= kept.gone;
    }

    /// The watch told that the token Secret of this resource is gone.
    pub(super) fn told_gone(&mut self, key: &Key) {
        let kept = self.0.entry(key.clone()).or_default();
        kept.memory.told_gone = true;
        kept.gone = true;
    }

    /// The resource names another token Secret now: what is remembered of the old one says nothing of it.
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

    #[test]
    fn what_is_packed_comes_back_as_it_was() {
        let usual = Packed::from(written());
        assert!(usual.rare.is_none(), "no room is taken for nothing");
        assert!(std::mem::size_of::<Kept>() <= 96, "kept for each resource");
        let memory = Memory {
            doubts: 3,
            partings: 2,
            chain: ChainMemory {
                foreign: Some(("other".to_owned(), crate::time::Span::from_seconds(5))),
                ..ChainMemory::default()
            },
            last_sent: Some(Time::from_millis(7)),
            ..written()
        };
        let back = Packed::from(memory.clone()).unpacked();
        assert_eq!((back.doubts, back.partings), (3, 2));
        assert_eq!(back.chain.foreign, memory.chain.foreign);
        assert_eq!(back.last_sent, memory.last_sent);
        assert_eq!(back.written, memory.written);
        assert_eq!(back.attempt.is_none(), memory.attempt.is_none());
    }

    #[test]
    fn a_deletion_told_during_a_walk_is_known_after_it() {
        let (mut memories, key) = (Memories::default(), Key::new("n", "a"));
        // The first walk too, of which nothing is remembered yet.
        for _ in 0..2 {
            memories.walk_begins(&key);
            let _read = memories.get(&key);
            memories.told_gone(&key);
            memories.put(&key, written());
            assert!(memories.get(&key).told_gone);
            assert!(memories.get(&key).written.is_some());
        }
    }

    #[test]
    fn what_a_walk_knew_at_its_beginning_is_its_own_to_settle() {
        let (mut memories, key) = (Memories::default(), Key::new("n", "a"));
        memories.put(&key, written());
        memories.told_gone(&key);
        memories.walk_begins(&key);
        assert!(memories.get(&key).told_gone, "it reads so");
        // It has written the Secret anew.
        memories.put(&key, written());
        assert!(!memories.get(&key).told_gone);
    }

    #[test]
    fn another_name_told_during_a_walk_is_known_after_it() {
        let (mut memories, key) = (Memories::default(), Key::new("n", "a"));
        memories.put(&key, written());
        memories.walk_begins(&key);
        memories.target_moved(&key);
        memories.put(&key, written());
        assert!(memories.get(&key).written.is_none());
        memories.walk_begins(&key);
        memories.put(&key, written());
        assert!(memories.get(&key).written.is_some());
        memories.forget(&key);
        assert!(memories.get(&key).written.is_none());
    }
}
