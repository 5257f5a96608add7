//! The loop of the operator: until it is asked to stop or its Lease is lost, then until what is in hand is written.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;

use crate::cli::NamespacedName;
use crate::driver::{Driver, DriverStore};
use crate::engine::{Engine, Key, Outcome, Requeue};
use crate::kubernetes::shared::ClusterStore;
use crate::lock::lock;
use crate::server::Heartbeat;
use crate::time::{Span, Time};

use super::shared::Shared;

/// How long the last attempts to write may take after the drain.
const LAST_ATTEMPTS: Duration = Duration::from_secs(5);

/// Runs until asked to stop, then until the work in flight has ended or `drain` has passed.
pub(super) async fn drive(
    shared: Arc<Shared>,
    heartbeat: Heartbeat,
    panic_on: Option<NamespacedName>,
    stop: impl Future<Output = ()>,
    drain: Duration,
    drained: tokio::sync::watch::Sender<bool>,
) {
    let mut stop = std::pin::pin!(stop);
    let panic_on = panic_on.map(|name| Key::new(&name.namespace, &name.name));
    let mut driver = Driver::new(Arc::new(ClusterStore(Arc::clone(&shared))), panic_on);
    loop {
        heartbeat.beat();
        let wait = driver.start();
        tokio::select! {
            () = &mut stop => break,
            () = driver.wait(wait) => {}
        }
    }
    shared.stopping.store(true, Ordering::Release);
    tracing::info!(
        in_flight = driver.in_flight(),
        "draining: no new work begins, what is in hand is written"
    );
    driver.drain(drain).await;
    let _ = drained.send(true);
    if !driver.drain(LAST_ATTEMPTS).await {
        tracing::error!(
            unfinished = driver.in_flight(),
            "the time to drain is over: some work did not end"
        );
    }
}

impl DriverStore for ClusterStore {
    fn engine(&self) -> MutexGuard<'_, Engine> {
        lock(&self.0.engine)
    }

    fn wake(&self) -> &Notify {
        &self.0.wake
    }

    fn observe_lateness(&self, late: Span) {
        self.0.metrics.refresh_lateness(late);
    }

    fn reconcile_started(&self, key: &Key) {
        self.0.reconcile_started(key);
    }

    fn reconcile_ended(&self, key: &Key, outcome: Option<&Outcome>, now: Time) {
        self.0.claims.release(key);
        if let Some(outcome) = outcome {
            self.0.keep_until(key, next_of(outcome, now));
        }
    }
}

/// When a resource is reconciled next if nothing changes.
fn next_of(outcome: &Outcome, now: Time) -> Option<Time> {
    match outcome.requeue {
        Requeue::Request => Some(now),
        Requeue::At(time) | Requeue::RequestAt(time) => Some(time),
        Requeue::OnChange => outcome.token.as_ref().map(|token| token.refresh),
    }
}
