//! Who uses what: from a changed Secret or resource to the resources that depend on it. The same for every driver; it reads nothing,
//! and notifies nobody.

mod ids;
mod sources;
mod token_uses;

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::api::OAuthClientSpec;
use crate::engine::Key;
use crate::index::ids::{NONE, login_id};
use crate::index::sources::TokenUses;
use crate::policy::no_references;
use crate::references::{named, publishes_credentials};

pub(crate) use ids::{SecretId, ordered, secret_id};

/// A Secret with more users than this is shared by many.
const FEW: usize = 8;

/// The compact reverse index.
#[derive(Default)]
pub(crate) struct Index {
    resources: HashMap<Key, Entry>,
    users: HashMap<SecretId, Vec<Key>>,
    /// The resources that are reconciled when a Secret changes, but request nothing because of it.
    certificate_users: HashMap<SecretId, Vec<Key>>,
    credentials: HashMap<SecretId, CredentialsSeen>,
    /// Keyed hashes of the content of Secrets that many use, as last read.
    contents: HashMap<SecretId, u64>,
    /// The resource of a login Secret; only for resources that use one.
    logins: HashMap<SecretId, Key>,
    /// The resource that publishes its token in this Secret for others to use as credentials; only for those that do.
    publishers: HashMap<SecretId, Key>,
    stale_secrets: HashMap<Key, BTreeSet<String>>,
    tokens: TokenUses,
    /// The newest version of any Secret that a watch or the answer to a write has shown; 0 if none, or if versions are not
    /// comparable.
    secrets: u64,
}

struct Entry {
    /// The Secret with the client certificate if it is not the credentials Secret, or [`NONE`].
    certificate: SecretId,
    /// The credentials Secret, or [`NONE`].
    credentials: SecretId,
    /// The name of the token Secret: if it changes, the token moves.
    target: Box<str>,
    /// The newest version from a watch; 0 if versions are not comparable.
    seen: u64,
}

/// A labelled credentials Secret.
#[derive(Clone, Copy)]
struct CredentialsSeen {
    version: u64,
    /// As [`Entry::seen`].
    seen: u64,
}

/// What followed from a spec.
pub(crate) struct Applied {
    /// The resource was known before.
    pub(crate) known: bool,
    /// It named another token Secret before.
    pub(crate) moved: bool,
    /// The resources that use its token, directly or through others.
    pub(crate) dependents: Vec<Key>,
}

impl Index {
    /// Records what the spec of a resource names, at a version.
    pub(crate) fn apply(&mut self, key: &Key, spec: &OAuthClientSpec, seen: u64) -> Applied {
        let known = self.knows(key);
        let credentials = spec.credentials.as_ref();
        let target = &spec.token_secret.name;
        let moved = self.put(
            key,
            credentials.map(|credentials| credentials.secret_name.as_str()),
            spec.client_certificate_secret(),
            target,
            seen,
        );
        self.set_uses_login(key, spec.grant.type_ == "refresh_token");
        self.set_publishes(key, publishes_credentials(spec, target));
        let dependents = self.set_references(key, &named(spec), moved || !known);
        Applied {
            known,
            moved,
            dependents,
        }
    }

    /// The resources that use the token of this one: those that name its token Secret as credentials, and those that refer to it,
    /// directly or over others.
    pub(crate) fn users_of_token(&self, key: &Key) -> BTreeSet<Key> {
        let mut users = self.tokens.dependents(key);
        if let Some(secret) = self.target_of(key) {
            users.extend(self.users(secret));
        }
        users
    }

    /// Records which Secrets a resource names, as a watch reported, with the version. Returns whether it named another
    /// token Secret before, which is stale now.
    fn put(
        &mut self,
        key: &Key,
        credentials: Option<&str>,
        certificate: Option<&str>,
        target: &str,
        seen: u64,
    ) -> bool {
        let credentials = credentials.map_or(NONE, |name| secret_id(key.namespace(), name));
        // An unreadable name does not count as a change.
        let target = match self.resources.get(key) {
            Some(before) if target.is_empty() => before.target.clone(),
            _ => target.into(),
        };
        let certificate = certificate.map_or(NONE, |name| secret_id(key.namespace(), name));
        let certificate = if certificate == credentials {
            NONE
        } else {
            certificate
        };
        let entry = Entry {
            certificate,
            seen,
            credentials,
            target: target.clone(),
        };
        let before = self.resources.insert(key.clone(), entry);
        if before
            .as_ref()
            .is_none_or(|before| before.credentials != credentials)
        {
            if let Some(before) = &before {
                forget(&mut self.users, before.credentials, key);
            }
            if credentials != NONE {
                // Most have one user, so capacity for more is allocated only when needed.
                self.users
                    .entry(credentials)
                    .or_insert_with(|| Vec::with_capacity(1))
                    .push(key.clone());
            }
        }
        let certificate_before = before.as_ref().map_or(NONE, |before| before.certificate);
        if certificate_before != certificate {
            forget(&mut self.certificate_users, certificate_before, key);
            if certificate != NONE {
                self.certificate_users
                    .entry(certificate)
                    .or_default()
                    .push(key.clone());
            }
        }
        match before {
            Some(before) if before.target != target => {
                self.stop_publishing(key, &before.target);
                self.add_stale_secret(key, &before.target);
                true
            }
            _ => false,
        }
    }

