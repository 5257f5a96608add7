//! Groups of operators: reports resources that another group serves, and releases those that have left ours.
//!
//! A resource leaves a group when its labels change, or the group's selector. Its token Secret still names the group, so the
//! next one would wait. Therefore the group removes its name from the state.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret as ApiSecret;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::engine::Key;
use crate::lock::lock;
use crate::metrics::WriteKind;
use crate::model::{Resource, SecretSeen, TokenState};
use crate::policy::{OtherGroup, group_of, served_by_another_group};
use crate::tenant;

use super::calls::MANAGER;
use super::convert::secret_seen;
use super::group_queue::MOST_WAITING;
use super::shared::Shared;
use super::stored::StoredResource;

/// Records who serves a resource; a conflict is reported once.
pub(super) fn served_by(shared: &Shared, resource: &Resource, other: Option<&OtherGroup>) {
    let key = Key::new(&resource.namespace, &resource.name);
    let Some(other) = other else {
        shared.groups.forget(&key);
        return;
    };
    if !lock(&shared.groups.others).insert(key) {
        return;
    }
    let event = served_by_another_group(resource, other, shared.rules.group);
    tracing::warn!(reason = %event.reason, "{}", event.message);
    shared.events.publish(resource, &event);
}

/// A resource is no longer selected; perhaps it still exists.
pub(super) fn may_have_left(shared: &Shared, key: &Key, secret: &str) {
    if shared.rules.group.is_none() || secret.is_empty() {
        return;
    }
    let mut leaving = lock(&shared.groups.leaving);
    if leaving.len() < MOST_WAITING {
        leaving.insert(key.clone(), secret.to_owned());
        shared.groups.came.notify_one();
    }
}

/// Releases resources that have left, one after the other.
pub(super) async fn release(shared: Arc<Shared>) {
    loop {
        let next = {
            let mut leaving = lock(&shared.groups.leaving);
            let key = leaving.keys().next().cloned();
            key.and_then(|key| leaving.remove_entry(&key))
        };
        match next {
            None => shared.groups.came.notified().await,
            Some((key, secret)) => {
                tenant::serve(
                    key.namespace(),
                    Box::pin(release_one(&shared, &key, &secret)),
                )
                .await;
            }
        }
    }
}

async fn release_one(shared: &Shared, key: &Key, name: &str) {
    if lock(&shared.index).knows(key) || !shared.may_start_work() {
        return;
    }
    let (namespace, calls) = (key.namespace(), &shared.calls);
    let resource = calls.get::<StoredResource>(namespace, key.name()).await;
    let Ok(Some(resource)) = resource else { return };
    let Ok(Some(secret)) = calls.get::<ApiSecret>(namespace, name).await else {
        return;
    };
    let secret = secret_seen(secret);
    let uid = resource.object.metadata.uid.unwrap_or_default();
    let own = secret
        .owners
        .iter()
        .any(|owner| owner.controller && owner.uid == uid);
    let Some(state) = secret.state().filter(|_| own && is_ours(shared, &secret)) else {
        return;
    };
    let mut owner = state.owner.clone();
    if let Some(owner) = &mut owner {
        owner.group = None;
    }
    let released = TokenState { owner, ..state };
    let patch = Patch::Merge(json!({
        "metadata": {
            "uid": secret.uid,
            "resourceVersion": secret.resource_version,
            "annotations": released.write(),
        }
    }));
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let api = calls.api::<ApiSecret>(namespace);
    let answer = calls.call(api.patch(name, &params, &patch)).await;
    shared.metrics.api_write(WriteKind::Secret, answer.is_ok());
    match answer {
        Ok(_) => {
            tracing::info!(resource = %key, "its labels no longer match the selector: released")
        }
        // Another group takes it over before its token expires.
        Err(error) => {
            tracing::warn!(resource = %key, error = error.summary(), "could not be released")
        }
    }
}

fn is_ours(shared: &Shared, secret: &SecretSeen) -> bool {
    group_of(secret).as_deref() == shared.rules.group
}
