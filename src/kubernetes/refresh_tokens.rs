//! The reads for a resource with refresh tokens, and the write of its state.

use k8s_openapi::api::core::v1::Secret as ApiSecret;

use crate::api::Validated;
use crate::engine::Key;
use crate::kubernetes::convert::outdated;
use crate::lock::lock;
use crate::metrics::WriteKind;
use crate::model::{FamilySeen, SecretBody, SecretSeen};
use crate::oauth::refresh::Origin;
use crate::policy::{login_name, state_name};
use crate::reconcile::{StoreError, WriteError};
use crate::time::Span;

use super::act;
use super::convert::secret_seen;
use super::index::secret_id;
use super::shared::Shared;

/// Reads the state Secret and the login Secret of a resource that has them.
pub(super) async fn chain(
    shared: &Shared,
    key: &Key,
    spec: &Validated,
    attempt: String,
) -> Result<FamilySeen, StoreError> {
    if !spec.keeps_state() {
        return Ok(FamilySeen::default());
    }
    let origin = spec.refreshing.as_ref().map(|refreshing| refreshing.origin);
    let login = async {
        match origin {
            Some(Origin::Given) => login(shared, key).await,
            Some(Origin::Password) | None => Ok(None),
        }
    };
    let name = state_name(key.name());
    let (state, login) = tokio::join!(get(shared, key, &name), login);
    let elapsed = shared.clock.elapsed();
    Ok(FamilySeen {
        state: state?,
        login: login?,
        process: shared.process.name.clone(),
        attempt,
        elapsed: Span::from_seconds_f64(elapsed.as_secs_f64()),
        here: shared.clock.host_time(),
        drain: shared.process.drain,
        alone: false,
    })
}

/// The login Secret, as new as a watch has reported.
async fn login(shared: &Shared, key: &Key) -> Result<Option<SecretSeen>, StoreError> {
    let name = login_name(key.name());
    let seen = get(shared, key, &name).await?;
    let version = seen.as_ref().map(|secret| secret.resource_version.as_str());
    let id = secret_id(key.namespace(), &name);
    if lock(&shared.index).knows_newer_credentials(id, version) {
        return Err(outdated("of the login Secret"));
    }
    Ok(seen)
}

async fn get(shared: &Shared, key: &Key, name: &str) -> Result<Option<SecretSeen>, StoreError> {
    let secret = shared.calls.get::<ApiSecret>(key.namespace(), name).await?;
    Ok(secret.map(secret_seen))
}

/// Writes a state Secret, once.
pub(super) async fn keep(
    shared: &Shared,
    key: &Key,
    body: &SecretBody,
) -> Result<SecretSeen, WriteError> {
    let answer = act::write_secret(shared, key, body, WriteKind::RefreshState).await;
    if answer.is_ok() {
        tracing::debug!(secret = body.name, "refresh state written");
    }
    answer
}
