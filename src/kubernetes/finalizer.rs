//! The finalizer: added before a token is requested that must be revoked, removed when the resource may be deleted.

use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::api::OAuthClient;
use crate::metrics::WriteKind;
use crate::model::{Observed, REVOCATION_FINALIZER};
use crate::reconcile::StoreError;

use super::calls::MANAGER;
use super::shared::Shared;

/// Adds or removes the finalizer. Foreign finalizers are not changed.
///
/// Returns the resulting version of the resource.
pub(super) async fn set(
    shared: &Shared,
    seen: &Observed,
    present: bool,
) -> Result<Option<String>, StoreError> {
    let resource = &seen.resource;
    let meta = &resource.meta;
    let others = meta.finalizers.iter().map(String::as_str);
    let mut all: Vec<&str> = others.filter(|one| *one != REVOCATION_FINALIZER).collect();
    if present {
        all.push(REVOCATION_FINALIZER);
    }
    // A merge patch replaces a list as a whole: the version ensures that it is still the observed one.
    let patch = Patch::Merge(json!({
        "metadata": {
            "uid": resource.uid,
            "resourceVersion": meta.resource_version,
            "finalizers": all,
        }
    }));
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let api = shared.calls.api::<OAuthClient>(&resource.namespace);
    let answer = shared
        .calls
        .call(api.patch(&resource.name, &params, &patch))
        .await;
    shared
        .metrics
        .api_write(WriteKind::Finalizer, answer.is_ok());
    match answer {
        Ok(object) => Ok(object.metadata.resource_version),
        // It is gone, or another object has its name: nothing waits anymore.
        Err(error) if error.is_not_found() || error.is_other_object() => Ok(None),
        Err(error) => Err(error.into()),
    }
}
