//! For whom something is done: the namespace that what it takes counts for.
//!
//! Said once, where a piece of work begins. Everything that is shared (API calls, look-ups of names, bytes of answers) asks
//! here, so that no call can forget to say it.

use std::future::Future;
use std::sync::Arc;

tokio::task_local! {
    static TENANT: Arc<str>;
}

/// Does some work for a namespace.
pub async fn serve<F: Future>(namespace: &str, work: F) -> F::Output {
    TENANT.scope(namespace.into(), work).await
}

/// The namespace that the present work is done for; empty for the operator's own. Tasks that a work spawns do not know it: it is
/// to be asked before.
pub fn current() -> Arc<str> {
    TENANT
        .try_with(Arc::clone)
        .unwrap_or_else(|_| Arc::from(""))
}
