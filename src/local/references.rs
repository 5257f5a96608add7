//! Tokens of other resources that a resource sends.

use std::collections::BTreeSet;
use std::io;

use crate::api::OAuthClient;
use crate::engine::{CredentialsFacts, Event, Key};
use crate::model::{Found, Reference};
use crate::names::CREDENTIALS_LABEL;
use crate::policy::{self, short};
use crate::references::{References, named, publishes_credentials};

use super::changes::credentials_of;
use super::files::Files;
use super::state_folder::Kept;

impl Files {
    /// The other resources whose tokens are sent, and those tokens.
    pub(super) fn references(&self, key: &Key, object: &OAuthClient) -> io::Result<Vec<Reference>> {
        let mut all = Vec::new();
        for name in named(&object.spec) {
            let other = Key::new(key.namespace(), name);
            let there = self.known().clients.get(&other).map(|kept| {
                let uid = kept.object.metadata.uid.clone();
                let secret = kept.object.spec.token_secret.name.clone();
                (uid.unwrap_or_default(), secret)
            });
            let found = match there {
                None => None,
                Some((uid, secret_name)) => Some(Found {
                    uid,
                    secret: self.tokens.see(&Key::new(key.namespace(), &secret_name))?,
                    secret_name,
                }),
            };
            all.push(Reference {
                name: name.to_owned(),
                found,
            });
        }
        Ok(all)
    }

    /// Which resource refers to which, according to the current manifests.
    fn graph(&self) -> References {
        let mut graph = References::default();
        for (key, kept) in &self.known().clients {
            graph.put(key, &named(&kept.object.spec));
        }
        graph
    }

    /// The path from a resource along references back to itself.
    pub(super) fn cycle(&self, key: &Key, object: &OAuthClient) -> Option<Vec<String>> {
        if named(&object.spec).is_empty() {
            return None;
        }
        self.graph().cycle(key)
    }

    /// The version of the credentials of a resource, including the tokens of other resources. `own` is its own part.
    pub(super) fn lent(
        &self,
        key: &Key,
        object: &OAuthClient,
        own: Option<CredentialsFacts>,
    ) -> Option<CredentialsFacts> {
        let own = own?;
        if named(&object.spec).is_empty() {
            return Some(own);
        }
        let mut versions = vec![own.version];
        for one in self.references(key, object).ok()? {
            let secret = one.found?.secret?;
            let lent = secret.has_label(CREDENTIALS_LABEL, "true");
            versions.push(lent.then(|| short(&secret.version()))?);
        }
        Some(policy::reference_facts(&versions))
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