    /// Records whether a resource uses a login Secret.
    fn set_uses_login(&mut self, key: &Key, takes: bool) {
        let id = login_id(key);
        if takes {
            self.logins.insert(id, key.clone());
        } else {
            self.logins.remove(&id);
        }
    }

    /// The resource that uses this Secret as its login.
    pub(crate) fn login_of(&self, secret: SecretId) -> Option<Key> {
        self.logins.get(&secret).cloned()
    }

    /// Records, after [`Index::put`], whether a resource publishes its token for others to use as credentials.
    fn set_publishes(&mut self, key: &Key, does: bool) {
        let Some(target) = self.resources.get(key).map(|entry| entry.target.clone()) else {
            return;
        };
        if does {
            let id = secret_id(key.namespace(), &target);
            self.publishers.insert(id, key.clone());
        } else {
            self.stop_publishing(key, &target);
        }
    }

    fn stop_publishing(&mut self, key: &Key, target: &str) {
        let id = secret_id(key.namespace(), target);
        if self.publishers.get(&id) == Some(key) {
            self.publishers.remove(&id);
        }
    }

    /// The resource other than `key` that publishes its token in this Secret for others to use as credentials.
    pub(crate) fn publisher(&self, key: &Key, secret: SecretId) -> Option<Key> {
        let found = self.publishers.get(&secret);
        found.filter(|other| *other != key).cloned()
    }

    /// Removes a resource; returns those that use its token.
    pub(crate) fn remove(&mut self, key: &Key) -> Vec<Key> {
        self.logins.remove(&login_id(key));
        if let Some(entry) = self.resources.remove(key) {
            self.stop_publishing(key, &entry.target);
            forget(&mut self.users, entry.credentials, key);
            forget(&mut self.certificate_users, entry.certificate, key);
        }
        self.stale_secrets.remove(key);
        self.remove_references(key)
    }

    /// Whether the resource is known.
    pub(crate) fn knows(&self, key: &Key) -> bool {
        self.resources.contains_key(key)
    }

    /// All resources in a namespace, or all, in their order.
    pub(crate) fn keys(&self, namespace: Option<&str>) -> Vec<Key> {
        let all = self.resources.keys();
        let mut keys: Vec<Key> = all
            .filter(|key| namespace.is_none_or(|namespace| key.namespace() == namespace))
            .cloned()
            .collect();
        keys.sort_unstable();
        keys
    }

    /// The resources that name this credentials Secret, or use the token in it.
    pub(crate) fn users(&self, secret: SecretId) -> Vec<Key> {
        let named = self.users.get(&secret).into_iter().flatten();
        named.chain(self.tokens.users(secret)).cloned().collect()
    }

    /// The resources that are reconciled when this Secret changes: it contains their client certificate, and nothing
    /// else for a request.
    pub(crate) fn certificate_users(&self, secret: SecretId) -> Vec<Key> {
        self.certificate_users
            .get(&secret)
            .cloned()
            .unwrap_or_default()
    }

    /// The newest version of a resource that a watch has reported; 0 if none.
    pub(crate) fn resource_seen(&self, key: &Key) -> u64 {
        self.resources.get(key).map_or(0, |entry| entry.seen)
    }

    /// Records the version of any Secret.
    pub(crate) fn secret_seen(&mut self, resource_version: Option<&str>) {
        self.secrets = self.secrets.max(ordered(resource_version));
    }

    /// The version that a read of a Secret must have reached to be as new as everything seen of Secrets.
    pub(crate) fn secrets_seen(&self) -> u64 {
        self.secrets
    }

    /// Records the version of a labelled credentials Secret and its order, or that there is none.
    pub(crate) fn credentials_seen(&mut self, secret: SecretId, now: Option<(u64, u64)>) {
        match now {
            Some((version, seen)) => {
                let now = CredentialsSeen { version, seen };
                self.credentials.insert(secret, now)
            }
            None => self.credentials.remove(&secret),
        };
    }

    /// The newest resourceVersion of a labelled credentials Secret from a watch; `None` if there is none.
    pub(crate) fn credentials_version_seen(&self, secret: SecretId) -> Option<u64> {
        self.credentials.get(&secret).map(|known| known.seen)
    }

