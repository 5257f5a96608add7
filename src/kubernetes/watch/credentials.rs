//! The watch of credentials Secrets.

use std::collections::HashSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret as ApiSecret;
use kube::ResourceExt as _;
use kube::core::PartialObjectMeta;

use crate::engine::Event;
use crate::index::{SecretId, ordered, secret_id};
use crate::kubernetes::shared::Shared;
use crate::lock::lock;
use crate::names::CREDENTIALS_LABEL;
use crate::policy::credentials_facts;

use super::run::{Listener, WatchScope, Watching, labelled, run};

/// Watches the metadata of credentials Secrets: those with the opt-in label.
pub(crate) async fn credentials(watching: Watching) {
    run(watching, labelled(CREDENTIALS_LABEL), |shared, scope| {
        CredentialsListener {
            shared,
            scope,
            listed: HashSet::new(),
        }
    })
    .await;
}

struct CredentialsListener {
    shared: Arc<Shared>,
    scope: WatchScope,
    listed: HashSet<SecretId>,
}

impl CredentialsListener {
    /// A Secret changed. If many use it, they are not all notified at once.
    fn changed(&self, namespace: &str, name: &str, version: Option<(u64, u64)>) {
        let id = secret_id(namespace, name);
        let many = {
            let mut index = lock(&self.shared.index);
            index.credentials_seen(id, version);
            index.is_used_by_many(id)
        };
        if many && lock(&self.shared.engine).is_ready() {
            let now = self.shared.clock.now();
            let changes = &self.shared.secret_changes;
            changes.changed(namespace, name, id, now);
            let login = lock(&self.shared.index).login_of(id);
            if let Some(key) = login {
                self.shared.changed(&key, Event::Look);
            }
        } else {
            self.notify(id, version);
        }
    }

    /// Notifies its users. `version`: its resource version as a hash, and as a number for comparison; `None` if it is deleted.
    fn notify(&self, secret: SecretId, version: Option<(u64, u64)>) {
        let (users, certificate_users, login_of) = {
            let mut index = lock(&self.shared.index);
            index.credentials_seen(secret, version);
            let users = index.users(secret).into_iter();
            let users: Vec<_> = users
                .map(|key| (key.clone(), index.credentials_of(&key)))
                .collect();
            let login_of = index.login_of(secret);
            (users, index.certificate_users(secret), login_of)
        };
        if let Some(key) = login_of {
            self.shared.changed(&key, Event::Look);
        }
        for (key, version) in users {
            let facts = version.map(|version| crate::engine::CredentialsFacts { version });
            self.shared.changed(&key, Event::Credentials(facts));
        }
        for key in certificate_users {
            self.shared.changed(&key, Event::Look);
        }
    }
}

impl Listener<PartialObjectMeta<ApiSecret>> for CredentialsListener {
    const KIND: &'static str = "credentials";

    fn applied(&mut self, object: PartialObjectMeta<ApiSecret>, listed: bool) {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        if listed {
            self.listed.insert(secret_id(&namespace, &name));
        }
        let metadata = object.metadata;
        let facts = credentials_facts(
            metadata.uid.as_deref().unwrap_or_default(),
            metadata.resource_version.as_deref().unwrap_or_default(),
        );
        let seen = ordered(metadata.resource_version.as_deref());
        lock(&self.shared.index).secret_seen(metadata.resource_version.as_deref());
        self.changed(&namespace, &name, Some((facts.version, seen)));
    }

    fn deleted(&mut self, object: PartialObjectMeta<ApiSecret>) {
        let namespace = object.namespace().unwrap_or_default();
        lock(&self.shared.index).secret_seen(object.metadata.resource_version.as_deref());
        self.changed(&namespace, &object.name_any(), None);
    }

    fn list_started(&mut self) {
        self.listed.clear();
    }

    fn list_completed(&mut self) {
        let listed = std::mem::take(&mut self.listed);
        let gone = lock(&self.shared.index).vanished_credentials(&listed, self.scope.as_deref());
        for id in gone {
            self.notify(id, None);
        }
    }
}
