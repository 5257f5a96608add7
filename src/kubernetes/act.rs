//! All writes to the API.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret as ApiSecret;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::api::OAuthClientStatus;
use crate::engine::Key;
use crate::lock::lock;
use crate::metrics::WriteKind;
use crate::model::{On, Resource, SecretBody, SecretSeen, SecretWrite, StaleSecret};
use crate::policy::{NoticeKind, Report};
use crate::reconcile::{StoreError, WriteError};

use super::api_limiter::For;
use super::calls::CallError;
use super::convert::{secret_seen, write_body};
use super::shared::Shared;
use super::stored::Stored;

/// The field manager in `managedFields`.
pub(super) const MANAGER: &str = "oauthclient-operator";
/// How often a status is tried at once, and the pause in between: a short time, because it holds a slot.
const STATUS_TRIES: u32 = 4;
const STATUS_PAUSE: Duration = Duration::from_millis(200);

/// Writes a token Secret, once.
pub(super) async fn write(
    shared: &Shared,
    key: &Key,
    write: &SecretWrite,
) -> Result<SecretSeen, WriteError> {
    let answer = write_secret(shared, key, write, WriteKind::Secret).await;
    if answer.is_ok() {
        let (expires, refresh) = (write.state.expires, write.state.refresh);
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
    let creating = write.on == On::Create;
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
        Ok(secret) => Ok(SecretSeen {
            data: std::collections::BTreeMap::new(),
            ..secret_seen(secret)
        }),
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
    lock(&shared.index).leftover_gone(key, &stale.name);
    Ok(())
}

/// Writes the status if it changed, then publishes the events. Returns the resulting version of the resource.
pub(super) async fn report(
    shared: &Shared,
    resource: &Resource,
    report: &Report,
) -> Result<Option<String>, StoreError> {
    let mut version = None;
    if report.changed {
        version = write_status(shared, resource, &report.status).await?;
    }
    for notice in &report.notices {
        match notice.kind {
            NoticeKind::Normal => tracing::info!(reason = %notice.reason, "{}", notice.message),
            NoticeKind::Warning => tracing::warn!(reason = %notice.reason, "{}", notice.message),
        }
        shared.events.publish(resource, notice);
    }
    Ok(version)
}

/// Writes a status for the object and version that it was made from: never over a report about a successor of the same
/// name or a newer spec.
async fn write_status(
    shared: &Shared,
    resource: &Resource,
    status: &OAuthClientStatus,
) -> Result<Option<String>, StoreError> {
    let api = shared.calls.api::<Stored>(&resource.namespace);
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let mut version = resource.life.resource_version.clone();
    let mut tries = 1;
    loop {
        let patch = Patch::Merge(json!({
            "metadata": {"uid": resource.uid, "resourceVersion": version},
            "status": with_nulls(status),
        }));
        let answer = shared
            .calls
            .call_for(
                For::Status,
                api.patch_status(&resource.name, &params, &patch),
            )
            .await;
        shared.metrics.api_write(WriteKind::Status, answer.is_ok());
        let error = match answer {
            Ok(stored) => return Ok(stored.object.metadata.resource_version),
            // It is gone, or another object has its name: there is nothing to report to.
            Err(error) if error.is_not_found() || error.is_other_object() => return Ok(None),
            Err(error) => error,
        };
        if tries >= STATUS_TRIES || !error.may_pass() {
            return Err(error.into());
        }
        if error.is_conflict() {
            match still_holds(shared, resource).await? {
                Held::Still(newer) => version = newer,
                Held::NoMore => return Err(StoreError::Passing(CHANGED.to_owned())),
                Held::Gone => return Ok(None),
            }
        } else {
            sleep(STATUS_PAUSE * tries).await;
        }
        tries += 1;
    }
}

/// The message if a status was overtaken: the resource is reconciled again.
const CHANGED: &str = "the resource has changed since it was observed";

/// Whether a report about a resource still applies.
enum Held {
    /// Only its metadata changed; its version now.
    Still(String),
    /// Its spec or its status changed.
    NoMore,
    /// It is gone.
    Gone,
}

/// After a conflict: a report still applies if spec and status are the observed ones.
async fn still_holds(shared: &Shared, resource: &Resource) -> Result<Held, StoreError> {
    let calls = &shared.calls;
    let now = calls
        .get::<Stored>(&resource.namespace, &resource.name)
        .await?;
    let Some(now) = now.map(|stored| stored.object) else {
        return Ok(Held::Gone);
    };
    let metadata = now.metadata;
    if metadata.uid.as_ref() != Some(&resource.uid) {
        return Ok(Held::Gone);
    }
    let same = metadata.generation == Some(resource.generation)
        && now.status.unwrap_or_default() == resource.status;
    Ok(match metadata.resource_version.filter(|_| same) {
        Some(version) => Held::Still(version),
        None => Held::NoMore,
    })
}

/// A merge patch keeps what it does not name, so removed fields are set to `null`.
fn with_nulls(status: &OAuthClientStatus) -> Value {
    let mut value = serde_json::to_value(status).unwrap_or_else(|_| json!({}));
    if let Value::Object(fields) = &mut value {
        for field in [
            "token",
            "refreshToken",
            "attempt",
            "repairs",
            "clientCertificate",
            "clientSecret",
            "clientSecretKey",
            "lastRefreshRequest",
        ] {
            fields.entry(field).or_insert(Value::Null);
        }
        for (field, parts) in [
            ("token", &["scope"][..]),
            ("clientCertificate", &["expirationTime"][..]),
            ("clientSecret", &["expirationTime"][..]),
            (
                "attempt",
                &[
                    "nextTime",
                    "retryAfterTime",
                    "refusedSecretKeys",
                    "kind",
                    "reached",
                    "httpStatus",
                    "code",
                    "message",
                    "rejectedSecret",
                ][..],
            ),
        ] {
            if let Some(Value::Object(inner)) = fields.get_mut(field) {
                for part in parts {
                    inner.entry(*part).or_insert(Value::Null);
                }
            }
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_status_no_longer_says_is_removed() {
        let crd: Value =
            serde_saphyr::from_str(include_str!("../../crds/oauthclients.yaml")).unwrap();
        let schema = crd
            .pointer("/spec/versions/0/schema/openAPIV3Schema/properties/status/properties")
            .unwrap();
        let none = with_nulls(&OAuthClientStatus::default());
        let emptied = with_nulls(&OAuthClientStatus {
            token: Some(Default::default()),
            refresh_token: Some(Default::default()),
            attempt: Some(Default::default()),
            repairs: Some(Default::default()),
            client_certificate: Some(Default::default()),
            client_secret: Some(Default::default()),
            ..OAuthClientStatus::default()
        });
        let mut parts = 0;
        for (field, schema) in schema.as_object().unwrap() {
            // Conditions are a list, which is replaced as a whole.
            if ["conditions", "observedGeneration"].contains(&field.as_str()) {
                continue;
            }
            assert_eq!(none.get(field), Some(&Value::Null), "{field}");
            for part in schema["properties"].as_object().into_iter().flatten() {
                parts += 1;
                let value = &emptied[field];
                assert!(value.get(part.0).is_some(), "{field}.{} stays", part.0);
            }
        }
        assert!(parts > 20, "{parts}");
    }
}
