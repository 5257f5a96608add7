//! The watch of OAuthClients.

use std::collections::HashSet;
use std::sync::Arc;

use kube::ResourceExt as _;

use crate::api::OAuthClient;
use crate::engine::{Event, Key, ResourceFacts};
use crate::facts::{known_facts, resource_facts};
use crate::index::ordered;
use crate::kubernetes::groups;
use crate::kubernetes::restarts::check_workloads;
use crate::kubernetes::shared::Shared;
use crate::kubernetes::stored::StoredResource;
use crate::lock::lock;
use crate::policy::uid_fact;

use super::run::{Listener, WatchScope, Watching, config, run};

/// Watches the resources of one scope.
pub(crate) async fn resources(watching: Watching) {
    let selector = watching.shared.selector.as_query().map(str::to_owned);
    let config = match selector {
        Some(selector) => config().labels(&selector),
        None => config(),
    };
    run(watching, config, |shared, scope| ResourcesListener {
        shared,
        scope,
        listed: HashSet::new(),
    })
    .await;
}

struct ResourcesListener {
    shared: Arc<Shared>,
    scope: WatchScope,
    listed: HashSet<Key>,
}

impl ResourcesListener {
    /// If only status or metadata changed, the spec is not processed again. The endpoints of an issuer may change
    /// without it.
    fn facts(&self, key: &Key, object: &OAuthClient) -> ResourceFacts {
        let metadata = &object.metadata;
        let known = match &object.spec.provider.issuer_url {
            Some(_) => None,
            // A request for a new key is an annotation.
            None if object.spec.dpop.is_some() => None,
            None => lock(&self.shared.engine).spec_known(
                key,
                uid_fact(metadata.uid.as_deref().unwrap_or_default()),
                metadata.generation.unwrap_or(0),
            ),
        };
        match known {
            Some((inputs, host)) => known_facts(object, inputs, host),
            None => resource_facts(object, |spec| self.shared.discovery.host_queue(spec)),
        }
    }
}

impl Listener<StoredResource> for ResourcesListener {
    const KIND: &'static str = "oauthclients";

    fn applied(&mut self, mut stored: StoredResource, listed: bool) {
        let key = Key::new(&stored.namespace().unwrap_or_default(), &stored.name_any());
        if listed {
            self.listed.insert(key.clone());
        }
        let uid = stored.object.metadata.uid.as_deref().unwrap_or_default();
        self.shared.appeared(&key, uid);
        let object = &mut stored.object;
        let mut facts = self.facts(&key, object);
        let spec = &object.spec;
        let has_restarts = !spec.restart.is_empty();
        let seen = ordered(object.metadata.resource_version.as_deref());
        let (applied, credentials) = {
            let mut index = lock(&self.shared.index);
            let applied = index.apply(&key, spec, seen);
            (applied, index.credentials_of(&key))
        };
        let known = applied.known;
        self.shared
            .credential_expiries
            .note(&key, object.status.as_ref());
        self.shared.note_stalled(&key, object.status.as_ref());
        if applied.moved {
            self.shared.target_moved(&key);
        }
        object.metadata.managed_fields = None;
        // It was valid for the version that wrote it: that it is not for this one must still be reported.
        facts.reported &= stored.reports_its_problem();
        if facts.reported {
            self.shared.drop_older(&key, &stored);
        } else {
            self.shared.keep_recent(&key, &stored);
        }
        if !known && has_restarts {
            // What waited for a restart when the process before this one ended is not forgotten.
            check_workloads(&self.shared, &key, false);
        }
        if !known && let Some(version) = credentials {
            let facts = crate::engine::CredentialsFacts { version };
            self.shared.changed(&key, Event::Credentials(Some(facts)));
        }
        self.shared.changed(&key, Event::Resource(facts));
        if known && let Some(version) = credentials {
            // It may name another Secret now.
            let facts = crate::engine::CredentialsFacts { version };
            self.shared.changed(&key, Event::Credentials(Some(facts)));
        }
        self.shared.token_changed(&applied.dependents);
    }

    fn deleted(&mut self, stored: StoredResource) {
        let key = Key::new(&stored.namespace().unwrap_or_default(), &stored.name_any());
        // Deleted, or its labels no longer match.
        groups::may_have_left(&self.shared, &key, &stored.object.spec.token_secret.name);
        self.shared.forget(&key);
        self.shared.changed(&key, Event::Gone);
    }

    fn interrupted(&mut self) {
        self.shared.drop_recent();
    }

    fn list_started(&mut self) {
        self.listed.clear();
    }

    fn list_completed(&mut self) {
        let listed = std::mem::take(&mut self.listed);
        let keys = lock(&self.shared.index).keys(self.scope.as_deref());
        for key in keys.into_iter().filter(|key| !listed.contains(key)) {
            self.shared.forget(&key);
            self.shared.changed(&key, Event::Gone);
        }
    }
}
