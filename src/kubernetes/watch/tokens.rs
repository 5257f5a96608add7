//! The watch of token Secrets.

use std::collections::HashSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret as ApiSecret;
use kube::ResourceExt as _;
use kube::core::PartialObjectMeta;

use crate::engine::{Event, Key};
use crate::index::secret_id;
use crate::kubernetes::convert::metadata_seen;
use crate::kubernetes::groups;
use crate::kubernetes::shared::Shared;
use crate::lock::lock;
use crate::model::{Owner, SecretSeen};
use crate::names::{CREDENTIALS_LABEL, TOKEN_LABEL};
use crate::policy::{group_of, token_facts};

use super::run::{Listener, WatchScope, Watching, labelled, run};

/// Watches the metadata of token Secrets: those with our own label.
pub(crate) async fn tokens(watching: Watching) {
    run(watching, labelled(TOKEN_LABEL), |shared, scope| {
        TokensListener {
            shared,
            scope,
            listed: HashSet::new(),
        }
    })
    .await;
}

struct TokensListener {
    shared: Arc<Shared>,
    scope: WatchScope,
    listed: HashSet<Key>,
}

impl TokensListener {
    fn owner(namespace: &str, secret: &SecretSeen) -> Option<Key> {
        let ours = |owner: &&Owner| {
            owner.controller
                && owner.kind == "OAuthClient"
                && owner.api_version.starts_with("oauthclient.dev/")
        };
        let owner = secret.owners.iter().find(ours)?;
        Some(Key::new(namespace, &owner.name))
    }

    /// The resource of a Secret: its owner, or, after a backup tool or a user has removed the owner reference, the resource that
    /// the state names.
    fn resource_of(&self, namespace: &str, secret: &SecretSeen) -> Option<Key> {
        TokensListener::owner(namespace, secret).or_else(|| self.former_owner(namespace, secret))
    }

    fn former_owner(&self, namespace: &str, secret: &SecretSeen) -> Option<Key> {
        let owner = secret.state()?.owner?;
        let key = Key::new(namespace, &owner.name);
        let is_target = lock(&self.shared.index).is_target(&key, &secret.name);
        (owner.namespace == namespace && is_target).then_some(key)
    }

    /// If a token has not opted in, no other watch notifies its possible users, who wait for exactly that.
    fn notify_users(&self, namespace: &str, name: &str) {
        let users = lock(&self.shared.index).users(secret_id(namespace, name));
        for user in users {
            self.shared.changed(&user, Event::Look);
        }
    }
}

impl Listener<PartialObjectMeta<ApiSecret>> for TokensListener {
    const KIND: &'static str = "tokens";

    fn applied(&mut self, object: PartialObjectMeta<ApiSecret>, listed: bool) {
        let namespace = object.namespace().unwrap_or_default();
        lock(&self.shared.index).secret_seen(object.metadata.resource_version.as_deref());
        let secret = metadata_seen(object.metadata);
        let Some(key) = self.resource_of(&namespace, &secret) else {
            return;
        };
        let known = {
            let mut index = lock(&self.shared.index);
            let target = index.is_target(&key, &secret.name);
            let known = index.knows(&key);
            if known && !target {
                index.add_stale_secret(&key, &secret.name);
            }
            known.then_some(target)
        };
        match known {
            // Perhaps its labels have changed, or our selector, while nobody watched.
            None if group_of(&secret).as_deref() == self.shared.rules.group => {
                groups::may_have_left(&self.shared, &key, &secret.name);
            }
            None => {}
            Some(false) => self.shared.changed(&key, Event::Look),
            Some(true) => {
                if listed {
                    self.listed.insert(key.clone());
                }
                match token_facts(&secret) {
                    Some(facts) => self.shared.changed(&key, Event::Token(Some(facts))),
                    None => self.shared.changed(&key, Event::Look),
                }
                if !secret.has_label(CREDENTIALS_LABEL, "true") {
                    self.notify_users(&namespace, &secret.name);
                }
            }
        }
    }

    fn deleted(&mut self, object: PartialObjectMeta<ApiSecret>) {
        let namespace = object.namespace().unwrap_or_default();
        lock(&self.shared.index).secret_seen(object.metadata.resource_version.as_deref());
        let secret = metadata_seen(object.metadata);
        let Some(key) = self.resource_of(&namespace, &secret) else {
            return;
        };
        let target = {
            let mut index = lock(&self.shared.index);
            index.remove_stale_secret(&key, &secret.name);
            index.is_target(&key, &secret.name)
        };
        if target {
            let owner = secret.owners.iter().find(|owner| owner.controller);
            self.shared
                .deletion_reported(&key, owner.map(|owner| owner.uid.as_str()));
            self.shared.changed(&key, Event::Token(None));
        }
    }

    fn list_started(&mut self) {
        self.listed.clear();
    }

    fn list_completed(&mut self) {
        let listed = std::mem::take(&mut self.listed);
        let keys = lock(&self.shared.index).keys(self.scope.as_deref());
        for key in keys.into_iter().filter(|key| !listed.contains(key)) {
            let had_one = lock(&self.shared.engine)
                .record(&key)
                .is_some_and(|record| record.token.is_some());
            if had_one {
                self.shared.deletion_reported(&key, None);
                self.shared.changed(&key, Event::Token(None));
            }
        }
    }
}
