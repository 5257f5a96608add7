//! The driver: takes work from the engine, runs each unit in its own task, and reports the outcome.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::Instrument as _;

use crate::cli::NamespacedName;
use crate::engine::{Key, Next, Outcome, Requeue, Work};
use crate::kubernetes::shared::Cluster;
use crate::lock::lock;
use crate::queue::HostReport;
use crate::reconcile::{Reconciled, walk};
use crate::server::Beat;
use crate::tenant;
use crate::time::{Span, Time};

use super::shared::Shared;

/// The longest sleep: the wall clock is read after it, so that clock steps and suspended machines are noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// How soon a resource is reconciled again after a panic.
const AFTER_PANIC: Span = Span::from_seconds(60);
/// The maximum duration of one reconcile, whatever it waits for. Each wait in it has a shorter deadline, except for a
/// token that cannot be written, which is kept as long as it is valid.
const LATE: Span = Span::from_seconds(5);

/// Runs until told to stop, then until the work in flight has ended or `drain` has passed.
pub(super) async fn drive(
    shared: Arc<Shared>,
    beat: Beat,
    panic_on: Option<NamespacedName>,
    stop: impl Future<Output = ()>,
    drain: Duration,
    drained: tokio::sync::watch::Sender<bool>,
) {
    let mut stop = std::pin::pin!(stop);
    let mut walks = JoinSet::new();
    let panic_on = panic_on.map(|name| Key::new(&name.namespace, &name.name));
    loop {
        beat.tick();
        while walks.try_join_next().is_some() {}
        let wait = match begin(&shared, &mut walks, panic_on.as_ref()) {
            Some(until) => until
                .since(shared.clock.now())
                .to_duration()
                .min(LONGEST_SLEEP),
            None => Duration::from_secs(1),
        };
        tokio::select! {
            () = &mut stop => break,
            () = shared.wake.notified() => {}
            Some(_) = walks.join_next(), if !walks.is_empty() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    shared.stopping.store(true, Ordering::Release);
    tracing::info!(
        in_flight = walks.len(),
        "draining: no new work begins, what is in hand is written"
    );
    let all = async { while walks.join_next().await.is_some() {} };
    // The last attempts need a moment after the drain.
    let _ = timeout(drain, all).await;
    let _ = drained.send(true);
    let rest = async { while walks.join_next().await.is_some() {} };
    if timeout(Duration::from_secs(5), rest).await.is_err() {
        tracing::error!(
            unfinished = walks.len(),
            "the time to drain is over: some work did not end"
        );
    }
}

/// Starts everything that is due. Returns until when to sleep then, `None` if no new work may start.
fn begin(shared: &Arc<Shared>, walks: &mut JoinSet<()>, panic_on: Option<&Key>) -> Option<Time> {
    loop {
        if !shared.may_begin() {
            return None;
        }
        let now = shared.clock.now();
        let next = lock(&shared.engine).next(now);
        match next {
            Next::Sleep(until) => return Some(until),
            Next::Work(work) => {
                if work.may_request && work.due != Time::NEVER {
                    let late = now.since(work.due);
                    if late > LATE {
                        tracing::debug!(resource = %work.key, %late, "late");
                    }
                    shared.metrics.refresh_lateness(late);
                }
                let panics = panic_on == Some(&work.key);
                walks.spawn(one(Arc::clone(shared), work, panics));
            }
        }
    }
}

/// When a resource is reconciled next if nothing changes.
fn next_of(outcome: &Outcome, now: Time) -> Option<Time> {
    match outcome.wants {
        Requeue::Request => Some(now),
        Requeue::At(time) | Requeue::RequestAt(time) => Some(time),
        Requeue::OnChange => outcome.token.as_ref().map(|token| token.refresh),
    }
}

/// One unit of work, from the engine and back to it, whatever happens in between.
async fn one(shared: Arc<Shared>, work: Work, panics: bool) {
    let key = work.key.clone();
    let span = tracing::info_span!("resource", resource = %key, generation = tracing::field::Empty);
    let store = Cluster(Arc::clone(&shared));
    shared.walk_begins(&key);
    let reconciling = async {
        #[expect(
            clippy::panic,
            reason = "requested by a hidden flag, to prove that it affects no other resource"
        )]
        if panics {
            panic!("asked for by --panic-on");
        }
        // Boxed, as are its largest steps: a reconcile that opens a connection has deep futures.
        Box::pin(tenant::serve(key.namespace(), walk(&store, &work))).await
    };
    let reconciled = AssertUnwindSafe(reconciling)
        .catch_unwind()
        .instrument(span.clone())
        .await;
    shared.release_claims(&key);
    let now = shared.clock.now();
    match reconciled {
        Ok(Reconciled::Done(outcome)) => {
            shared.keep_until(&key, next_of(&outcome, now));
            lock(&shared.engine).done(&key, outcome, now);
        }
        Ok(Reconciled::Gone) => {
            // The watch reports it too; until then there is nothing to do.
            lock(&shared.engine).abandoned(&key, HostReport::Unused, now + AFTER_PANIC, now);
        }
        Ok(Reconciled::Abandoned { again, trouble }) => {
            span.in_scope(|| tracing::warn!(%trouble, until = %again, "could not be observed"));
            lock(&shared.engine).abandoned(&key, HostReport::Unused, again, now);
        }
        Err(_) => {
            // The caught payload may contain a secret: it is dropped unread.
            span.in_scope(|| tracing::error!("reconcile panicked; retrying in 60 s"));
            lock(&shared.engine).abandoned(&key, HostReport::Failed, now + AFTER_PANIC, now);
        }
    }
    shared.wake.notify_one();
}
