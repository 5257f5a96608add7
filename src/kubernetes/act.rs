//! All writes to the API.

use k8s_openapi::api::core::v1::Secret as ApiSecret;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};

use crate::engine::Key;
use crate::lock::lock;
use crate::metrics::WriteKind;
use crate::model::{Resource, SecretBody, SecretSeen, SecretWrite, StaleSecret, WriteMode};
use crate::policy::{EventType, Report};
use crate::reconcile::{StoreError, WriteError};

use super::calls::{CallError, MANAGER};
use super::convert::{secret_seen, write_body};
use super::shared::Shared;
use super::status_write::write_status;

/// Writes a token Secret, once.
pub(super) async fn write_token_secret(
    shared: &Shared,
    key: &Key,
    write: &SecretWrite,
) -> Result<SecretSeen, WriteError> {
    let answer = write_secret(shared, key, write, WriteKind::Secret).await;
    if answer.is_ok() {
        let (expires, refresh) = (write.state.expires(), write.state.refresh);
        tracing::info!(secret = write.name, %expires, %refresh, "token Secret written");
    }
    answer
}

/// Writes a Secret of ours, once. The result is without its data.
pub(super) async fn write_secret(
    shared: &Shared,
    key: &Key,
    write: &SecretBody,
    kind: WriteKind,
) -> Result<SecretSeen, WriteError> {
    let api = shared.calls.api::<ApiSecret>(key.namespace());
    let body = write_body(write);
    let creating = write.mode == WriteMode::Create;
    let answer = if creating {
        match serde_json::from_value::<ApiSecret>(body) {
            Ok(secret) => {
                let params = PostParams {
                    field_manager: Some(MANAGER.to_owned()),
                    ..PostParams::default()
                };
                shared.calls.call(api.create(&params, &secret)).await
            }
            Err(_) => Err(CallError::Garbled),
        }
    } else {
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        // Strategic, because it merges the only list (the owners) by UID, so that foreign entries lose no field.
        let patch = Patch::Strategic(body);
        shared
            .calls
            .call(api.patch(&write.name, &params, &patch))
            .await
    };
    shared.metrics.api_write(kind, answer.is_ok());
    match answer {
        Ok(secret) => {
            lock(&shared.index).secret_seen(secret.metadata.resource_version.as_deref());
            Ok(SecretSeen {
                data: std::collections::BTreeMap::new(),
                ..secret_seen(secret)
            })
        }
        Err(error) => Err(error.of_write(creating)),
    }
}

/// Deletes a Secret of ours, if it is still the same.
pub(super) async fn delete(
    shared: &Shared,
    key: &Key,
    stale: &StaleSecret,
) -> Result<(), StoreError> {
    let api = shared.calls.api::<ApiSecret>(key.namespace());
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: Some(stale.uid.clone()),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    let answer = shared.calls.call(api.delete(&stale.name, &params)).await;
    shared.metrics.api_write(WriteKind::Secret, answer.is_ok());
    match answer {
        Ok(_) => {}
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error.into()),
    }
    lock(&shared.index).remove_stale_secret(key, &stale.name);
    Ok(())
}

/// Writes the status if it changed, then publishes the events. Returns the resulting version of the resource.
pub(super) async fn write_status_and_events(
    shared: &Shared,
    resource: &Resource,
    report: &Report,
) -> Result<Option<String>, StoreError> {
    let key = Key::new(&resource.namespace, &resource.name);
    let mut version = None;
    if report.changed {
        let written = write_status(shared, resource, &report.status).await?;
        if let Some(written) = &written {
            shared.keep_recent(&key, written);
        }
        version = written.and_then(|stored| stored.object.metadata.resource_version);
    }
    for event in &report.events {
        match event.kind {
            EventType::Normal => tracing::info!(reason = %event.reason, "{}", event.message),
            EventType::Warning => tracing::warn!(reason = %event.reason, "{}", event.message),
        }
        shared.events.publish(resource, event);
    }
    Ok(version)
}
