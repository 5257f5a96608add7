//! Which token Secrets a resource uses, and which resources use a token Secret.

use std::collections::{BTreeSet, HashMap};

use crate::engine::Key;
use crate::index::ids::SecretId;
use crate::references::References;

/// The references; empty for resources without any.
#[derive(Default)]
pub(super) struct TokenUses {
    pub(super) references: References,
    /// The token Secrets that a resource uses.
    pub(super) sources: HashMap<Key, Vec<SecretId>>,
    /// The reverse of `sources`.
    pub(super) users: HashMap<SecretId, BTreeSet<Key>>,
}

impl TokenUses {
    /// The resources that use the token in this Secret.
    pub(super) fn users(&self, secret: SecretId) -> impl Iterator<Item = &Key> {
        self.users.get(&secret).into_iter().flatten()
    }

    /// The resources that refer to this one, directly or over others.
    pub(super) fn dependents(&self, key: &Key) -> BTreeSet<Key> {
        self.references.dependents(key)
    }

    pub(super) fn link(&mut self, key: &Key, sources: Vec<SecretId>) {
        for source in self.sources.remove(key).into_iter().flatten() {
            if let Some(users) = self.users.get_mut(&source) {
                users.remove(key);
                if users.is_empty() {
                    self.users.remove(&source);
                }
            }
        }
        for source in &sources {
            self.users.entry(*source).or_default().insert(key.clone());
        }
        if !sources.is_empty() {
            self.sources.insert(key.clone(), sources);
        }
    }
}
