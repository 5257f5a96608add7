//! The write of a refresh token family's state.

use crate::engine::Key;
use crate::metrics::WriteKind;
use crate::model::{SecretBody, SecretSeen};
use crate::reconcile::WriteError;

use super::act;
use super::shared::Shared;

/// Writes a state Secret, once.
pub(super) async fn write_state_secret(
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
