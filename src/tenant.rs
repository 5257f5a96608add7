//! The namespace that a unit of work belongs to; what it uses counts for that namespace.
//!
//! It is set once, where the work starts. Everything that is shared (API calls, DNS look-ups, response bytes) reads it
//! here, so that no call can forget it.

use std::future::Future;
use std::sync::Arc;

tokio::task_local! {
    static TENANT: Arc<str>;
}

/// Runs work for a namespace.
pub async fn serve<F: Future>(namespace: &str, work: F) -> F::Output {
    TENANT.scope(namespace.into(), work).await
}

/// The namespace of the current work; empty for the operator's own. Spawned tasks do not inherit it, so read it before.
pub fn current() -> Arc<str> {
    TENANT
        .try_with(Arc::clone)
        .unwrap_or_else(|_| Arc::from(""))
}