    /// Whether more than one resource uses it.
    pub(crate) fn is_shared(&self, secret: SecretId) -> bool {
        self.users.get(&secret).map_or(0, Vec::len) > 1
    }

    /// Whether so many use it that they are not all notified of each change at once.
    pub(crate) fn is_used_by_many(&self, secret: SecretId) -> bool {
        self.users.get(&secret).map_or(0, Vec::len) > FEW
    }

    /// All resources to notify of a change.
    pub(crate) fn all_users(&self, secret: SecretId) -> Vec<Key> {
        let mut all = self.users(secret);
        all.extend(self.certificate_users(secret));
        all
    }

    /// A keyed hash of a Secret's content when it was last read.
    pub(crate) fn content_of(&self, secret: SecretId) -> Option<u64> {
        self.contents.get(&secret).copied()
    }

    /// Records the content of a Secret that many use.
    pub(crate) fn note_content(&mut self, secret: SecretId, content: u64) {
        if self.is_used_by_many(secret) {
            self.contents.insert(secret, content);
        }
    }

    /// Removes the content of Secrets that are no longer used.
    pub(crate) fn sweep_contents(&mut self) {
        let users = &self.users;
        self.contents.retain(|secret, _| users.contains_key(secret));
    }

    /// Whether a watch has reported a newer version of the resource than this one from a cache.
    pub(crate) fn knows_newer(&self, key: &Key, resource_version: Option<&str>) -> bool {
        let known = self.resources.get(key).map_or(0, |entry| entry.seen);
        is_older(resource_version, known)
    }

    /// The same for a credentials Secret.
    pub(crate) fn knows_newer_credentials(
        &self,
        secret: SecretId,
        resource_version: Option<&str>,
    ) -> bool {
        let known = self.credentials.get(&secret).map_or(0, |known| known.seen);
        is_older(resource_version, known)
    }

    /// The version of the Secrets that a resource uses: the credentials Secret, and the token Secrets of other
    /// resources. `None` while one of them is missing or not labelled.
    pub(crate) fn credentials_of(&self, key: &Key) -> Option<u64> {
        let entry = self.resources.get(key)?;
        let own = match entry.credentials {
            NONE => no_references().version,
            named => self.credentials.get(&named)?.version,
        };
        self.versions_used(key, own)
    }

    /// Credentials Secrets that were known and are not in `seen`; in one namespace or all.
    pub(crate) fn vanished_credentials(
        &mut self,
        seen: &HashSet<SecretId>,
        namespace: Option<&str>,
    ) -> Vec<SecretId> {
        let certificate_users = &self.certificate_users;
        let mut gone: Vec<SecretId> = self
            .credentials
            .keys()
            .filter(|id| !seen.contains(id))
            .filter(|id| {
                namespace.is_none_or(|namespace| {
                    let users = self.users(**id);
                    let mut all_users = users
                        .iter()
                        .chain(certificate_users.get(id).into_iter().flatten());
                    all_users.any(|key| key.namespace() == namespace)
                })
            })
            .copied()
            .collect();
        gone.sort_unstable();
        for id in &gone {
            self.credentials.remove(id);
        }
        gone
    }

    /// Whether `name` is the Secret that the resource names now.
    pub(crate) fn is_target(&self, key: &Key, name: &str) -> bool {
        self.resources
            .get(key)
            .is_some_and(|entry| *entry.target == *name)
    }

    /// Records a Secret of the resource with another name.
    pub(crate) fn add_stale_secret(&mut self, key: &Key, name: &str) {
        self.stale_secrets
            .entry(key.clone())
            .or_default()
            .insert(name.to_owned());
    }

    /// Removes one.
    pub(crate) fn remove_stale_secret(&mut self, key: &Key, name: &str) {
        if let Some(names) = self.stale_secrets.get_mut(key) {
            names.remove(name);
            if names.is_empty() {
                self.stale_secrets.remove(key);
            }
        }
    }

    /// Secrets of the resource with other names than the current one.
    pub(crate) fn stale_secrets(&self, key: &Key, target: &str) -> Vec<String> {
        let names = self.stale_secrets.get(key);
        names
            .into_iter()
            .flatten()
            .filter(|name| *name != target)
            .cloned()
            .collect()
    }
}

fn forget(users: &mut HashMap<SecretId, Vec<Key>>, secret: SecretId, key: &Key) {
    if let Some(keys) = users.get_mut(&secret) {
        keys.retain(|user| user != key);
        if keys.is_empty() {
            users.remove(&secret);
        }
    }
}

fn is_older(resource_version: Option<&str>, known: u64) -> bool {
    let served = ordered(resource_version);
    served != 0 && served < known
}

#[cfg(test)]
mod tests;
