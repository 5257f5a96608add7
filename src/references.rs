//! Which resource uses the token of which other one, in one namespace or many: a small graph. Pure.
//!
//! It contains only resources that refer to another one.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::OAuthClientSpec;
use crate::engine::Key;
use crate::names::CREDENTIALS_LABEL;

/// The references between resources.
#[derive(Debug, Default)]
pub struct References {
    of: BTreeMap<Key, Vec<Key>>,
    to: BTreeMap<Key, BTreeSet<Key>>,
}

/// The names of the resources that a spec refers to, each once, in the order of the fields.
pub fn named(spec: &OAuthClientSpec) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    let exchange = spec.grant.token_exchange.as_ref();
    let tokens = exchange.into_iter().flat_map(|exchange| {
        [Some(&exchange.subject_token), exchange.actor_token.as_ref()]
            .into_iter()
            .flatten()
    });
    for name in tokens.filter_map(|token| token.oauth_client_name.as_deref()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Whether a resource publishes its token in this Secret for others to use as credentials.
pub fn publishes_credentials(spec: &OAuthClientSpec, secret: &str) -> bool {
    let token = &spec.token_secret;
    let opted_in = token.labels.get(CREDENTIALS_LABEL);
    token.name == secret && opted_in.is_some_and(|value| value == "true")
}

impl References {
    /// Sets what a resource refers to, by name in its own namespace. Returns whether that changed.
    pub fn put(&mut self, key: &Key, names: &[&str]) -> bool {
        let namespace = key.namespace();
        let now: Vec<Key> = names.iter().map(|name| Key::new(namespace, name)).collect();
        if self.of(key) == now {
            return false;
        }
        self.remove(key);
        for other in &now {
            self.to
                .entry(other.clone())
                .or_default()
                .insert(key.clone());
        }
        if !now.is_empty() {
            self.of.insert(key.clone(), now);
        }
        true
    }

    /// Removes the references of a resource. References to it stay.
    pub fn remove(&mut self, key: &Key) {
        for other in self.of.remove(key).into_iter().flatten() {
            if let Some(users) = self.to.get_mut(&other) {
                users.remove(key);
                if users.is_empty() {
                    self.to.remove(&other);
                }
            }
        }
    }

    /// What a resource refers to.
    pub fn of(&self, key: &Key) -> &[Key] {
        self.of.get(key).map_or(&[], Vec::as_slice)
    }

    /// The resources that refer to a resource.
    pub fn users(&self, key: &Key) -> impl Iterator<Item = &Key> {
        self.to.get(key).into_iter().flatten()
    }

    /// The resources that refer to a resource, directly or indirectly, including the resource itself if it is among
    /// them.
    pub fn dependents(&self, key: &Key) -> BTreeSet<Key> {
        let mut found = BTreeSet::new();
        let mut open = vec![key];
        while let Some(next) = open.pop() {
            for user in self.users(next) {
                if found.insert(user.clone()) {
                    open.push(user);
                }
            }
        }
        found
    }

    /// The shortest path from a resource by references back to itself, as names, with the first one again at the end;
    /// `None` if there is none.
    pub fn cycle(&self, key: &Key) -> Option<Vec<String>> {
        let mut came_from: BTreeMap<&Key, &Key> = BTreeMap::new();
        let mut open = vec![key];
        let mut last = None;
        while last.is_none() && !open.is_empty() {
            let mut further = Vec::new();
            for from in open {
                for to in self.of(from) {
                    if to == key {
                        last = Some(from);
                        break;
                    }
                    came_from.entry(to).or_insert_with(|| {
                        further.push(to);
                        from
                    });
                }
            }
            open = further;
        }
        let mut here = last?;
        let mut way = vec![key.name().to_owned()];
        while here != key {
            way.push(here.name().to_owned());
            here = came_from.get(here)?;
        }
        way.push(key.name().to_owned());
        way.reverse();
        Some(way)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new("shop", name)
    }

    fn graph(edges: &[(&str, &[&str])]) -> References {
        let mut graph = References::default();
        for (from, to) in edges {
            graph.put(&key(from), to);
        }
        graph
    }

    #[test]
    fn a_way_back_is_found_however_long_and_told_in_its_order() {
        let graph = graph(&[
            ("a", &["b"]),
            ("b", &["x", "c"]),
            ("c", &["a"]),
            ("self", &["self"]),
            ("outside", &["a"]),
        ]);
        assert_eq!(graph.cycle(&key("a")).unwrap(), ["a", "b", "c", "a"]);
        assert_eq!(graph.cycle(&key("c")).unwrap(), ["c", "a", "b", "c"]);
        assert_eq!(graph.cycle(&key("self")).unwrap(), ["self", "self"]);
        assert_eq!(graph.cycle(&key("outside")), None, "it leads into one only");
        assert_eq!(graph.cycle(&key("x")), None);
    }

    #[test]
    fn names_of_other_namespaces_are_others() {
        let mut graph = graph(&[("a", &["b"])]);
        graph.put(&Key::new("other", "b"), &["a"]);
        assert_eq!(graph.cycle(&key("a")), None);
    }

    #[test]
    fn whoever_depends_on_a_resource_is_found_over_any_distance() {
        let graph = graph(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"]), ("d", &["e"])]);
        let names = |name| -> Vec<String> {
            let found = graph.dependents(&key(name));
            found.iter().map(|key| key.name().to_owned()).collect()
        };
        assert_eq!(names("c"), ["a", "b", "c"]);
        assert_eq!(names("e"), ["d"]);
        assert!(names("a").is_empty());
    }

    #[test]
    fn what_changes_is_told_and_what_ends_leaves_nothing_behind() {
        let mut graph = References::default();
        assert!(!graph.put(&key("a"), &[]));
        assert!(graph.put(&key("a"), &["b"]));
        assert!(!graph.put(&key("a"), &["b"]));
        assert!(graph.put(&key("a"), &["c"]));
        assert_eq!(graph.users(&key("b")).count(), 0);
        graph.remove(&key("a"));
        assert!(graph.of.is_empty() && graph.to.is_empty());
    }
}
