//! Redeems what works only once: reserved before it is sent, and the response stored before anything else is done with
//! it.

use crate::engine::Key;
use crate::model::{
    Assessment, AttemptOutcome, FamilyRecord, Observed, Problem, Redemption, SecretBody, SecretSeen,
};
use crate::policy::{self, FailedRedemption, RecordState, record_state, state_after_write};
use crate::time::Span;

use super::observe::observe;
use super::publish::{assess_failure, report_status};
use super::{Store, WriteError};

/// The first and the longest pause between two attempts to store.
const FIRST_PAUSE: Span = Span::from_millis(250);
const LONGEST_PAUSE: Span = Span::from_seconds(15);
/// After this many attempts, the status reports that a response waits to be stored.
const REPORT_AFTER: u32 = 4;
/// How often to try to record a failed attempt: the process keeps what it knows too.
const TRIES_AFTER_A_FAILURE: u32 = 4;

/// The result for a response.
pub(super) enum StoreOutcome {
    /// It is stored.
    Stored,
    /// Another attempt has taken over.
    Superseded,
    /// The resource is gone.
    ResourceGone,
    /// It cannot be stored; why, and when to try again.
    GivenUp(Box<Assessment>, Option<Span>),
}

/// Reserves: proves with a write that the response can be stored, and that nobody else redeems the same.
pub(super) async fn reserve(
    store: &impl Store,
    key: &Key,
    seen: &mut Observed,
    redemption: &Redemption,
) -> Result<(), WriteError> {
    let written = store
        .write_state_secret(key, &redemption.reservation_write(seen))
        .await;
    match written {
        Ok(secret) => {
            seen.family.state = Some(state_after_write(secret, &redemption.record));
            seen.memory.family.outcomes.clear();
            Ok(())
        }
        Err(error) => {
            // It may have succeeded; then it is known that nothing was sent.
            if matches!(error, WriteError::Passing(_)) {
                seen.memory.family.add_outcome(redemption.unsent().1);
            }
            Err(error)
        }
    }
}

/// Withdraws a reservation of which nothing was sent.
pub(super) async fn withdraw_reservation(
    store: &impl Store,
    key: &Key,
    seen: &mut Observed,
    redemption: &Redemption,
) {
    let (record, outcome) = redemption.unsent();
    write_record(store, key, seen, redemption, &record, outcome).await;
}

/// Records that an attempt failed, and what that means for what was redeemed.
pub(super) async fn record_failure(
    store: &impl Store,
    key: &Key,
    seen: &mut Observed,
    redemption: &Redemption,
    failed_redemption: &FailedRedemption,
) {
    if let Some(record) = &failed_redemption.record {
        write_record(
            store,
            key,
            seen,
            redemption,
            record,
            failed_redemption.outcome.clone(),
        )
        .await;
    }
}

async fn write_record(
    store: &impl Store,
    key: &Key,
    seen: &mut Observed,
    redemption: &Redemption,
    record: &FamilyRecord,
    outcome: Option<AttemptOutcome>,
) {
    seen.memory.family.add_outcome(outcome);
    let mut pause = FIRST_PAUSE;
    for _ in 0..TRIES_AFTER_A_FAILURE {
        match store
            .write_state_secret(key, &policy::state_secret_write(seen, record))
            .await
        {
            Ok(secret) => {
                seen.family.state = Some(state_after_write(secret, record));
                return;
            }
            Err(WriteError::NamespaceTerminating) => return,
            Err(_) => {}
        }
        let has_time = store.pause(pause).await;
        pause = pause + pause;
        match observe_again(store, key, seen, redemption, record).await {
            AfterFailure::Retry if has_time => {}
            _ => return,
        }
    }
}

/// Stores a response repeatedly until it succeeds: it is the only copy.
pub(super) async fn store_response(
    store: &impl Store,
    key: &Key,
    seen: &mut Observed,
    redemption: &Redemption,
    record: &FamilyRecord,
    assessment: &Assessment,
) -> StoreOutcome {
    let mut pause = FIRST_PAUSE;
    let mut reported = None;
    let mut last_try = false;
    for tries in 1_u32.. {
        let body: SecretBody = policy::state_secret_write(seen, record);
        let error = match store.write_state_secret(key, &body).await {
            Ok(secret) => {
                seen.family.state = Some(state_after_write(secret, record));
                return StoreOutcome::Stored;
            }
            Err(error) => error,
        };
        let now = store.now();
        let failing = Assessment {
            secret_name: body.name,
            ..assessment.clone()
        };
        let (failing, retry_after) = assess_failure(seen, failing, &error, now);
        let failing = Assessment {
            secret_name: assessment.secret_name.clone(),
            ..failing
        };
        if error == WriteError::NamespaceTerminating {
            return StoreOutcome::GivenUp(Box::new(failing), None);
        }
        if last_try {
            return StoreOutcome::GivenUp(Box::new(failing), Some(retry_after));
        }
        let reason = failing.problem.as_ref().map(Problem::reason);
        if (tries >= REPORT_AFTER || error.needs_person()) && reported != reason {
            reported = reason;
            report_status(store, seen, &failing, now).await;
        }
        if error != WriteError::Raced || tries > 1 {
            last_try = !store.pause(pause.scale(0.75 + 0.5 * store.jitter())).await;
            pause = (pause + pause).min(LONGEST_PAUSE);
        }
        match observe_again(store, key, seen, redemption, record).await {
            AfterFailure::Retry => {}
            AfterFailure::Stored => return StoreOutcome::Stored,
            AfterFailure::Superseded => return StoreOutcome::Superseded,
            AfterFailure::ResourceGone => return StoreOutcome::ResourceGone,
        }
    }
    StoreOutcome::Superseded
}

/// What to do after a failed write and a new observation of the state Secret.
enum AfterFailure {
    Retry,
    Stored,
    Superseded,
    ResourceGone,
}

async fn observe_again(
    store: &impl Store,
    key: &Key,
    seen: &mut Observed,
    redemption: &Redemption,
    record: &FamilyRecord,
) -> AfterFailure {
    let fresh = match Box::pin(observe(store, key, true)).await {
        Ok(Some(fresh)) => fresh,
        Ok(None) => return AfterFailure::ResourceGone,
        // Nothing new is known: repeat the same write.
        Err(_) => return AfterFailure::Retry,
    };
    if fresh.resource.uid != seen.resource.uid || fresh.resource.deleting {
        return AfterFailure::ResourceGone;
    }
    let theirs = |state: &SecretSeen| !state.is_owned_by(&seen.resource);
    if fresh.family.state.as_ref().is_some_and(theirs) {
        return AfterFailure::Superseded;
    }
    seen.family.state = fresh.family.state;
    seen.resource.renew(fresh.resource);
    match record_state(seen, redemption, record) {
        RecordState::Stored => AfterFailure::Stored,
        RecordState::NotStored => AfterFailure::Retry,
        RecordState::Superseded => AfterFailure::Superseded,
    }
}
