//! Token Secrets that other resources use: from a changed one to those that refer to its resource.

use std::collections::BTreeSet;

use crate::engine::Key;
use crate::index::ids::{SecretId, secret_id};
use crate::policy::reference_facts;

use super::Index;

impl Index {
    /// Records what a resource refers to, after [`Index::put`]. Returns the resources to notify, because a resource
    /// that they use, directly or indirectly, changed. `moved`: the resource is new, or names another token Secret.
    pub(super) fn set_references(&mut self, key: &Key, names: &[&str], moved: bool) -> Vec<Key> {
        let mut notified = BTreeSet::new();
        if self.tokens.references.put(key, names) {
            self.link(key);
            // A cycle may have been created or removed: all its resources must know.
            notified.extend(self.tokens.references.dependents(key));
        }
        if moved {
            notified.extend(self.link_users(key));
        }
        notified.into_iter().collect()
    }

    /// Removes the references of a deleted resource; returns the resources to notify.
    pub(super) fn remove_references(&mut self, key: &Key) -> Vec<Key> {
        let mut notified = self.tokens.references.dependents(key);
        self.tokens.references.remove(key);
        self.tokens.link(key, Vec::new());
        notified.extend(self.link_users(key));
        notified.remove(key);
        notified.into_iter().collect()
    }

    fn link_users(&mut self, key: &Key) -> Vec<Key> {
        let users: Vec<Key> = self.tokens.references.users(key).cloned().collect();
        for user in &users {
            self.link(user);
        }
        users
    }

    fn link(&mut self, key: &Key) {
        let others = self.tokens.references.of(key).iter();
        let sources = others.filter_map(|other| self.target_of(other)).collect();
        self.tokens.link(key, sources);
    }

    pub(super) fn target_of(&self, key: &Key) -> Option<SecretId> {
        let entry = self.resources.get(key)?;
        Some(secret_id(key.namespace(), &entry.target))
    }

    /// The version of the Secrets that a resource uses, with `own` for its credentials; `None` while one is missing.
    pub(super) fn versions_used(&self, key: &Key, own: u64) -> Option<u64> {
        let others = self.tokens.references.of(key);
        if others.is_empty() {
            return Some(own);
        }
        let mut versions = vec![own];
        for other in others {
            let secret = self.target_of(other)?;
            versions.push(self.credentials.get(&secret)?.version);
        }
        Some(reference_facts(&versions).version)
    }

    /// The path from a resource by references back to itself, as names.
    pub(crate) fn cycle(&self, key: &Key) -> Option<Vec<String>> {
        self.tokens.references.cycle(key)
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use crate::policy::{no_references, reference_facts};

    fn key(name: &str) -> Key {
        Key::new("n", name)
    }

    /// `b` uses the token of `a` in `a-token`.
    fn pair() -> Index {
        let mut index = Index::default();
        index.put(&key("b"), None, None, "b-token", 1);
        index.set_references(&key("b"), &["a"], true);
        index.put(&key("a"), Some("c"), None, "a-token", 2);
        assert_eq!(index.set_references(&key("a"), &[], true), [key("b")]);
        index
    }

    #[test]
    fn a_token_secret_leads_to_those_who_ask_with_it() {
        let mut index = pair();
        let secret = secret_id("n", "a-token");
        assert_eq!(index.users(secret), [key("b")]);
        assert_eq!(
            index.credentials_of(&key("b")),
            None,
            "it has not opted in yet"
        );
        index.credentials_seen(secret, Some((7, 10)));
        let together = reference_facts(&[no_references().version, 7]).version;
        assert_eq!(index.credentials_of(&key("b")), Some(together));
        assert_eq!(
            index.credentials_of(&key("a")),
            None,
            "its own are something else"
        );
    }

    #[test]
    fn another_name_of_the_token_secret_is_followed() {
        let mut index = pair();
        assert!(index.put(&key("a"), Some("c"), None, "new", 3));
        assert_eq!(index.set_references(&key("a"), &[], true), [key("b")]);
        assert!(index.users(secret_id("n", "a-token")).is_empty());
        assert_eq!(index.users(secret_id("n", "new")), [key("b")]);
    }

    #[test]
    fn a_circle_is_notified_to_all_of_it_when_it_is_closed_and_when_it_is_opened() {
        let mut index = pair();
        assert_eq!(
            index.set_references(&key("a"), &["b"], false),
            [key("a"), key("b")]
        );
        assert_eq!(index.cycle(&key("b")).unwrap(), ["b", "a", "b"]);
        assert_eq!(
            index.set_references(&key("a"), &["other"], false),
            [key("b")]
        );
        assert_eq!(index.cycle(&key("b")), None);
    }

    #[test]
    fn whoever_referred_to_what_is_gone_is_notified_and_nothing_is_left() {
        let mut index = pair();
        assert_eq!(index.remove(&key("a")), [key("b")]);
        assert!(index.users(secret_id("n", "a-token")).is_empty());
        assert!(index.remove(&key("b")).is_empty());
        assert!(index.tokens.sources.is_empty() && index.tokens.users.is_empty());
    }

    #[test]
    fn who_publishes_credentials_is_known_until_it_names_another_secret_opts_out_or_goes() {
        let mut index = Index::default();
        let id = |name: &str| secret_id("n", name);
        index.put(&key("a"), Some("c"), None, "a-token", 1);
        index.set_publishes(&key("a"), true);
        assert_eq!(index.publisher(&key("b"), id("a-token")), Some(key("a")));
        assert_eq!(
            index.publisher(&key("a"), id("a-token")),
            None,
            "nobody waits for itself"
        );
        index.put(&key("a"), Some("c"), None, "new", 2);
        index.set_publishes(&key("a"), true);
        assert_eq!(index.publisher(&key("b"), id("a-token")), None);
        assert_eq!(index.publisher(&key("b"), id("new")), Some(key("a")));
        index.set_publishes(&key("a"), false);
        assert_eq!(index.publisher(&key("b"), id("new")), None);
        index.set_publishes(&key("a"), true);
        index.remove(&key("a"));
        assert!(index.publishers.is_empty());
    }
}
