//! When client certificates and client secrets expire, from the statuses, for the metrics.

use std::sync::Arc;

use super::shared::Shared;

/// Exposes them to the metrics.
pub(super) fn expose(shared: &Arc<Shared>) {
    let weak = Arc::downgrade(shared);
    shared.metrics.expose_clients(move || {
        weak.upgrade()
            .map_or_else(Vec::new, |shared| shared.credential_expiries.list())
    });
}
