//! The finalizer: put on before a token is asked for that is to be revoked, taken off when the resource may go.

use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::api::OAuthClient;
use crate::metrics::WriteKind;
use crate::model::{Observed, REVOCATION_FINALIZER};
use crate::reconcile::StoreError;

use super::act::MANAGER;
use super::shared::Shared;

/// Puts the finalizer on, or takes it off; whoever else holds the resource goes on doing so.
///
/// Returns the version of the resource that came of it.
pub(super) async fn hold(
    shared: &Shared,
    seen: &Observed,
    held: bool,
) -> Result<Option<String>, StoreError> {
    let resource = &seen.resource;
    let life = &resource.life;
    let others = life.finalizers.iter().map(String::as_str);
    let mut all: Vec<&str> = others.filter(|one| *one != REVOCATION_FINALIZER).collect();
    if held {
        all.push(REVOCATION_FINALIZER);
    }
    // A merge patch takes a list whole: the version says that it is still the one that was seen.
    let patch = Patch::Merge(json!({
        "metadata": {
            "uid": resource.uid,
            "resourceVersion": life.resource_version,
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
        // It is gone, or another one of its name is there: nobody waits any more.
        Err(error) if error.is_not_found() || error.is_other_object() => Ok(None),
        Err(error) => Err(error.into()),
    }
}
