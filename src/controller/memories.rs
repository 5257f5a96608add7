//! What the process remembers of each resource between two walks, and what it is told while one goes on.

use std::collections::HashMap;

use crate::decide::Memory;
use crate::engine::Key;

/// All of it.
#[derive(Default)]
pub(super) struct Memories(HashMap<Key, Kept>);

/// What is remembered of one resource. A walk takes a copy and gives it back changed at its end: what watches tell in between
/// is noted aside, so that the copy does not overwrite it.
#[derive(Default)]
struct Kept {
    memory: Memory,
    /// Told since the walk began: the token Secret is gone.
    gone: bool,
    /// Told since the walk began: the resource names another token Secret.
    moved: bool,
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
        kept.map(|kept| kept.memory.clone()).unwrap_or_default()
    }

    /// What a walk leaves, with what was told while it went on.
    pub(super) fn put(&mut self, key: &Key, memory: Memory) {
        let kept = self.0.entry(key.clone()).or_default();
        kept.memory = memory;
        if kept.moved {
            forget_target(&mut kept.memory);
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
            forget_target(&mut kept.memory);
            (kept.gone, kept.moved) = (false, true);
        }
    }

    /// The resource is gone.
    pub(super) fn forget(&mut self, key: &Key) {
        self.0.remove(key);
    }
}

fn forget_target(memory: &mut Memory) {
    memory.written = None;
    memory.told_gone = false;
    memory.doubts = 0;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::Written;

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
