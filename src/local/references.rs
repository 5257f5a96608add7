//! The Secrets that a resource uses: their version, and which resources are notified of a change.

use std::io;

use crate::api::OAuthClient;
use crate::engine::{CredentialsFacts, Event, Key};
use crate::names::CREDENTIALS_LABEL;
use crate::policy::{self, short};
use crate::references::named;

use super::changes::credentials_of;
use super::files::Files;

impl Files {
    /// The version of the Secrets that a resource uses: its credentials Secret, and the token Secrets of other resources. `None`
    /// while one of them is missing or has not opted in.
    pub(super) fn credentials_facts(
        &self,
        key: &Key,
        object: &OAuthClient,
    ) -> io::Result<Option<CredentialsFacts>> {
        let opted_in = |secret: &Key| {
            let seen = self.opted_in_secret(secret)?;
            io::Result::Ok(seen.filter(|seen| seen.has_label(CREDENTIALS_LABEL, "true")))
        };
        let own = match credentials_of(key, object) {
            None => policy::no_references(),
            Some(secret) => match opted_in(&secret)? {
                Some(seen) => policy::credentials_facts(&seen.uid, &seen.resource_version),
                None => return Ok(None),
            },
        };
        let names = named(&object.spec);
        if names.is_empty() {
            return Ok(Some(own));
        }
        let mut versions = vec![own.version];
        for name in names {
            let Some(secret) = self.token_secret(&Key::new(key.namespace(), name)) else {
                return Ok(None);
            };
            let Some(seen) = opted_in(&secret)? else {
                return Ok(None);
            };
            versions.push(short(&seen.version()));
        }
        Ok(Some(policy::reference_facts(&versions)))
    }

    /// The token Secret that a resource names.
    fn token_secret(&self, key: &Key) -> Option<Key> {
        let known = self.known();
        let name = &known.clients.get(key)?.object.spec.token_secret.name;
        Some(Key::new(key.namespace(), name))
    }

    /// Records what the manifest of a resource names. The resources that use its token are notified once all manifests are
    /// applied: a cycle may have been closed or opened.
    pub(super) fn index(&self, key: &Key, object: &OAuthClient) {
        let mut known = self.known();
        let before = known.index.users_of_token(key);
        known.index.apply(key, &object.spec, 0);
        let after = known.index.users_of_token(key);
        known.affected.extend(before.into_iter().chain(after));
    }

    /// Removes what a deleted resource named.
    pub(super) fn unindex(&self, key: &Key) {
        let mut known = self.known();
        let users = known.index.users_of_token(key);
        known.index.remove(key);
        known.affected.extend(users);
    }

    /// Notifies resources that a Secret which they use changed, or where it may be sent.
    pub(super) fn notify_users(&self, users: impl IntoIterator<Item = Key>) {
        for user in users {
            let object = self
                .known()
                .clients
                .get(&user)
                .map(|stored| stored.object.clone());
            if let Some(object) = object {
                self.notify_credentials(&user, &object);
                self.notify(&user, Event::Look);
            }
        }
    }
}
