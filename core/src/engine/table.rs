//! The records, found by key and identified by small numbers.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::facts::Key;
use super::record::Record;
use crate::queue::Id;
use crate::queue::dense::Dense;

/// All records. The index holds only numbers: keys are stored once, in their records.
#[derive(Debug, Default)]
pub(super) struct Table {
    index: HashTable<Id>,
    hasher: RandomState,
    records: Dense<Option<Record>>,
    used: Id,
    free: Vec<Id>,
}

impl Table {
    pub(super) fn find(&self, key: &Key) -> Option<Id> {
        let hash = self.hasher.hash_one(key);
        self.index
            .find(hash, |id| {
                self.get(*id).is_some_and(|record| record.key == *key)
            })
            .copied()
    }

    pub(super) fn get(&self, id: Id) -> Option<&Record> {
        self.records.get(id)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut Record> {
        self.records.get_mut(id)?.as_mut()
    }

    /// A new record for a key that has none.
    pub(super) fn insert(&mut self, key: Key) -> Id {
        let id = self.free.pop().unwrap_or_else(|| {
            self.used += 1;
            self.used - 1
        });
        let hash = self.hasher.hash_one(&key);
        if let Some(place) = self.records.grow(id) {
            *place = Some(Record::new(key));
        }
        let (records, hasher) = (&self.records, &self.hasher);
        self.index.insert_unique(hash, id, |id| {
            records
                .get(*id)
                .and_then(Option::as_ref)
                .map_or(0, |record| hasher.hash_one(&record.key))
        });
        id
    }

    pub(super) fn remove(&mut self, id: Id) {
        let Some(record) = self.records.get_mut(id).and_then(Option::take) else {
            return;
        };
        let hash = self.hasher.hash_one(&record.key);
        if let Ok(entry) = self.index.find_entry(hash, |known| *known == id) {
            entry.remove();
        }
        self.free.push(id);
    }

    /// The range of numbers in use.
    pub(super) fn ids(&self) -> std::ops::Range<Id> {
        0..self.used
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.ids().filter_map(|id| self.get(id))
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Memory of the table itself, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.records.bytes()
            + self.index.capacity() * 8 / 7 * (size_of::<Id>() + 1)
            + self.free.capacity() * size_of::<Id>()
    }
}
