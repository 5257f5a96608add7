//! Reports a permission that was removed: a status can still be written when a Secret can no longer be read.

use crate::engine::Key;
use crate::lock::lock;
use crate::model::Observed;
use crate::policy::{barred, report};

use super::act;
use super::shared::Shared;

/// Reports in the status of a resource that it could not be observed for want of this permission. The reconcile still ends, and is
/// retried: a granted permission is noticed then.
pub(super) async fn tell(shared: &Shared, seen: &Observed, right: &str) {
    if seen.resource.spec.is_err() {
        // The invalid spec is reported when the Secret can be read again.
        return;
    }
    let resource = &seen.resource;
    let key = Key::new(&resource.namespace, &resource.name);
    let token = lock(&shared.engine)
        .record(&key)
        .and_then(|record| record.token);
    let now = shared.clock.now();
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
