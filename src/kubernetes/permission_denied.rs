//! Telling people of a right that was taken away: a status can still be written where a Secret can no longer be read.

use crate::engine::Key;
use crate::lock::lock;
use crate::model::Observed;
use crate::policy::{barred, report};
use crate::reconcile::StoreError;

use super::act;
use super::shared::Shared;

/// Tells of it in the status of the resource, if that is why it could not be looked at. The walk ends all the same, and tries
/// again: a right that is granted is noticed by itself.
pub(super) async fn tell(shared: &Shared, key: &Key, seen: &Observed, trouble: &StoreError) {
    let StoreError::Unreadable { right } = trouble else {
        return;
    };
    if seen.resource.spec.is_err() {
        // The wrong spec is told of once the Secret can be seen again.
        return;
    }
    let token = lock(&shared.engine)
        .record(key)
        .and_then(|record| record.token);
    let now = shared.clock.now();
    let resource = &seen.resource;
    let told = report(
        &barred(seen, right, token, now),
        &resource.status,
        resource.generation,
        shared.detail,
        now,
    );
    if let Err(trouble) = act::report(shared, &seen.resource, &told).await {
        tracing::warn!(%trouble, "the status could not be written");
    }
}
