//! Who uses what: from a Secret that changed to the resources that it matters to.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::decide::short;
use crate::engine::Key;

/// Names of Secrets as hashes of `namespace/name`.
pub(super) type SecretId = u64;

/// The slim reverse index.
#[derive(Default)]
pub(super) struct Index {
    resources: HashMap<Key, Entry>,
    users: HashMap<SecretId, Vec<Key>>,
    credentials: HashMap<SecretId, u64>,
    leftovers: HashMap<Key, BTreeSet<String>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    credentials: SecretId,
    target: SecretId,
}

/// The id of a Secret.
pub(super) fn secret_id(namespace: &str, name: &str) -> SecretId {
    short(&format!("{namespace}/{name}"))
}

impl Index {
    /// Notes which Secrets a resource names.
    pub(super) fn put(&mut self, key: &Key, credentials: &str, target: &str) {
        let entry = Entry {
            credentials: secret_id(key.namespace(), credentials),
            target: secret_id(key.namespace(), target),
        };
        let before = self.resources.insert(key.clone(), entry);
        if before.is_some_and(|before| before.credentials == entry.credentials) {
            return;
        }
        if let Some(before) = before {
            self.forget_user(before.credentials, key);
        }
        self.users
            .entry(entry.credentials)
            .or_default()
            .push(key.clone());
    }

    /// Forgets a resource.
    pub(super) fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.resources.remove(key) {
            self.forget_user(entry.credentials, key);
        }
        self.leftovers.remove(key);
    }

    fn forget_user(&mut self, secret: SecretId, key: &Key) {
        if let Some(users) = self.users.get_mut(&secret) {
            users.retain(|user| user != key);
            if users.is_empty() {
                self.users.remove(&secret);
            }
        }
    }

    /// Whether the resource is known.
    pub(super) fn knows(&self, key: &Key) -> bool {
        self.resources.contains_key(key)
    }

    /// All resources of a namespace, or of all.
    pub(super) fn keys(&self, namespace: Option<&str>) -> Vec<Key> {
        self.resources
            .keys()
            .filter(|key| namespace.is_none_or(|namespace| key.namespace() == namespace))
            .cloned()
            .collect()
    }

    /// The resources that name this credentials Secret.
    pub(super) fn users(&self, secret: SecretId) -> Vec<Key> {
        self.users.get(&secret).cloned().unwrap_or_default()
    }

    /// Notes the version of a labelled credentials Secret, or that there is none.
    pub(super) fn credentials_seen(&mut self, secret: SecretId, version: Option<u64>) {
        match version {
            Some(version) => self.credentials.insert(secret, version),
            None => self.credentials.remove(&secret),
        };
    }

    /// The version of the credentials Secret that a resource names, if it is labelled.
    pub(super) fn credentials_of(&self, key: &Key) -> Option<u64> {
        let entry = self.resources.get(key)?;
        self.credentials.get(&entry.credentials).copied()
    }

    /// Credentials Secrets that were known and are not among `seen`; of one namespace or of all.
    pub(super) fn vanished_credentials(
        &mut self,
        seen: &HashSet<SecretId>,
        namespace: Option<&str>,
    ) -> Vec<SecretId> {
        let users = &self.users;
        let gone: Vec<SecretId> = self
            .credentials
            .keys()
            .filter(|id| !seen.contains(id))
            .filter(|id| {
                namespace.is_none_or(|namespace| {
                    users
                        .get(id)
                        .is_some_and(|users| users.iter().any(|key| key.namespace() == namespace))
                })
            })
            .copied()
            .collect();
        for id in &gone {
            self.credentials.remove(id);
        }
        gone
    }

    /// Whether `name` is the Secret that the resource names now.
    pub(super) fn is_target(&self, key: &Key, name: &str) -> bool {
        self.resources
            .get(key)
            .is_some_and(|entry| entry.target == secret_id(key.namespace(), name))
    }

    /// Notes a Secret of the resource under another name.
    pub(super) fn leftover(&mut self, key: &Key, name: &str) {
        self.leftovers
            .entry(key.clone())
            .or_default()
            .insert(name.to_owned());
    }

    /// Forgets one.
    pub(super) fn leftover_gone(&mut self, key: &Key, name: &str) {
        if let Some(names) = self.leftovers.get_mut(key) {
            names.remove(name);
            if names.is_empty() {
                self.leftovers.remove(key);
            }
        }
    }

    /// Secrets of the resource under other names than the one it names now.
    pub(super) fn leftovers(&self, key: &Key, target: &str) -> Vec<String> {
        let names = self.leftovers.get(key);
        names
            .into_iter()
            .flatten()
            .filter(|name| *name != target)
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_leads_to_all_who_use_it_and_to_nobody_who_did() {
        let mut index = Index::default();
        let (a, b) = (Key::new("n", "a"), Key::new("n", "b"));
        index.put(&a, "shared", "a-token");
        index.put(&b, "shared", "b-token");
        assert_eq!(
            index.users(secret_id("n", "shared")),
            [a.clone(), b.clone()]
        );
        assert!(index.users(secret_id("other", "shared")).is_empty());
        index.put(&a, "own", "a-token");
        assert_eq!(index.users(secret_id("n", "shared")), [b.clone()]);
        index.remove(&b);
        assert!(index.users(secret_id("n", "shared")).is_empty());
        assert!(index.is_target(&a, "a-token") && !index.is_target(&a, "b-token"));
    }

    #[test]
    fn the_present_target_is_no_leftover() {
        let mut index = Index::default();
        let key = Key::new("n", "a");
        index.put(&key, "c", "new");
        index.leftover(&key, "old");
        index.leftover(&key, "new");
        assert_eq!(index.leftovers(&key, "new"), ["old"]);
        index.leftover_gone(&key, "old");
        assert!(index.leftovers(&key, "new").is_empty());
    }
}
