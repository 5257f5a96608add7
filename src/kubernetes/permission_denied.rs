//! Reports a permission that was removed: a status can still be written when a Secret can no longer be read.

use crate::engine::Key;
use crate::lock::lock;
use crate::model::Observed;
use crate::policy::{permission_denied, report};

use super::act;
use super::shared::Shared;

/// Reports in the status of a resource that it could not be observed for want of this permission. The reconcile still ends, and is
/// retried: a granted permission is noticed then.
pub(super) async fn report_denied(shared: &Shared, seen: &Observed, permission: &str) {
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
    let written_report = report(
        &permission_denied(seen, permission, token, now),
        &resource.status,
        resource.generation,
        shared.detail,
        now,
    );
    if let Err(error) = act::write_status_and_events(shared, &seen.resource, &written_report).await
    {
        tracing::warn!(%error, "the status could not be written");
    }
}
