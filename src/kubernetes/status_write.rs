//! Writing the status of a resource.
//!
//! A replacement costs the API server less than a merge patch. It removes what it does not name, so a status with fields
//! that this version does not know is patched, as it is where the role allows nothing else.

use std::time::Duration;

use kube::api::{Patch, PatchParams, PostParams};
use kube::core::Request;
use kube::{Api, Resource as _};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::api::OAuthClientStatus;
use crate::engine::Key;
use crate::lock::lock;
use crate::metrics::WriteKind;
use crate::model::Resource;
use crate::reconcile::StoreError;

use super::api_limiter::CallPurpose;
use super::calls::{CallError, MANAGER};
use super::shared::Shared;
use super::stored::StoredResource;

/// How often a status is tried at once, and the pause in between: a short time, because it holds a slot.
const STATUS_TRIES: u32 = 4;
const STATUS_PAUSE: Duration = Duration::from_millis(200);

/// Writes a status for the object and version that it was made from: never over a report about a successor of the same
/// name or a newer spec. Returns the resource with it; `None` if it is gone.
pub(super) async fn write_status(
    shared: &Shared,
    resource: &Resource,
    status: &OAuthClientStatus,
) -> Result<Option<StoredResource>, StoreError> {
    let key = Key::new(&resource.namespace, &resource.name);
    let mut version = resource.meta.resource_version.clone();
    let mut tries = 1;
    loop {
        let replace = shared.replacing.is_allowed(shared.clock.elapsed())
            && !lock(&shared.unknown_statuses).contains(&key);
        let answer = if replace {
            replaced(shared, resource, &version, status).await
        } else {
            patched(shared, resource, &version, status).await
        };
        shared.metrics.api_write(WriteKind::Status, answer.is_ok());
        let error = match answer {
            Ok(stored) => return Ok(Some(stored)),
            // It is gone, or another object has its name: there is nothing to report to.
            Err(error) if error.is_not_found() || error.is_other_object() => return Ok(None),
            Err(error) if replace && error.is_forbidden() => {
                if shared.replacing.refused(shared.clock.elapsed()) {
                    tracing::info!(
                        "the role does not allow to update oauthclients/status, so statuses are patched, which costs \
                         the API server more"
                    );
                }
                continue;
            }
            Err(error) => error,
        };
        if tries >= STATUS_TRIES || !error.is_transient() {
            return Err(error.into());
        }
        if error.is_conflict() {
            match still_applies(shared, &key, resource).await? {
                Applicability::Still(newer) => version = newer,
                Applicability::NoMore => return Err(StoreError::Passing(CHANGED.to_owned())),
                Applicability::Gone => return Ok(None),
            }
        } else {
            sleep(STATUS_PAUSE * tries).await;
        }
        tries += 1;
    }
}

/// Replaces the status. Everything else in the request is ignored by the API server, so it only identifies the object and
/// its version.
async fn replaced(
    shared: &Shared,
    resource: &Resource,
    version: &str,
    status: &OAuthClientStatus,
) -> Result<StoredResource, CallError> {
    let body = json!({
        "apiVersion": StoredResource::api_version(&()),
        "kind": StoredResource::kind(&()),
        "metadata": {
            "name": resource.name,
            "namespace": resource.namespace,
            "uid": resource.uid,
            "resourceVersion": version,
        },
        "status": status,
    });
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    let url = StoredResource::url_path(&(), Some(&resource.namespace));
    let request = Request::new(url).replace_subresource(
        "status",
        &resource.name,
        &params,
        body.to_string().into_bytes(),
    );
    // A name and parameters that the API server has accepted before always form a request.
    let request = request.map_err(|_| CallError::Garbled)?;
    let client = shared.calls.client();
    shared
        .calls
        .call_for(
            CallPurpose::Status,
            client.request::<StoredResource>(request),
        )
        .await
}

/// Patches the status.
async fn patched(
    shared: &Shared,
    resource: &Resource,
    version: &str,
    status: &OAuthClientStatus,
) -> Result<StoredResource, CallError> {
    let api: Api<StoredResource> = shared.calls.api(&resource.namespace);
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(json!({
        "metadata": {"uid": resource.uid, "resourceVersion": version},
        "status": with_nulls(status),
    }));
    let patch = api.patch_status(&resource.name, &params, &patch);
    shared.calls.call_for(CallPurpose::Status, patch).await
}

/// The message if a status was overtaken: the resource is reconciled again.
const CHANGED: &str = "the resource has changed since it was observed";

/// Whether a report about a resource still applies.
enum Applicability {
    /// Only its metadata changed; its version now.
    Still(String),
    /// Its spec or its status changed.
    NoMore,
    /// It is gone.
    Gone,
}

/// After a conflict: a report still applies if spec and status are the observed ones.
async fn still_applies(
    shared: &Shared,
    key: &Key,
    resource: &Resource,
) -> Result<Applicability, StoreError> {
    let calls = &shared.calls;
    let now = calls
        .get::<StoredResource>(&resource.namespace, &resource.name)
        .await?;
    let Some(stored) = now else {
        return Ok(Applicability::Gone);
    };
    shared.note_unknown(key, &stored);
    let now = stored.object;
    let metadata = now.metadata;
    if metadata.uid.as_ref() != Some(&resource.uid) {
        return Ok(Applicability::Gone);
    }
    let same = metadata.generation == Some(resource.generation)
        && now.status.unwrap_or_default() == resource.status;
    Ok(match metadata.resource_version.filter(|_| same) {
        Some(version) => Applicability::Still(version),
        None => Applicability::NoMore,
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
                    "remedy",
                    "command",
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
