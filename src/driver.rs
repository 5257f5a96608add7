//! The loop that every driver shares: takes due work from the engine, runs each reconcile in a task of its own, and gives the
//! outcome back to the engine, whatever happens in between.
//!
//! It does not know what wakes it, nor when to stop: a driver calls it from its own loop.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::Instrument as _;

use crate::engine::{Engine, Key, Next, Outcome, Work};
use crate::queue::HostReport;
use crate::reconcile::{Reconciled, Store, reconcile};
use crate::tenant;
use crate::time::{Span, Time};

/// The longest sleep: the wall clock is read after it, so that clock steps and suspended machines are noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// The sleep while no new work may start.
const PAUSED: Duration = Duration::from_secs(1);
/// How soon a resource is reconciled again after a panic, or if it is gone although nothing has reported that.
const AFTER_PANIC: Span = Span::from_seconds(60);
/// From when on work counts as late.
const LATE: Span = Span::from_seconds(5);

/// What the loop needs of a driver, beside its [`Store`].
pub(crate) trait DriverStore: Store + 'static {
    /// The engine that hands out the work.
    fn engine(&self) -> MutexGuard<'_, Engine>;

    /// Notified when something may be due.
    fn wake(&self) -> &Notify;

    /// A token request starts, so long after it became due.
    fn observe_lateness(&self, _late: Span) {}

    /// A reconcile starts.
    fn reconcile_started(&self, _key: &Key) {}

    /// A reconcile has ended: with an outcome, or without one, if the resource could not be observed. The engine gets it
    /// next.
    fn reconcile_ended(&self, key: &Key, outcome: Option<&Outcome>, now: Time);
}

/// The reconciles in flight.
pub(crate) struct Driver<S> {
    store: Arc<S>,
    in_flight: JoinSet<()>,
    panic_on: Option<Key>,
}

impl<S: DriverStore> Driver<S> {
    /// With nothing in flight. `panic_on` names a resource whose reconciles panic, to prove that this affects no other one.
    pub(crate) fn new(store: Arc<S>, panic_on: Option<Key>) -> Self {
        Driver {
            store,
            in_flight: JoinSet::new(),
            panic_on,
        }
    }

    /// How many reconciles are in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Starts everything that is due. Returns for how long to wait then.
    pub(crate) fn start(&mut self) -> Duration {
        while self.in_flight.try_join_next().is_some() {}
        loop {
            if !self.store.may_start_work() {
                return PAUSED;
            }
            let now = self.store.now();
            let next = self.store.engine().next(now);
            match next {
                Next::Sleep(until) => return until.since(now).to_duration().min(LONGEST_SLEEP),
                Next::Work(work) => {
                    self.note_lateness(&work, now);
                    let panics = self.panic_on.as_ref() == Some(&work.key);
                    let store = Arc::clone(&self.store);
                    self.in_flight.spawn(one(store, work, panics));
                }
            }
        }
    }

    fn note_lateness(&self, work: &Work, now: Time) {
        if !work.may_request || work.due == Time::NEVER {
            return;
        }
        let late = now.since(work.due);
        if late > LATE {
            tracing::debug!(resource = %work.key, %late, "late");
        }
        self.store.observe_lateness(late);
    }

    /// Waits until something may be due, at most so long.
    pub(crate) async fn wait(&mut self, at_most: Duration) {
        tokio::select! {
            () = self.store.wake().notified() => {}
            Some(_) = self.in_flight.join_next(), if !self.in_flight.is_empty() => {}
            () = tokio::time::sleep(at_most) => {}
        }
    }

    /// Waits for the reconciles in flight, at most so long. Returns whether all have ended.
    pub(crate) async fn drain(&mut self, at_most: Duration) -> bool {
        let all = async { while self.in_flight.join_next().await.is_some() {} };
        timeout(at_most, all).await.is_ok()
    }
}

/// One unit of work, from the engine and back to it.
async fn one<S: DriverStore>(store: Arc<S>, work: Work, panics: bool) {
    let key = work.key.clone();
    let span = tracing::info_span!("resource", resource = %key, generation = tracing::field::Empty);
    store.reconcile_started(&key);
    let reconciling = async {
        #[expect(
            clippy::panic,
            reason = "requested by a hidden flag, to prove that it affects no other resource"
        )]
        if panics {
            panic!("asked for by --panic-on");
        }
        // Boxed, as are its largest steps: a reconcile that opens a connection has deep futures.
        Box::pin(tenant::serve(key.namespace(), reconcile(&*store, &work))).await
    };
    let reconciled = AssertUnwindSafe(reconciling)
        .catch_unwind()
        .instrument(span.clone())
        .await;
    let now = store.now();
    let outcome = match &reconciled {
        Ok(Reconciled::Done(outcome)) => Some(outcome),
        _ => None,
    };
    store.reconcile_ended(&key, outcome, now);
    let unused = HostReport::Unused;
    match reconciled {
        Ok(Reconciled::Done(outcome)) => store.engine().done(&key, outcome, now),
        // A watch reports the deletion as well; until then there is nothing to do.
        Ok(Reconciled::Gone) => store
            .engine()
            .abandoned(&key, unused, now + AFTER_PANIC, now),
        Ok(Reconciled::Abandoned { again, error }) => {
            span.in_scope(|| tracing::warn!(%error, until = %again, "could not be observed"));
            store.engine().abandoned(&key, unused, again, now);
        }
        Err(_) => {
            // The caught payload may contain a secret: it is dropped unread.
            span.in_scope(|| tracing::error!("reconcile panicked; retrying in 60 s"));
            let failed = HostReport::Failed;
            store
                .engine()
                .abandoned(&key, failed, now + AFTER_PANIC, now);
        }
    }
    store.wake().notify_one();
}
