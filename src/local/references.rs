//! Tokens of other resources that a resource sends.

use std::collections::BTreeSet;
use std::io;

use crate::api::OAuthClient;
use crate::engine::{CredentialsFacts, Event, Key};
use crate::names::CREDENTIALS_LABEL;
use crate::policy::{self, short};
use crate::references::{References, named, publishes_credentials};

use super::changes::credentials_of;
use super::files::Files;
use super::state_folder::Kept;

impl Files {
    /// Which resource refers to which, according to the current manifests.
    pub(super) fn graph(&self) -> References {
        let mut graph = References::default();
        for (key, kept) in &self.known().clients {
            graph.put(key, &named(&kept.object.spec));
        }
        graph
    }

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

    /// The resource other than `key` that publishes its token in this Secret for others to use as credentials.
    pub(super) fn publisher(&self, key: &Key, secret: &str) -> Option<String> {
        let known = self.known();
        let mut clients = known.clients.iter();
        let found = clients.find(|(other, kept)| {
            *other != key
                && other.namespace() == key.namespace()
                && publishes_credentials(&kept.object.spec, secret)
        });
        found.map(|(other, _)| other.name().to_owned())
    }

    /// Who names the token Secrets of these resources as credentials.
    fn users_of_tokens(&self, changed: &BTreeSet<Key>) -> BTreeSet<Key> {
        let known = self.known();
        let secrets: BTreeSet<Key> = changed
            .iter()
            .filter_map(|key| Some((key, known.clients.get(key)?)))
            .map(|(key, kept)| Key::new(key.namespace(), &kept.object.spec.token_secret.name))
            .collect();
        let uses = |(key, kept): &(&Key, &Kept)| {
            !changed.contains(*key)
                && credentials_of(key, &kept.object).is_some_and(|named| secrets.contains(&named))
        };
        let users = known.clients.iter().filter(uses);
        users.map(|(key, _)| key.clone()).collect()
    }

    /// Notifies the resources that use the tokens of changed resources, over any number of references: a cycle may have
    /// been
    /// closed or opened.
    pub(super) fn tell_dependents(&self, changed: &BTreeSet<Key>) {
        let graph = self.graph();
        let users: BTreeSet<Key> = changed
            .iter()
            .flat_map(|key| graph.dependents(key))
            .chain(self.users_of_tokens(changed))
            .collect();
        for user in users {
            let object = self
                .known()
                .clients
                .get(&user)
                .map(|kept| kept.object.clone());
            if let Some(object) = object {
                self.tell_credentials(&user, &object);
                self.tell(&user, Event::Look);
            }
        }
    }
}
